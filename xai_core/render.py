"""The reference of every pixel the viewer draws: numpy, slow, plain; the browser agrees within 2/255.

A picture is case samples -> samples at screen pixels -> grey (window, VOI table, polarity) and, over it, map cells at
screen pixels -> filter -> sign -> normalisation -> threshold -> colour. One affine by pixel centres serves both: an
index of 0 is the centre of the first sample. Sources: window DICOM PS3.3 C.11.2.1.2, VOI table C.11.1.1, polarity
C.7.6.3.1.2; the filters and their place before normalisation are those of the published 3-D LRP filters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from xai_core.case import Case
from xai_core.colours import table_for

Sign = Literal["both", "positive", "negative"]
FilterMode = Literal["none", "pass", "clamp"]
Samples = NDArray[np.uint16]
# A pixel centre on the very edge of the film, or of a cell, falls on the same side here and in the browser.
EDGE = 1e-6


@dataclass(frozen=True)
class Sheet:
    """What is sent to the browser. Case: ``codes`` uint8 or uint16, sample = base + step * code.
    Map: ``codes`` float16 shares of the greatest magnitude, value = scale * code (NaN is "no value")."""

    codes: NDArray[Any]
    base: float = 0.0
    step: float = 1.0
    scale: float = 1.0


@dataclass(frozen=True)
class View:
    """Where the film lies on a canvas.

    ``size`` (height, width) in device pixels; ``scale`` device pixels a film pixel; ``row``, ``column`` the film index
    at the canvas's centre; ``turn`` clockwise quarter turns, after which the flips act on the screen. ``row_size``,
    ``column_size`` make a film pixel so much higher and wider, where samples are not square.
    """

    size: tuple[int, int]
    scale: float
    row: float
    column: float
    turn: int = 0
    flip_x: bool = False
    flip_y: bool = False
    row_size: float = 1.0
    column_size: float = 1.0


@dataclass(frozen=True)
class Grey:
    """How samples become grey. ``center``, ``width`` in stored samples; ``voi`` "linear" or "table" (of the file)."""

    center: float
    width: float
    voi: Literal["linear", "table"] = "linear"
    invert: bool = False


@dataclass(frozen=True)
class Overlay:
    """How a map becomes colour. ``scope`` is the magnitude that counts as 1 (None: the map's own greatest);
    ``threshold`` hides shares below it, ``filter_low`` and ``filter_high`` are shares of the map's own greatest."""

    threshold: float = 0.2
    opacity: float = 0.45
    colours: str = "auto"
    sign: Sign = "both"
    scope: float | None = None
    filter_mode: FilterMode = "none"
    filter_low: float = 0.0
    filter_high: float = 1.0
    smooth: bool = False


@dataclass(frozen=True)
class MapSheet:
    """A map on its own grid: case index = ``offset`` + ``scale`` * map index along (rows, columns)."""

    sheet: Sheet
    grid_scale: tuple[float, float]
    grid_offset: tuple[float, float]
    is_signed: bool


def composite(
    case: Case, view: View, grey: Grey, mapped: MapSheet | None = None, overlay: Overlay | None = None
) -> NDArray[np.uint8]:
    """(height, width, 3) uint8: the film under ``view`` and ``grey``, with a map over it where one is given.

    Outside the film all is black, outside the map's field only the film shows. A cell of zero is never painted.
    """
    return composite_sheet(case, case_sheet(case), view, grey, mapped, overlay)


def composite_sheet(
    case: Case, sheet: Sheet, view: View, grey: Grey, mapped: MapSheet | None, overlay: Overlay | None
) -> NDArray[np.uint8]:
    """As :func:`composite`, of a sheet (rows, columns) of the case: the film itself, or a slice of a volume."""
    shape = sheet.codes.shape
    film, inside = film_on_screen(sheet, shape, view)
    shade = np.where(inside, grey_table(case, sheet, grey)[film], 0).astype(np.float64)
    picture = np.repeat(shade[:, :, None], 3, axis=2)
    if mapped is not None and overlay is not None:
        shares = map_on_screen(mapped, shape, view, overlay.smooth)
        colour, shown = paint(shares, mapped.sheet.scale, mapped.is_signed, overlay)
        blend = picture * (1.0 - overlay.opacity) + colour * overlay.opacity
        picture = np.where((shown & inside)[:, :, None], blend, picture)
    return np.asarray(np.floor(picture + 0.5), dtype=np.uint8)


# What is sent


def case_sheet(case: Case, channel: int = 0) -> Sheet:
    """A channel as uint8 or uint16 codes; exact for integers spanning 65,536 values, else in 65,535 steps."""
    pixels = case.pixels[channel]
    if pixels.dtype == np.bool_ or pixels.dtype == np.uint8:
        return Sheet(np.ascontiguousarray(pixels, dtype=np.uint8))
    if pixels.dtype == np.uint16:
        return Sheet(np.ascontiguousarray(pixels))
    values = np.nan_to_num(pixels.astype(np.float64))
    low, high = float(values.min()), float(values.max())
    if np.issubdtype(pixels.dtype, np.integer) and high - low <= 65535:
        return Sheet((values - low).astype(np.uint16), base=low)
    step = (high - low) / 65535 or 1.0
    return Sheet(np.floor((values - low) / step + 0.5).astype(np.uint16), base=low, step=step)


def map_sheet(values: NDArray[Any]) -> Sheet:
    """A map (*space) as float16 shares of its greatest finite magnitude, which becomes ``scale`` (0 where all is zero)."""
    plain = np.asarray(values, dtype=np.float32)
    finite = np.isfinite(plain)
    greatest = float(np.abs(plain[finite]).max()) if finite.any() else 0.0
    shares = np.where(finite, plain / np.float32(greatest or 1.0), np.float32(np.nan))
    return Sheet(shares.astype(np.float16), scale=greatest)


# Geometry


def axis_positions(
    count: int, view: View, along: Literal["x", "y"]
) -> tuple[Literal["row", "column"], NDArray[np.float64]]:
    """Which film axis a screen axis walks along, and the film index at each of its ``count`` pixel centres.

    At 1:1 the walk is moved by less than half a pixel so that samples are shown untouched.
    """
    turn = view.turn % 4
    axis: Literal["row", "column"] = (
        ("column" if along == "x" else "row") if turn % 2 == 0 else ("row" if along == "x" else "column")
    )
    backwards = {"x": turn in (1, 2), "y": turn in (2, 3)}[along]
    sign = -1.0 if backwards != (view.flip_x if along == "x" else view.flip_y) else 1.0
    centre = view.row if axis == "row" else view.column
    scale = view.scale * (view.row_size if axis == "row" else view.column_size)
    positions = np.asarray(centre + sign * ((np.arange(count) + 0.5 - count / 2) / scale), dtype=np.float64)
    if abs(scale - 1.0) < 1e-9 and count:
        positions += np.floor(positions[0] + 0.5) - positions[0]
    return axis, positions


def pyramid_level(scale: float) -> int:
    """How often the film is halved before it is interpolated: 0 from 0.6 screen pixels a film pixel upwards."""
    return max(0, int(np.floor(np.log2(1.0 / scale) + 0.25)))


def halved(codes: NDArray[Any], times: int) -> NDArray[Any]:
    """Means of 2 x 2 codes, rounded half up, ``times`` over; an odd last row or column is repeated."""
    for _ in range(times):
        wide = np.pad(codes.astype(np.uint32), [(0, codes.shape[0] % 2), (0, codes.shape[1] % 2)], mode="edge")
        codes = ((wide[::2, ::2] + wide[1::2, ::2] + wide[::2, 1::2] + wide[1::2, 1::2] + 2) >> 2).astype(codes.dtype)
    return codes


def film_on_screen(sheet: Sheet, shape: Sequence[int], view: View) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Codes at screen pixels (linear between the samples of the pyramid level) and where the film lies."""
    level = pyramid_level(view.scale * max(view.row_size, view.column_size))
    codes = halved(sheet.codes, level)
    rows, columns, swap = _positions(view)
    inside = _within(rows, shape[0])[:, None] & _within(columns, shape[1])[None, :]
    level_rows, level_columns = ((position + 0.5) / 2**level - 0.5 for position in (rows, columns))
    film = np.floor(_bilinear(codes.astype(np.float64), level_rows, level_columns) + 0.5).astype(np.int64)
    return (film.T, inside.T) if swap else (film, inside)


def map_on_screen(mapped: MapSheet, shape: Sequence[int], view: View, smooth: bool) -> NDArray[np.float64]:
    """Shares at screen pixels, NaN outside the map's field or the film; nearest cell unless ``smooth``."""
    rows, columns, swap = _positions(view)
    cells = mapped.sheet.codes.astype(np.float64)
    at_rows, at_columns = (
        (position - offset) / scale
        for position, offset, scale in zip((rows, columns), mapped.grid_offset, mapped.grid_scale, strict=True)
    )
    inside = _within(rows, shape[0])[:, None] & _within(columns, shape[1])[None, :]
    inside &= _within(at_rows, cells.shape[0])[:, None] & _within(at_columns, cells.shape[1])[None, :]
    if smooth:
        shares = _bilinear(cells, at_rows, at_columns).astype(np.float16).astype(np.float64)
    else:
        shares = cells[np.ix_(_nearest(at_rows, cells.shape[0]), _nearest(at_columns, cells.shape[1]))]
    shares = np.where(inside, shares, np.nan)
    return shares.T if swap else shares


def _positions(view: View) -> tuple[NDArray[np.float64], NDArray[np.float64], bool]:
    """Film rows, film columns, and whether rows run along the screen's x."""
    axis, across = axis_positions(view.size[1], view, "x")
    _, down = axis_positions(view.size[0], view, "y")
    return (down, across, False) if axis == "column" else (across, down, True)


def _within(position: NDArray[np.float64], count: int) -> NDArray[np.bool_]:
    return (position >= -0.5 - EDGE) & (position < count - 0.5 - EDGE)


def _nearest(position: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    return np.clip(np.floor(position + 0.5 + EDGE), 0, count - 1).astype(np.int64)


def _bilinear(
    values: NDArray[np.float64], rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> NDArray[np.float64]:
    def taps(
        position: NDArray[np.float64], count: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        low = np.floor(position)
        first, second = (np.clip(low + more, 0, count - 1).astype(np.int64) for more in (0, 1))
        return first, second, position - low

    top, bottom, down = taps(rows, values.shape[0])
    left, right, across = taps(columns, values.shape[1])
    upper = values[np.ix_(top, left)] * (1 - across) + values[np.ix_(top, right)] * across
    lower = values[np.ix_(bottom, left)] * (1 - across) + values[np.ix_(bottom, right)] * across
    return np.asarray(upper * (1 - down)[:, None] + lower * down[:, None])


# Grey


def grey_table(case: Case, sheet: Sheet, grey: Grey) -> NDArray[np.uint8]:
    """Grey 0..255 of every code. Linear window of PS3.3 C.11.2.1.2.1; MONOCHROME1 and ``invert`` turn it over."""
    samples = sheet.base + sheet.step * np.arange(256 if sheet.codes.dtype == np.uint8 else 65536, dtype=np.float64)
    voi = case.facts.get("voi_lut")
    if grey.voi == "table" and voi is not None:
        first, table = voi
        share = np.asarray(table, np.float64)[
            np.clip(np.floor(samples - first + 0.5), 0, len(table) - 1).astype(np.int64)
        ]
    else:
        share = (samples - (grey.center - 0.5)) / max(grey.width - 1.0, 1e-6) + 0.5
    share = np.clip(share, 0.0, 1.0)
    if case.is_inverted != grey.invert:
        share = 1.0 - share
    return np.asarray(np.floor(share * 255.0 + 0.5), dtype=np.uint8)


# Colour


def filtered(shares: NDArray[np.float64], mode: FilterMode, low: float, high: float) -> NDArray[np.float64]:
    """``pass`` keeps magnitudes in [low, high], else 0; ``clamp`` makes those above ``high`` be ``high``, below ``low`` 0.

    On shares of the map's own greatest magnitude, whose unit is kept. (0, 1) changes nothing.
    """
    size = np.abs(shares)
    if mode == "pass":
        return np.where((size < low) | (size > high), 0.0, shares)
    if mode == "clamp":
        return np.where(size < low, 0.0, np.sign(shares) * np.minimum(size, high))
    return shares


def magnitude(sheet: Sheet, percentile: float = 100.0) -> float:
    """The ``percentile`` of |value| over a map's cells (nearest rank), in the map's unit."""
    sizes = np.sort(np.abs(sheet.codes[~np.isnan(sheet.codes)].astype(np.float64)))
    if not sizes.size:
        return 0.0
    rank = max(1, int(np.ceil(percentile / 100.0 * sizes.size)))
    return float(sizes[rank - 1] * sheet.scale)


def scopes(
    maps: Mapping[str, tuple[Sheet, str]],
    how: Literal["auto", "shared", "method", "map"] = "auto",
    percentile: float = 100.0,
) -> dict[str, float]:
    """What counts as 1 for each map. ``maps``: pane name -> (sheet, unit).

    "shared": the greatest over maps of one unit (a map of unit "none" stands alone); "method": over panes whose name
    begins with the same explainer (up to the first "|") and have one unit; "map": each its own; "auto": shared over a
    unit all of whose maps would still show something at the default threshold on that scale, else each its own.
    """
    sizes = {name: magnitude(sheet, percentile) for name, (sheet, _) in maps.items()}

    def is_comparable(unit: str) -> bool:
        found = [sizes[name] for name, (_, other) in maps.items() if other == unit and sizes[name] > 0]
        return unit != "none" and bool(found) and min(found) >= Overlay.threshold * max(found)

    def group(name: str, unit: str) -> str:
        if how == "auto":
            return f"unit {unit}" if is_comparable(unit) else f"map {name}"
        if how == "map" or (how == "shared" and unit == "none"):
            return f"map {name}"
        return f"unit {unit}" if how == "shared" else f"method {name.split('|')[0]} {unit}"

    greatest: dict[str, float] = {}
    for name, (_, unit) in maps.items():
        key = group(name, unit)
        greatest[key] = max(greatest.get(key, 0.0), sizes[name])
    return {name: greatest[group(name, unit)] for name, (_, unit) in maps.items()}


def paint(
    shares: NDArray[np.float64], scale: float, is_signed: bool, overlay: Overlay
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Colours (..., 3) 0..255 and where they are shown, for ``shares`` of a map whose greatest magnitude is ``scale``.

    An unsigned map has no negative side: ``sign`` does not touch it. An unsigned table shows a signed map's magnitude.
    """
    table = table_for(overlay.colours, is_signed)
    scope = scale if overlay.scope is None else overlay.scope
    kept = filtered(np.nan_to_num(shares), overlay.filter_mode, overlay.filter_low, overlay.filter_high)
    if is_signed and overlay.sign != "both":
        kept = np.where((kept > 0) == (overlay.sign == "positive"), kept, 0.0)
    strength = np.minimum(1.0, np.abs(kept) * (scale / scope if scope > 0 else 0.0))
    shown = (strength > 0) & (strength >= overlay.threshold)
    step = np.floor(strength * 255.0 + 0.5).astype(np.int64)
    index = 255 + np.where(kept < 0, -step, step) if table.is_signed else step
    return table.colours[index].astype(np.float64), shown
