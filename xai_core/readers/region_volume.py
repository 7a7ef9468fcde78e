"""Regions drawn on volumes: masks as NIfTI, NRRD or DICOM SEG, brought to the case's grid by the nearest voxel; boxes.

A mask is laid by millimetres, not by array index, so that one stored in another order of axes lies where it was drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.case import Case, Geometry, Region
from xai_core.errors import ReadError, RegionError
from xai_core.readers.dicom_facts import Tags
from xai_core.readers.dicom_file import AGAIN, dataset_of, is_dicom
from xai_core.readers.registry import read_source
from xai_core.readers.source import Source, open_source
from xai_core.readers.volume import check_volume_size, geometry_of
from xai_core.resampling import is_same_grid, onto

THIS_CASE = "Choose the mask drawn on this volume."
# Boxes come as rounded decimals; this much beyond the edge is rounding.
ROUNDING = 5e-3


def mask_on_volume(given: Any, case: Case, name: str, labels: Sequence[int] | None) -> Region:
    """The :class:`Region` of a mask file: voxels that are not 0, or whose value is one of ``labels``.

    Raises :class:`RegionError` where it is no mask, is empty, or does not lie on the case.
    """
    try:
        source = open_source(given)
        samples, geometry = _drawn(source)
    except ReadError as error:
        raise RegionError(error.sentence, error.remedy) from error
    inside = samples != 0 if labels is None else np.isin(samples, np.asarray(list(labels)))
    if not inside.any():
        wanted = "" if labels is None else f" with the value {', '.join(map(str, labels))}"
        raise RegionError(
            f"The mask {source.title} is empty: no voxel{wanted} is inside.", "Choose another mask or label."
        )
    return _laid(source.title, inside, geometry, case, name)


def _laid(title: str, inside: NDArray[np.bool_], geometry: Geometry, case: Case, name: str) -> Region:
    if is_same_grid(geometry, inside.shape, case.geometry, case.space):
        return Region(inside, name)
    is_placed = geometry.affine is not None and case.geometry.affine is not None
    if not is_placed and inside.shape == case.space:
        return Region(inside, name, (f"The mask {title} does not say where it lies; it was laid voxel on voxel.",))
    if not is_placed:
        mine, theirs = (" x ".join(str(size) for size in shape[::-1]) for shape in (inside.shape, case.space))
        raise RegionError(
            f"The mask {title} is {mine} voxels and the volume {theirs}, and not both say where they lie.", THIS_CASE
        )
    mask, how = onto(inside, geometry, case.geometry, case.space, is_mask=True)
    if not mask.any():
        raise RegionError(f"The mask {title} lies outside the volume, or is finer than its voxels.", THIS_CASE)
    assert geometry.spacing_mm is not None
    assert case.geometry.spacing_mm is not None
    volume = float(np.prod(geometry.spacing_mm)) * int(np.count_nonzero(inside)) / 1000
    kept = float(np.prod(case.geometry.spacing_mm)) * int(np.count_nonzero(mask)) / 1000
    told = {
        "turned": f"The mask {title} was stored in another order of axes or another box and was brought to the volume's.",
        "resampled": f"The mask {title} was brought to the volume's grid by the nearest voxel: {volume:.3g} ml became {kept:.3g} ml.",
    }
    return Region(mask, name, (told[how],))


def _drawn(source: Source) -> tuple[NDArray[Any], Geometry]:
    """Samples (D, H, W) and where they lie."""
    if is_dicom(source) and Tags(dataset_of(source, ["Modality"])).text("Modality").upper() == "SEG":
        return _segmentation(source)
    case = read_source(source, "volume")
    return case.pixels[0], case.geometry


def _segmentation(source: Source) -> tuple[NDArray[Any], Geometry]:
    """The segments of a DICOM SEG, numbered (the highest where they overlap)."""
    import highdicom

    tags = Tags(dataset_of(source, ["Rows", "Columns", "NumberOfFrames"]))
    sizes = [tags.whole(keyword) or 0 for keyword in ("NumberOfFrames", "Rows", "Columns")]
    check_volume_size(source.title, sizes)
    try:
        segments = highdicom.seg.segread(source.stream()).get_volume()
        stack = np.asarray(segments.array)
        affine = np.asarray(segments.affine, dtype=np.float64)
    except Exception as error:  # highdicom meets damaged and uneven ones with several kinds of exception
        raise ReadError(
            f"{source.title} is a DICOM segmentation that is damaged or not on an even grid.", AGAIN
        ) from error
    numbers = np.arange(1, stack.shape[-1] + 1) if stack.ndim == 4 else None
    samples = stack if numbers is None else ((stack != 0) * numbers).max(axis=-1)
    return samples.astype(np.uint16), geometry_of(source.title, affine)


def boxes_on_volume(given: Iterable[Any], case: Case, name: str) -> Region:
    """The :class:`Region` of one box or several (x, y, z, width, height, depth) as fractions along the array's W, H and D
    from its first voxel's outer corner. Raises :class:`RegionError` where one is no box or reaches beyond the volume."""
    told = "Give a list of (x, y, z, width, height, depth) as fractions."
    try:
        boxes = np.atleast_2d(np.asarray(list(given), dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise RegionError("These are no boxes.", told) from error
    if boxes.ndim != 2 or boxes.shape[1] != 6 or not len(boxes):
        raise RegionError("A region on a volume needs at least one box of six numbers.", told)
    mask = np.zeros(case.space, dtype=np.bool_)
    for number, box in enumerate(boxes, start=1):
        start, length = box[2::-1], box[:2:-1]
        if not np.isfinite(box).all() or length.min() <= 0:
            raise RegionError(f"Box {number} has no extent.", told)
        if start.min() < -ROUNDING or (start + length).max() > 1 + ROUNDING:
            raise RegionError(f"Box {number} reaches beyond the volume.", "Keep it between 0 and 1.")
        mask[tuple(map(span, start, length, case.space))] = True
    return Region(mask, name)


def span(start: float, length: float, size: int) -> slice:
    """Samples whose centre is in the span; at least the one in its middle."""
    first, last = (int(np.clip(np.ceil(edge * size - 0.5), 0, size)) for edge in (start, start + length))
    if last <= first:
        first = min(max(int((start + length / 2) * size), 0), size - 1)
        last = first + 1
    return slice(first, last)
