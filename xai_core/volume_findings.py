"""What a segmentation found in a volume, label by label: millilitres on the case's grid, the largest part, the greatest probability.

A label's region is where its calibrated probability reaches the threshold of the card; where the card sets none, where the
network prefers it. Parts are connected over faces, edges and corners (26 neighbours).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from xai_core.case import Case, Geometry, Region

if TYPE_CHECKING:
    from xai_core.models import Model, Prediction
    from xai_core.models.card import Card

BACKGROUND = "background"
TOUCHING = np.ones((3, 3, 3), dtype=np.bool_)


@dataclass(frozen=True)
class VolumeFinding:
    """One label: its ``region``, ``ml`` and ``largest_ml`` (None where the case does not say how large a voxel is), how many
    ``parts``, the greatest ``probability`` anywhere, the ``threshold`` that counts, and the voxel (d, h, w) in the ``middle`` of
    the largest part (None where there is none)."""

    label: str
    region: Region
    ml: float | None
    largest_ml: float | None
    parts: int
    probability: float
    threshold: float
    middle: tuple[int, ...] | None = None


def volume_findings(model: Model, case: Case, told: Prediction) -> list[VolumeFinding]:
    """One entry a label but the background, in the card's order; of a volume's classification none."""
    if told.probabilities.ndim < 4:
        return []
    preferred = told.probabilities.argmax(0) if model.card.activation == "softmax" else None
    found = []
    for place, label in enumerate(told.labels):
        if not is_background(model.card, label):
            region = Region(_mask(model.card, label, told.probabilities[place], preferred, place), label)
            found.append(_measured(model.card, case, label, region, float(told.probabilities[place].max())))
    return found


def is_background(card: Card, label: str) -> bool:
    """Whether a label stands for everything that is not looked for."""
    return card.task == "segmentation" and len(card.labels) > 1 and label.lower() == BACKGROUND


def ml_of_voxel(geometry: Geometry) -> float | None:
    """Millilitres of one voxel; None where the case does not say."""
    if geometry.affine is not None:
        return float(abs(np.linalg.det(geometry.affine[:3, :3]))) / 1000
    return None if geometry.spacing_mm is None else float(np.prod(geometry.spacing_mm)) / 1000


def _mask(
    card: Card, label: str, chances: NDArray[np.float32], preferred: NDArray[np.int64] | None, place: int
) -> NDArray[np.bool_]:
    threshold = card.thresholds.get(label)
    if threshold is not None:
        return np.asarray(chances >= threshold)
    return np.asarray(chances >= 0.5 if preferred is None else preferred == place)


def _measured(card: Card, case: Case, label: str, region: Region, probability: float) -> VolumeFinding:
    each = ml_of_voxel(case.geometry)
    count = int(np.count_nonzero(region.mask))
    numbered, parts = ndimage.label(region.mask, structure=TOUCHING)
    sizes = np.bincount(numbered.ravel())[1:]
    largest = int(sizes.max()) if parts else 0
    ml, largest_ml = (None, None) if each is None else (each * count, each * largest)
    middle = _middle(numbered == 1 + int(sizes.argmax())) if parts else None
    return VolumeFinding(label, region, ml, largest_ml, parts, probability, card.thresholds.get(label, 0.5), middle)


def _middle(part: NDArray[np.bool_]) -> tuple[int, ...]:
    """The voxel of ``part`` nearest to its centre."""
    places = np.argwhere(part)
    nearest = places[np.square(places - places.mean(0)).sum(1).argmin()]
    return tuple(int(index) for index in nearest)
