"""Slices of a DICOM series or of an enhanced multi-frame image put in order: one volume, or a sentence why not.

Sources: PS3.3 C.7.6.2.1.1 (position and orientation of the image plane), C.7.6.16 (functional groups of frames). A slice's
place is its position along the normal of the planes, never its number or its file's name. Planes may be oblique and, with
a tilted gantry, shifted evenly against each other; the affine says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.case import Geometry
from xai_core.errors import ReadError
from xai_core.readers.dicom_facts import Tags
from xai_core.readers.volume import UNPLACED, check_volume_size, geometry_of

# Positions are rounded in headers; a place this share of a step away from where it should be is still there.
PLACE_SHARE = 0.1
SAME_PLACE_MM = 1e-3
PARALLEL = 1e-3
SERIES = "Choose all slices of one series."


@dataclass(frozen=True)
class Slice:
    """One plane of samples: ``rows`` x ``columns``; where known ``position`` (3,) LPS mm of its first sample's centre, ``axes``
    (2, 3) unit vectors along a row and down a column, ``spacing`` (between rows, between columns) in mm; ``thickness`` in mm
    where the file says; ``samples`` decodes it."""

    title: str
    uid: str
    rows: int
    columns: int
    position: NDArray[np.float64] | None
    axes: NDArray[np.float64] | None
    spacing: tuple[float, float] | None
    thickness: float | None
    slope: float
    intercept: float
    samples: Callable[[], NDArray[Any]] = field(repr=False)


def slice_of(
    title: str, uid: str, shape: tuple[int, int], groups: Sequence[Tags], samples: Callable[[], NDArray[Any]]
) -> Slice:
    """A slice whose attributes are in the first of ``groups`` that has them (a frame's own, the shared ones, the file)."""

    def numbers(keyword: str, count: int) -> list[float] | None:
        found = next((values for group in groups if (values := group.numbers(keyword))), [])
        return found if len(found) == count else None

    def number(keyword: str) -> float | None:
        found = numbers(keyword, 1)
        return None if found is None else found[0]

    position, cosines, spacing = (
        numbers("ImagePositionPatient", 3),
        numbers("ImageOrientationPatient", 6),
        numbers("PixelSpacing", 2),
    )
    if spacing is not None and min(spacing) <= 0:
        raise ReadError(
            f"{title} has voxels of size zero: its pixel spacing is {spacing[0]:g} x {spacing[1]:g} mm.", SERIES
        )
    thickness = number("SpacingBetweenSlices") or number("SliceThickness")
    slope, intercept = number("RescaleSlope"), number("RescaleIntercept")
    return Slice(
        title,
        uid,
        *shape,
        None if position is None else np.asarray(position),
        None if cosines is None else _unit_axes(title, np.asarray(cosines).reshape(2, 3)),
        None if spacing is None else (spacing[0], spacing[1]),
        abs(thickness) if thickness else None,
        slope or 1.0,
        intercept or 0.0,
        samples,
    )


def _unit_axes(title: str, axes: NDArray[np.float64]) -> NDArray[np.float64]:
    lengths = np.linalg.norm(axes, axis=1, keepdims=True)
    if lengths.min() < 0.5 or abs(float(axes[0] @ axes[1])) > 0.05 * float(lengths.prod()):
        raise ReadError(f"{title} gives an orientation that no plane has.", "Export it again from the archive.")
    return np.asarray(axes / lengths)


def volume_of(title: str, slices: Sequence[Slice], notes: list[str]) -> tuple[list[Slice], Geometry]:
    """``slices`` in the order of their places, and the geometry (D, H, W) = (places, rows, columns).

    Raises :class:`ReadError` naming what is there: planes of different size or orientation, two at one place, gaps,
    voxels of size zero. Slices that say nothing of their place keep their order, with a note.
    """
    kept = _distinct(slices, notes)
    first = kept[0]
    if len({(part.rows, part.columns) for part in kept}) > 1:
        sizes = sorted({f"{part.columns} x {part.rows}" for part in kept})
        raise ReadError(f"{title} mixes slices of {' and '.join(sizes[:4])} pixels.", SERIES)
    check_volume_size(title, (len(kept), first.rows, first.columns))
    if any(part.position is None or part.axes is None or part.spacing is None for part in kept):
        notes.append(UNPLACED)
        spacing = None
        if first.spacing is not None and first.thickness is not None:
            spacing = (first.thickness, *first.spacing)
        return kept, Geometry(spacing_mm=spacing)
    _check_one_stack(title, kept)
    assert first.axes is not None
    normal = np.cross(first.axes[0], first.axes[1])
    ordered = sorted(kept, key=lambda part: float(normal @ _at(part)))
    step = _step(title, ordered, normal, notes)
    rows, columns = first.spacing or (1.0, 1.0)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = step, first.axes[1] * rows, first.axes[0] * columns
    affine[:3, 3] = _at(ordered[0])
    return ordered, geometry_of(title, affine)


def _at(part: Slice) -> NDArray[np.float64]:
    assert part.position is not None
    return part.position


def _distinct(slices: Sequence[Slice], notes: list[str]) -> list[Slice]:
    """One slice of each instance: the same file given twice is the same slice."""
    known: dict[str, Slice] = {}
    for number, part in enumerate(slices):
        known.setdefault(part.uid or str(number), part)
    twice = len(slices) - len(known)
    if twice:
        notes.append(f"{twice} file(s) were given twice and are used once.")
    return list(known.values())


def _check_one_stack(title: str, slices: Sequence[Slice]) -> None:
    first = slices[0]
    assert first.axes is not None
    assert first.spacing is not None
    turned = [part for part in slices if part.axes is None or np.abs(part.axes - first.axes).max() > PARALLEL * 10]
    if turned:
        raise ReadError(
            f"{title} mixes planes: {len(turned)} of {len(slices)} slices are turned against the others (a localiser, say).",
            SERIES,
        )
    scaled = [
        part for part in slices if part.spacing is None or not np.allclose(part.spacing, first.spacing, rtol=1e-3)
    ]
    if scaled:
        raise ReadError(f"{title} mixes slices of different pixel spacing.", SERIES)


def _step(title: str, ordered: Sequence[Slice], normal: NDArray[np.float64], notes: list[str]) -> NDArray[np.float64]:
    """The step in mm from one slice to the next; of a single slice its thickness along the normal."""
    if len(ordered) == 1:
        thickness = ordered[0].thickness
        notes.append("A single slice: a volume of one plane.")
        if thickness is None:
            notes.append("The file gives no thickness of the slice; 1 mm is taken.")
        return normal * (thickness or 1.0)
    places = np.stack([_at(part) for part in ordered])
    apart = np.diff(places @ normal)
    doubled = int(np.count_nonzero(apart < SAME_PLACE_MM))
    if doubled:
        raise ReadError(
            f"{title} has {doubled} of {len(ordered)} slices at the place of another (several echoes, times or directions): "
            "4-D where 3-D is expected.",
            "Choose the slices of one of them.",
        )
    usual = float(np.median(apart))
    odd = np.flatnonzero(np.abs(apart - usual) > PLACE_SHARE * usual)
    if odd.size:
        raise _uneven(title, apart, usual, odd)
    step = (places[-1] - places[0]) / (len(places) - 1)
    strayed = np.linalg.norm(places - places[0] - np.arange(len(places))[:, None] * step, axis=1).max()
    if strayed > PLACE_SHARE * usual + SAME_PLACE_MM:
        raise ReadError(f"{title} has slices that are shifted sideways by up to {strayed:.2g} mm.", SERIES)
    return np.asarray(step)


def _uneven(title: str, apart: NDArray[np.float64], usual: float, odd: NDArray[Any]) -> ReadError:
    absent = np.rint(apart[odd] / usual).astype(int) - 1
    if (absent > 0).all() and np.allclose(apart[odd] / usual, absent + 1, atol=2 * PLACE_SHARE):
        after = ", ".join(str(int(place) + 1) for place in odd[:4])
        return ReadError(
            f"{title} has gaps: {int(absent.sum())} slice(s) are missing, after slice {after} of {len(apart) + 1}.",
            "Add the missing files, or export the series again.",
        )
    return ReadError(
        f"{title} has slices at uneven distances, {apart.min():.3g} to {apart.max():.3g} mm.",
        "Choose the slices of one series that are evenly spaced.",
    )
