"""How well lesions are outlined on heads never seen: voxels, whole lesions, millilitres, and what a mere threshold reaches.

A threshold is chosen for each patient on the others alone, so that no patient's figures rest on that patient. A lesion is a
connected part (26 neighbours); it is found where any of its voxels is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from xai_core.training.lesion_painting import TOUCHING
from xai_core.training.volumes import Truth, Values

# A smaller lesion and a voxel of noise are not told apart: three voxels at 1.5 mm.
LEAST_MM3 = 10.0


@dataclass(frozen=True)
class Outcome:
    """One patient: ``dice``, lesions there and found, lesions found where none is, and volumes in ml."""

    patient: str
    dice: float
    lesions: int
    hit: int
    false: int
    truth_ml: float
    found_ml: float


def dice_of(found: Truth, truth: Truth) -> float:
    """2 |found and truth| / (|found| + |truth|); 1 where both are empty."""
    both = int(found.sum()) + int(truth.sum())
    return 2 * int((found & truth).sum()) / both if both else 1.0


def outcome(patient: str, found: Truth, truth: Truth, voxel_mm3: float) -> Outcome:
    """What was found of what is there, (D, H, W) each. Lesions below 10 mm3 count for volumes and Dice alone."""
    there, are_there = _lesions(truth, voxel_mm3)
    seen, are_seen = _lesions(found, voxel_mm3)
    hit = np.intersect1d(np.unique(there[found]), are_there)
    right = np.intersect1d(np.unique(seen[truth]), are_seen)
    to_ml = voxel_mm3 / 1000
    return Outcome(
        patient, dice_of(found, truth), len(are_there), len(hit), len(are_seen) - len(right),
        float(truth.sum()) * to_ml, float(found.sum()) * to_ml,
    )  # fmt: skip


def _lesions(mask: Truth, voxel_mm3: float) -> tuple[NDArray[np.int32], NDArray[Any]]:
    parts, _ = ndimage.label(mask, TOUCHING)
    sizes = np.bincount(parts.ravel()) * voxel_mm3
    sizes[0] = 0
    return parts, np.flatnonzero(sizes >= LEAST_MM3)


def dices(share: Values, truth: Truth, cuts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Dice of ``share >= cut`` for every cut."""
    return np.asarray([dice_of(share >= cut, truth) for cut in cuts])


def best_cut(shares: Sequence[Values], truths: Sequence[Truth], cuts: NDArray[np.float64]) -> float:
    """The cut with the greatest mean Dice over patients."""
    means = np.mean([dices(share, truth, cuts) for share, truth in zip(shares, truths, strict=True)], axis=0)
    return float(cuts[int(np.argmax(means))])


def cuts_of_others(shares: Sequence[Values], truths: Sequence[Truth], cuts: NDArray[np.float64]) -> list[float]:
    """For every patient the cut that is best for all others."""
    found = []
    for left in range(len(shares)):
        others = [k for k in range(len(shares)) if k != left]
        found.append(best_cut([shares[k] for k in others], [truths[k] for k in others], cuts))
    return found
