"""The brain that phantoms are made on: tissue classes of one real anatomy, laid differently for every seed.

``anatomy.nii.gz`` holds the classes below on a grid of 1 mm in MNI space, told apart by intensity on T1, T2 and FLAIR of patient 19
of Lesjak et al. (Neuroinformatics 2017, doi 10.1007/s12021-017-9348-7; CC BY), lesions counted as white matter
(``scripts/make_phantoms.py``).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from xai_core.grid import along_axes

AIR, CSF, CORTEX, DEEP_GREY, WHITE = range(5)
TISSUES = {CORTEX: "cortex", DEEP_GREY: "deep grey matter", WHITE: "white matter"}
"""Classes that a stroke can hit."""
PATH = Path(__file__).parent / "anatomy.nii.gz"
# Spread of poses and shapes among phantoms: degrees, shares, mm; bends are as smooth as BEND_LENGTH_MM.
TURN_SD, SCALE_SD, SHIFT_SD_MM, BEND_SD_MM, BEND_LENGTH_MM = 3.0, 0.03, 2.5, 2.0, 45.0
# Middle of the head in MNI space, mm, around which it is turned.
MIDDLE_MM = np.array([0.0, -20.0, 8.0])

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Laid:
    """The anatomy on a grid: ``tissue`` (D, H, W) uint8 classes, and ``mni_mm`` (D, H, W, 3) float32, where each voxel lies
    in the anatomy (x to the right, y to the front, z up; mm)."""

    tissue: NDArray[np.uint8]
    mni_mm: Floats


def laid(places_mm: Floats, step_mm: tuple[float, ...], dice: np.random.Generator) -> Laid:
    """The anatomy at ``places_mm`` (D, H, W, 3), voxels ``step_mm`` apart, around :data:`MIDDLE_MM`: mirrored in half of all
    draws, turned, scaled, shifted and bent a little."""
    turn = Rotation.from_euler("xyz", dice.normal(0, TURN_SD, 3), degrees=True).as_matrix()
    scale = np.exp(dice.normal(0, SCALE_SD, 3))
    shift = MIDDLE_MM + dice.normal(0, SHIFT_SD_MM, 3)
    if dice.random() < 0.5:
        scale[0] = -scale[0]
    mni_mm = ((places_mm - MIDDLE_MM) @ (turn * scale).astype(np.float32) + shift.astype(np.float32)).astype(np.float32)
    for axis in range(3):
        mni_mm[..., axis] += BEND_SD_MM * smooth_field(dice, places_mm.shape[:3], step_mm, BEND_LENGTH_MM)
    classes, to_voxels = _packaged()
    voxels = np.rint(mni_mm @ to_voxels[:3, :3].T + to_voxels[:3, 3]).astype(np.int32)
    is_held = np.all((voxels >= 0) & (voxels < classes.shape), axis=-1)
    i, j, k = np.moveaxis(np.where(is_held[..., None], voxels, 0), -1, 0)
    return Laid(np.where(is_held, classes[i, j, k], np.uint8(AIR)), mni_mm)


def smooth_field(
    dice: np.random.Generator, shape: tuple[int, ...], step_mm: tuple[float, ...], length_mm: float
) -> Floats:
    """A random field of ``shape`` with mean 0 and standard deviation 1 that is alike over about ``length_mm``."""
    counts = [max(2, round(size * min(1.0, 2 * step / length_mm))) for size, step in zip(shape, step_mm, strict=True)]
    noise = dice.standard_normal([count + 4 for count in counts], dtype=np.float32)
    coarse = ndimage.gaussian_filter(noise, 1.0)[2:-2, 2:-2, 2:-2]
    fine = along_axes(coarse[None], [_between(size, count) for size, count in zip(shape, counts, strict=True)])[0]
    return np.asarray((fine - fine.mean()) / max(float(fine.std()), 1e-6), np.float32)


def _between(size: int, count: int) -> Floats:
    """(size, count) weights that draw a line of ``count`` values out to ``size``, linearly."""
    places = np.clip((np.arange(size) + 0.5) * count / size - 0.5, 0, count - 1)
    return np.asarray(np.maximum(0, 1 - np.abs(places[:, None] - np.arange(count))), np.float32)


@functools.cache
def _packaged() -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """(i, j, k) classes and the affine from MNI mm to their voxels."""
    image = nib.load(PATH)
    return np.asarray(image.dataobj, np.uint8), np.linalg.inv(image.affine).astype(np.float32)
