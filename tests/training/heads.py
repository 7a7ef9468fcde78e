"""Heads of clay for the recipes of volumes: balls of tissue with a fluid core, a few lesions, several modalities; written by nibabel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

SHAPE = (40, 44, 36)
STEP_MM = 1.5
# Grey of tissue, fluid and lesion by modality.
GREYS: Mapping[str, tuple[int, int, int]] = {
    "FLAIR": (400, 90, 900),
    "T1": (600, 150, 350),
    "T1POST": (620, 160, 380),
    "T2": (300, 900, 600),
}


def affine(letters: str = "LAS") -> NDArray[np.float64]:
    """RAS affine of a grid whose axes grow towards ``letters``, its middle at the origin."""
    steps = nib.orientations.inv_ornt_aff(nib.orientations.axcodes2ornt(tuple(letters)), SHAPE)
    found = np.linalg.inv(steps) if letters == "RAS" else steps
    found = found.copy()
    found[:3, :3] *= STEP_MM
    found[:3, 3] = -found[:3, :3] @ ((np.asarray(SHAPE) - 1) / 2)
    return np.asarray(found)


def ball(centre: Sequence[float], radius: float) -> NDArray[np.bool_]:
    """(i, j, k) bool: voxels nearer to ``centre`` than ``radius`` voxels."""
    places = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1)
    return np.asarray(np.linalg.norm(places - np.asarray(centre), axis=-1) < radius)


def head() -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(brain, fluid)."""
    middle = (np.asarray(SHAPE) - 1) / 2
    return ball(middle, 16), ball(middle, 4)


def lesions(seed: int, count: int = 4) -> NDArray[np.bool_]:
    """Balls of 2 to 3 voxels between fluid and rim."""
    dice = np.random.default_rng(seed)
    found = np.zeros(SHAPE, dtype=bool)
    for _ in range(count):
        way = dice.standard_normal(3)
        found |= ball((np.asarray(SHAPE) - 1) / 2 + 10 * way / np.linalg.norm(way), dice.uniform(2, 3))
    return found


def write_patients(folder: Path, numbers: Sequence[str], masks: int = 5) -> Path:
    """``folder/mri/ms`` with a head a number, named and masked as the shared folder has them, and ``masks`` masks."""
    root = folder / "mri" / "ms"
    (root / "masks").mkdir(parents=True)
    brain, fluid = head()
    for place, number in enumerate(numbers):
        dice = np.random.default_rng(place)
        ill = lesions(place)
        for name, greys in GREYS.items():
            grey = np.where(fluid, greys[1], np.where(ill, greys[2], greys[0])) * brain
            grey = (grey + dice.normal(0, 20, SHAPE) * brain).clip(0).astype(np.int16)
            nib.save(nib.Nifti1Image(grey, affine()), root / f"ms{number}_1p5mm_{name}.nii.gz")
        nib.save(nib.Nifti1Image(ill.astype(np.uint8), affine()), root / f"ms{number}_1p5mm_lesions.nii.gz")
    for number in (*numbers, *(f"{90 + k}" for k in range(masks - len(numbers)))):
        drawn = lesions(list(numbers).index(number) if number in numbers else int(number))
        nib.save(nib.Nifti1Image(drawn.astype(np.uint8), affine()), root / "masks" / f"ms{number}_lesions.nii.gz")
    return folder


def write_gliomas(folder: Path, numbers: Sequence[str]) -> Path:
    """``folder/mri/brats`` with a head a number, a tumour of three shells in each (oedema 2, enhancing 4, necrosis 1), and the
    same masks in ``masks``."""
    root = folder / "mri" / "brats"
    (root / "masks").mkdir(parents=True)
    brain, fluid = head()
    for place, number in enumerate(numbers):
        dice = np.random.default_rng(place)
        way = dice.standard_normal(3)
        centre = (np.asarray(SHAPE) - 1) / 2 + 9 * way / np.linalg.norm(way)
        seg = np.zeros(SHAPE, dtype=np.uint8)
        for value, radius in ((2, 5), (4, 4), (1, 2)):
            seg[ball(centre, radius)] = value
        for name, greys in GREYS.items():
            grey = np.where(fluid, greys[1], greys[0]) * brain
            for value, grade in ((2, 1.5), (4, 2.0), (1, 0.6)):
                grey[seg == value] = grade * greys[0]
            grey = (grey + dice.normal(0, 20, SHAPE) * brain).clip(0).astype(np.int16)
            ending = {"T1POST": "t1ce"}.get(name, name.lower())
            nib.save(nib.Nifti1Image(grey, affine("LPS")), root / f"brats{number}_1p5mm_{ending}.nii.gz")
        for path in (root, root / "masks"):
            nib.save(nib.Nifti1Image(seg, affine("LPS")), path / f"brats{number}_1p5mm_seg.nii.gz")
    return folder
