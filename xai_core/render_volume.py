"""The reference of what the viewer draws of a volume: a slice is a film, a map's nearest slice or projection its map.

A slice of the case takes the map's slice whose centre is nearest, nothing where the map does not reach; between cells
of one slice the map is shown as on films. Regions are filled over it all, each over the one before. Samples need not be square: a view carries the size of a row and a column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from xai_core.case import Case
from xai_core.planes import Plane
from xai_core.render import (
    EDGE,
    Grey,
    MapSheet,
    Overlay,
    Sheet,
    Sign,
    View,
    case_sheet,
    composite_sheet,
    map_on_screen,
    map_sheet,
)


@dataclass(frozen=True)
class VolumeMap:
    """One modality's map: ``sheet`` codes (d, h, w); case index = ``grid_offset`` + ``grid_scale`` * map index."""

    sheet: Sheet
    grid_scale: tuple[float, float, float]
    grid_offset: tuple[float, float, float]
    is_signed: bool


@dataclass(frozen=True)
class Fill:
    """A region that fills a picture: ``mask`` (d, h, w) bool on the case's grid, ``colour`` 0..255, ``opacity`` 0..1."""

    mask: NDArray[np.bool_]
    colour: tuple[int, int, int]
    opacity: float


def volume_map(
    values: NDArray[np.float32],
    grid_scale: tuple[float, float, float],
    grid_offset: tuple[float, float, float],
    is_signed: bool,
) -> VolumeMap:
    """A map (d, h, w) as shares of its greatest magnitude."""
    return VolumeMap(map_sheet(values), grid_scale, grid_offset, is_signed)


def slice_view(
    case: Case,
    plane: Plane,
    number: int,
    view: View,
    grey: Grey,
    channel: int = 0,
    mapped: VolumeMap | None = None,
    overlay: Overlay | None = None,
    is_projected: bool = False,
    fills: Sequence[Fill] = (),
) -> NDArray[np.uint8]:
    """(height, width, 3) uint8: slice ``number`` (from 0) of ``plane``, with a map over it where one is given.

    ``is_projected``: along the slices the map's greatest magnitude, not only its nearest slice. ``fills`` are those of
    slice ``number`` all the same.
    """
    whole = case_sheet(case, channel)
    sheet = Sheet(np.ascontiguousarray(plane.slice_of(whole.codes, number)), whole.base, whole.step)
    layer = None
    if mapped is not None and overlay is not None:
        sign: Sign = overlay.sign if mapped.is_signed else "both"
        layer = projection(mapped, plane, case, sign) if is_projected else map_slice(mapped, plane, number, case)
    return filled(composite_sheet(case, sheet, view, grey, layer, overlay), plane, number, view, fills)


def filled(
    picture: NDArray[np.uint8], plane: Plane, number: int, view: View, fills: Sequence[Fill]
) -> NDArray[np.uint8]:
    """``picture`` (height, width, 3) with regions over it, where the nearest sample of the slice is inside."""
    blend = picture.astype(np.float64)
    for fill in fills:
        inside = Sheet(plane.slice_of(fill.mask, number).astype(np.float16))
        shares = map_on_screen(MapSheet(inside, (1.0, 1.0), (0.0, 0.0), False), plane.shape, view, smooth=False)
        over = blend * (1.0 - fill.opacity) + np.asarray(fill.colour) * fill.opacity
        blend = np.where((shares > 0)[:, :, None], over, blend)
    return np.asarray(np.floor(blend + 0.5), dtype=np.uint8)


def fitted(plane: Plane, size: tuple[int, int]) -> View:
    """The whole slice on a canvas of ``size`` (height, width), its millimetres to scale."""
    rows, columns = plane.shape[0] * plane.row_size, plane.shape[1] * plane.column_size
    scale = min(size[0] / rows, size[1] / columns)
    middle = ((plane.shape[0] - 1) / 2, (plane.shape[1] - 1) / 2)
    return View(size, scale, *middle, row_size=plane.row_size, column_size=plane.column_size)


def map_slice(mapped: VolumeMap, plane: Plane, number: int, case: Case) -> MapSheet | None:
    """The map's slice nearest to the case's slice ``number``; ``None`` where the map does not reach it."""
    scale, offset = _grid(mapped, plane, case, 0)
    at = (number - offset) / scale
    count = mapped.sheet.codes.shape[plane.axes[0]]
    if not -0.5 - EDGE <= at < count - 0.5 - EDGE:
        return None
    nearest = int(np.clip(np.floor(at + 0.5 + EDGE), 0, count - 1))
    return _sheet(plane.slice_of(mapped.sheet.codes, nearest), mapped, plane, case)


def projection(mapped: VolumeMap, plane: Plane, case: Case, sign: Sign = "both") -> MapSheet:
    """Along the slices the share of greatest magnitude, with its sign; of equal ones the first. NaN where all are."""
    codes = plane.hung(mapped.sheet.codes)
    if sign != "both":
        codes = np.where((codes > 0) == (sign == "positive"), codes, np.where(np.isnan(codes), codes, 0))
    sizes = np.where(np.isnan(codes), -1.0, np.abs(codes.astype(np.float32)))
    first = np.argmax(sizes, axis=0)
    return _sheet(np.take_along_axis(codes, first[None], axis=0)[0].astype(np.float16), mapped, plane, case)


def _sheet(codes: NDArray[np.float16], mapped: VolumeMap, plane: Plane, case: Case) -> MapSheet:
    down, across = (_grid(mapped, plane, case, along) for along in (1, 2))
    return MapSheet(
        Sheet(np.ascontiguousarray(codes), scale=mapped.sheet.scale),
        (down[0], across[0]),
        (down[1], across[1]),
        mapped.is_signed,
    )


def _grid(mapped: VolumeMap, plane: Plane, case: Case, along: Literal[0, 1, 2]) -> tuple[float, float]:
    """Step and start of the map's cells, counted as the plane hangs."""
    axis = plane.axes[along]
    scale, offset = mapped.grid_scale[axis], mapped.grid_offset[axis]
    if not plane.flips[along]:
        return scale, offset
    return scale, case.space[axis] - 1 - offset - scale * (mapped.sheet.codes.shape[axis] - 1)
