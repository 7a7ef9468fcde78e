"""Slices of a volume in one picture: the image, a map over it, outlines of regions, letters and numbers of slices.

Every tile is what the viewer draws (:mod:`xai_core.render_volume`); outlines and letters are added here, for a picture that
leaves the program has no corners to look them up in.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from xai_core.case import Case, Region
from xai_core.hung import Hung
from xai_core.planes import Plane, PlaneName, planes_of
from xai_core.readers.volume import window_of
from xai_core.render import Grey, MapSheet, Overlay, Sheet, View, map_on_screen
from xai_core.render_volume import fitted, slice_view, volume_map

TILE = 224
COLUMNS = 4
OUTLINES = ((86, 180, 233), (230, 159, 0), (0, 158, 115))
"""Colours of regions in turn, told apart by colour-blind readers (Okabe and Ito 2008)."""
WHITE = (255, 255, 255)
Picture = NDArray[np.uint8]


def plane_named(case: Case, name: PlaneName = "axial") -> Plane:
    """One of the three planes."""
    return next(plane for plane in planes_of(case) if plane.name == name)


def key_slices(case: Case, plane: Plane, where: NDArray[np.bool_] | None, count: int = 8) -> list[int]:
    """Slices (from 0) worth showing, in order: spread over the extent of the region ``where`` and always through its largest
    cut; over the middle of the volume where there is none."""
    areas = plane.hung(where).sum(axis=(1, 2)) if where is not None else np.zeros(plane.slices)
    held = np.flatnonzero(areas)
    low, high = (held[0], held[-1]) if held.size else (plane.slices // 5, max(4 * plane.slices // 5 - 1, 0))
    spread = np.unique(np.linspace(low, high, min(count, high - low + 1)).round().astype(int))
    if held.size:
        best = int(np.argmax(areas))
        spread[int(np.argmin(np.abs(spread - best)))] = best
    return [int(number) for number in np.unique(spread)]


def mosaic(
    case: Case,
    plane: Plane,
    numbers: Sequence[int],
    channel: int = 0,
    mapped: Hung | None = None,
    is_signed: bool = True,
    regions: Sequence[Region] = (),
    overlay: Overlay | None = None,
) -> Picture:
    """(h, w, 3) RGB: slices ``numbers`` of ``plane`` in rows of four, of the modality ``channel``; of a map by modality the part of
    that modality, its colours scaled to the greatest value in any."""
    tiles = [
        _tile(case, plane, number, channel, mapped, is_signed, regions, overlay or Overlay()) for number in numbers
    ]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % min(COLUMNS, len(tiles)))
    wide = min(COLUMNS, len(tiles))
    rows = [np.concatenate(tiles[at : at + wide], axis=1) for at in range(0, len(tiles), wide)]
    return np.ascontiguousarray(np.concatenate(rows))


def png_of(picture: Picture) -> bytes:
    """The picture as a PNG file, without metadata."""
    return cv2.imencode(".png", picture[..., ::-1])[1].tobytes()


def _tile(
    case: Case,
    plane: Plane,
    number: int,
    channel: int,
    mapped: Hung | None,
    is_signed: bool,
    regions: Sequence[Region],
    overlay: Overlay,
) -> Picture:
    view = fitted(plane, (TILE, TILE))
    layer, own = None, overlay
    if mapped is not None:
        values = mapped.values if mapped.values.ndim == 3 else mapped.values[channel]
        layer = volume_map(values, mapped.scale, mapped.offset, is_signed)
        own = Overlay(**{**overlay.__dict__, "scope": float(np.abs(mapped.values).max()) or None})
    drawn = slice_view(case, plane, number, view, _grey(case, channel), channel, layer, own)
    picture = np.ascontiguousarray(drawn)
    for region, colour in zip(regions, OUTLINES, strict=False):
        _outline(picture, plane.slice_of(region.mask, number), view, colour)
    _letters(picture, plane, number)
    return picture


def _grey(case: Case, channel: int) -> Grey:
    windows = case.facts.get("windows", ())
    window = windows[channel] if len(windows) == len(case.channels) else window_of("", case.pixels[channel])
    return Grey(window.center, window.width)


def _outline(picture: Picture, mask: NDArray[np.bool_], view: View, colour: tuple[int, int, int]) -> None:
    sheet = MapSheet(Sheet(np.ascontiguousarray(mask, dtype=np.float16)), (1.0, 1.0), (0.0, 0.0), False)
    inside = (map_on_screen(sheet, mask.shape, view, smooth=False) > 0.5).astype(np.uint8)
    lines, _ = cv2.findContours(inside, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, lines, -1, colour, 1)


def _letters(picture: Picture, plane: Plane, number: int) -> None:
    left, right, top, bottom = plane.letters
    middle, end = TILE // 2, TILE - 4
    told = (
        (left, (3, middle)),
        (right, (end - 8 * len(right), middle)),
        (top, (middle, 12)),
        (bottom, (middle, end)),
        (f"{plane.name} {number + 1}/{plane.slices}", (3, end)),
    )
    for text, place in told:
        cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.36, WHITE, 1, cv2.LINE_AA)
