"""Pictures of a sweep: the axial slice with the largest lesion in one modality, with a map under one filter over it.

Drawn as the viewer draws (:mod:`xai_core.render`); the outline of the ground truth is one screen pixel wide.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

from xai_core.case import Case, Region
from xai_core.filter_study.readings import Reading
from xai_core.filter_study.sweep import Sweep
from xai_core.planes import planes_of
from xai_core.readers.names import canonical
from xai_core.render import Grey, MapSheet, Overlay, Sheet, View, case_sheet, composite_sheet, map_on_screen, map_sheet
from xai_core.render_volume import fitted

Scale = Literal["modality", "map"]
OUTLINE = np.array((255, 225, 80), np.uint8)
SIDE = 256


def slice_picture(
    case: Case,
    swept: Sweep,
    channel: int,
    reading: Reading | None = None,
    region: Region | None = None,
    *,
    scale: Scale = "modality",
    side: int = SIDE,
) -> NDArray[np.uint8]:
    """(h, w, 3) RGB, its longer side ``side``: the slice of the sweep in modality ``channel`` (of the sweep's), with the map of
    ``reading`` and the outline of ``region`` where given. ``scale``: what counts as full colour, the greatest of this modality's
    map in the whole volume, or of all modalities'."""
    assert swept.slice_number is not None
    plane = planes_of(case)[0]
    place = [canonical(name) for name in case.channels].index(canonical(swept.channels[channel]))
    whole = case_sheet(case, place)
    sheet = Sheet(np.ascontiguousarray(plane.slice_of(whole.codes, swept.slice_number)), whole.base, whole.step)
    view = _view(case, side)
    mapped, overlay = None, None
    if reading is not None and reading.picture is not None:
        scope = float(reading.greatest[channel] if scale == "modality" else reading.greatest.max())
        if scope > 0:
            values = np.ascontiguousarray(reading.picture[channel])
            mapped, overlay = MapSheet(map_sheet(values), (1.0, 1.0), (0.0, 0.0), True), Overlay(scope=scope)
    picture = composite_sheet(case, sheet, view, _grey(case, place), mapped, overlay)
    if region is not None:
        picture[_edge(plane.slice_of(region.mask, swept.slice_number), view)] = OUTLINE
    return picture


def _view(case: Case, side: int) -> View:
    plane = planes_of(case)[0]
    rows, columns = plane.shape[0] * plane.row_size, plane.shape[1] * plane.column_size
    longer = max(rows, columns)
    return fitted(plane, (max(1, round(side * rows / longer)), max(1, round(side * columns / longer))))


def _grey(case: Case, place: int) -> Grey:
    windows = case.facts.get("windows", ())
    if place < len(windows):
        return Grey(windows[place].center, windows[place].width)
    low, high = float(case.pixels[place].min()), float(case.pixels[place].max())
    return Grey((low + high) / 2, max(high - low, 1e-6))


def _edge(mask: NDArray[np.bool_], view: View) -> NDArray[np.bool_]:
    """The rim of a slice of a mask on the screen."""
    cells = MapSheet(Sheet(np.ascontiguousarray(mask, dtype=np.float16)), (1.0, 1.0), (0.0, 0.0), False)
    held = map_on_screen(cells, mask.shape, view, smooth=False) > 0
    return np.asarray(held & ~binary_erosion(held))
