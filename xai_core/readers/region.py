"""Regions drawn on a case: masks from any raster, boxes as fractions of the film.

Masks of another resolution but the same shape are accepted, because masks are often made on a small copy; they are
brought to the case's grid by the nearest pixel centre.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.case import Case, Region
from xai_core.errors import ReadError, RegionError
from xai_core.readers.raster import Raster, decode_raster
from xai_core.readers.region_volume import ROUNDING, boxes_on_volume, mask_on_volume, span
from xai_core.readers.registry import readers
from xai_core.readers.source import Source, open_source
from xai_core.readers.tiff import decode_tiff

RASTER_READERS = {"raster": decode_raster, "tiff": decode_tiff}


def read_region(source: Any, case: Case, name: str = "region", *, labels: Sequence[int] | None = None) -> Region:
    """A :class:`Region` on the grid of ``case``.

    ``source``: a mask image (path, bytes or binary file; samples that are not 0 are inside; of a JPEG, whose zeros are
    not exact, those above half of its greatest), or one box or several (x, y, width, height) as fractions of the film,
    origin top left. A mask must have the case's size or its aspect ratio (within a pixel). On a volume: a mask as NIfTI,
    NRRD or DICOM SEG, brought to the case's grid by the nearest voxel, with a message in the region, or boxes (x, y, z,
    width, height, depth). ``labels``: the values of the mask that are inside, where it holds several structures.

    Raises :class:`RegionError` where the mask or a box does not fit the case or is empty.
    """
    is_file = isinstance(source, str | os.PathLike | bytes | bytearray | memoryview) or hasattr(source, "read")
    if case.kind == "volume":
        return mask_on_volume(source, case, name, labels) if is_file else boxes_on_volume(source, case, name)
    return Region(_mask_of(source, case, labels) if is_file else _boxes_mask(source, case), name)


def _mask_of(given: Any, case: Case, labels: Sequence[int] | None) -> NDArray[np.bool_]:
    try:
        source = open_source(given)
        raster = _raster_of(source)
    except ReadError as error:
        raise RegionError(error.sentence, error.remedy) from error
    samples = raster.samples
    greatest = samples.max()
    inside = samples > greatest / 2 if raster.format == "JPEG" else samples != 0
    if labels is not None:
        inside = np.isin(samples, np.asarray(list(labels)))
    if inside.ndim == 3:
        inside = inside.any(axis=2)
    mask = _on_grid(source.title, inside, case.space)
    if not mask.any():
        raise RegionError(f"The mask {source.title} is empty: no pixel is inside.", "Choose a mask with white pixels.")
    return mask


def _raster_of(source: Source) -> Raster:
    for reader in readers().values():
        if reader.recognises(source):
            decode = RASTER_READERS.get(reader.name)
            if decode is not None:
                return decode(source, film=False)
            break
    raise RegionError(f"{source.title} is not a mask image.", "Choose a mask as PNG, TIFF, WebP or JPEG.")


def _on_grid(title: str, inside: NDArray[np.bool_], space: tuple[int, ...]) -> NDArray[np.bool_]:
    rows, columns = inside.shape
    height, width = space
    if (rows, columns) == (height, width):
        return np.ascontiguousarray(inside)
    # the same aspect ratio to within one pixel of the smaller picture
    if abs(rows * width - columns * height) > max(width, height) * 1.0 + 1e-9:
        raise RegionError(
            f"The mask {title} is {columns} x {rows} pixels and the film {width} x {height}: their shapes differ.",
            "Choose the mask drawn on this film.",
        )
    row = np.minimum((np.arange(height) + 0.5) * rows / height, rows - 1).astype(np.intp)
    column = np.minimum((np.arange(width) + 0.5) * columns / width, columns - 1).astype(np.intp)
    return np.asarray(inside[row[:, np.newaxis], column], dtype=np.bool_)


def _boxes_mask(given: Iterable[Any], case: Case) -> NDArray[np.bool_]:
    try:
        boxes = np.asarray(list(given), dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise RegionError("These are no boxes.", "Give a list of (x, y, width, height) as fractions.") from error
    if boxes.ndim == 1 and boxes.shape == (4,):
        boxes = boxes[np.newaxis]
    if boxes.ndim != 2 or boxes.shape[0] == 0 or boxes.shape[1] != 4:
        raise RegionError(
            "A region needs at least one box of four numbers.", "Give a list of (x, y, width, height) as fractions."
        )
    mask = np.zeros(case.space, dtype=np.bool_)
    for number, box in enumerate(boxes, start=1):
        mask[_box_slices(number, box, case.space)] = True
    return mask


def _box_slices(number: int, box: NDArray[np.float64], space: tuple[int, ...]) -> tuple[slice, slice]:
    """Pixels whose centre is in the box; at least the one in its middle."""
    x, y, w, h = (float(part) for part in box)
    told = f"Box {number} ({x:g}, {y:g}, {w:g}, {h:g})"
    if not np.isfinite(box).all():
        raise RegionError(f"{told} is not made of numbers.", "Give (x, y, width, height) as fractions.")
    if w <= 0 or h <= 0:
        raise RegionError(f"{told} has no area.", "Give a width and a height above 0.")
    if min(x, y) < -ROUNDING or x + w > 1 + ROUNDING or y + h > 1 + ROUNDING:
        hint = "Divide pixels by the film's width and height." if max(x, y, w, h) > 2 else "Keep it between 0 and 1."
        raise RegionError(f"{told} reaches beyond the film.", hint)
    height, width = space
    return span(y, h, height), span(x, w, width)
