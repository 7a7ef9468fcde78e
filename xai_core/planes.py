"""The three planes of a volume as a radiologist hangs them: which array axis runs along slices, rows and columns.

Axial slices are seen from the feet, so that the patient's right is on the left of the screen; coronal ones from the
front, sagittal ones from the left, heads up. Axes are those nearest to the patient's: an oblique volume is shown along
its own axes, and its letters say so. Directions are LPS, DICOM PS3.3 C.7.6.2.1.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from xai_core.case import Case, Geometry

PlaneName = Literal["axial", "coronal", "sagittal"]
# Letters along +x, +y, +z of LPS and against them.
LETTERS = (("L", "R"), ("P", "A"), ("H", "F"))
# Where slices, rows and columns run: (direction of LPS, forwards or backwards).
HANGING: dict[PlaneName, tuple[tuple[int, int], tuple[int, int], tuple[int, int]]] = {
    "axial": ((2, 1), (1, 1), (0, 1)),
    "coronal": ((1, 1), (2, -1), (0, 1)),
    "sagittal": ((0, 1), (2, -1), (1, 1)),
}
# An axis leaning further than this from a direction of the patient's is named by two letters: sine of 20 degrees.
LEANING = 0.342


@dataclass(frozen=True)
class Plane:
    """``axes`` of the array (D, H, W) that run along slices, rows and columns, ``flips`` where they run backwards.

    ``letters`` at the (left, right, top, bottom) edges, '' where the volume does not say; ``shape`` rows, columns;
    ``slices`` how many; ``spacing_mm`` along rows and columns; ``row_size``, ``column_size`` of a sample, in units of
    the volume's finest spacing.
    """

    name: PlaneName
    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]
    letters: tuple[str, str, str, str]
    slices: int
    shape: tuple[int, int]
    spacing_mm: tuple[float, float] | None
    row_size: float
    column_size: float

    def slice_of(self, values: NDArray[Any], number: int) -> NDArray[Any]:
        """Slice ``number`` (from 0) of ``values`` (D, H, W), as it hangs."""
        found: NDArray[Any] = self.hung(values)[number]
        return found

    def hung(self, values: NDArray[Any]) -> NDArray[Any]:
        """``values`` (D, H, W) as (slices, rows, columns)."""
        turned = np.transpose(values, self.axes)
        return turned[tuple(slice(None, None, -1 if flip else 1) for flip in self.flips)]

    def place_of(self, index: tuple[float, float, float]) -> tuple[float, float, float]:
        """Slice, row and column of an array index (d, h, w)."""
        counts = (self.slices, *self.shape)
        found = [
            count - 1 - index[axis] if flip else index[axis]
            for axis, flip, count in zip(self.axes, self.flips, counts, strict=True)
        ]
        return found[0], found[1], found[2]


def planes_of(case: Case) -> tuple[Plane, Plane, Plane]:
    """Axial, coronal and sagittal. A volume without orientation is taken as slices of rows and columns, unlettered."""
    geometry, counts = case.geometry, case.space
    directions = _directions(geometry)
    axis_of = _axes(np.eye(3)[::-1] if directions is None else directions)
    steps = np.eye(3)[::-1] if directions is None else directions
    spacing = _spacing(geometry)
    finest = min(spacing) if spacing else 1.0

    def plane(name: PlaneName) -> Plane:
        hanging = HANGING[name]
        axes = tuple(axis_of[towards] for towards, _ in hanging)
        flips = tuple(
            bool(steps[axis][towards] * sign < 0) for axis, (towards, sign) in zip(axes, hanging, strict=True)
        )
        ends = ["", "", "", ""]
        if directions is not None:
            down, right = (directions[axes[at]] * (-1 if flips[at] else 1) for at in (1, 2))
            ends = [letters_of(vector) for vector in (-right, right, -down, down)]
        along = tuple(spacing[axis] for axis in axes) if spacing else (1.0, 1.0, 1.0)
        return Plane(
            name,
            axes,  # type: ignore[arg-type]
            flips,  # type: ignore[arg-type]
            (ends[0], ends[1], ends[2], ends[3]),
            counts[axes[0]],
            (counts[axes[1]], counts[axes[2]]),
            (along[1], along[2]) if spacing else None,
            along[1] / finest,
            along[2] / finest,
        )

    return plane("axial"), plane("coronal"), plane("sagittal")


def letters_of(direction: NDArray[np.float64]) -> str:
    """Letters towards which a direction (3,) of LPS points, the clearest first; a second where it leans by 20 degrees."""
    cosines = direction / np.linalg.norm(direction)
    order = sorted(range(3), key=lambda axis: -abs(cosines[axis]))
    clear = [axis for axis in order if abs(cosines[axis]) >= LEANING]
    return "".join(LETTERS[axis][int(cosines[axis] < 0)] for axis in clear)


def _directions(geometry: Geometry) -> NDArray[np.float64] | None:
    """(3, 3): where each array axis points in LPS, of length 1."""
    if geometry.affine is not None:
        columns = geometry.affine[:3, :3]
        return np.asarray((columns / np.linalg.norm(columns, axis=0)).T)
    if len(geometry.letters) == 3 and all(geometry.letters):
        found = np.zeros((3, 3))
        for axis, letter in enumerate(geometry.letters):
            towards = next(at for at, pair in enumerate(LETTERS) if letter in pair)
            found[axis, towards] = -1.0 if letter == LETTERS[towards][1] else 1.0
        return found
    return None


def _axes(directions: NDArray[np.float64]) -> dict[int, int]:
    """The array axis for each direction of LPS, the clearest pairs first, each used once."""
    left, found = np.abs(directions), {}
    for _ in range(3):
        axis, towards = np.unravel_index(int(np.argmax(left)), left.shape)
        found[int(towards)] = int(axis)
        left[axis, :] = left[:, towards] = -1.0
    return found


def _spacing(geometry: Geometry) -> tuple[float, ...] | None:
    if geometry.affine is not None:
        return tuple(float(step) for step in np.linalg.norm(geometry.affine[:3, :3], axis=0))
    return geometry.spacing_mm
