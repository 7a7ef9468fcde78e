"""How much of a map lies where the patient is: on the lungs of a chest film, on the head of a slice or a volume.

What a network reads outside of them (frame, letters, the source of the image) is a shortcut; the badge says how much it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xai_core.case import Case, Region
from xai_core.grid import Array
from xai_core.head import head_of
from xai_core.preprocess import presented

if TYPE_CHECKING:
    from xai_core.models.card import Card
    from xai_core.preprocess import Prepared


def field_facts(card: Card, case: Case, prepared: Prepared, shown: Array) -> dict[str, float | str]:
    """Numbers for the badge: the share of the map's positive mass on the lungs or on the head, and of the latter how much of the
    network's input it takes. Nothing where neither is known."""
    if card.modality == "MR":
        head = head_field(case, prepared.field)
        if head is None:
            return {}
        weights = _laid(prepared, head)
        return {"mass_inside_head": mass_inside(shown, weights), "head_share": float(weights.mean())}
    if prepared.field is None or case.kind != "film":
        return {}
    return {"mass_inside_lungs": mass_inside(shown, _laid(prepared, prepared.field))}


def mass_inside(shown: Array, region: NDArray[np.float32]) -> float:
    """Share of a map's positive mass that lies within a region on its own grid (weights 0..1); nan where it has none."""
    mass = np.maximum(shown, 0)
    whole = float(mass.sum())
    return float((mass * region).sum()) / whole if whole > 0 else float("nan")


def head_field(case: Case, known: Region | None = None) -> Region | None:
    """The head on ``case`` (``known`` where it was found before): of a volume the part above air; of a slice as a picture, whose
    compression leaves no even air, the part above Otsu's threshold, holes filled. None where all or nothing is head."""
    if known is not None:
        return known
    image = presented(case)
    mask = head_of(image if case.kind == "volume" else _above_air(image))
    return Region(mask, "head") if mask.any() and not mask.all() else None


def _above_air(image: Array) -> Array:
    from skimage.filters import threshold_otsu

    if float(image.min()) == float(image.max()):
        return np.zeros_like(image)
    return np.where(image > threshold_otsu(image), np.float32(1), np.float32(0))


def _laid(prepared: Prepared, region: Region) -> NDArray[np.float32]:
    laid: NDArray[np.float32] = prepared.grid.to_input(region.mask[None].astype(np.float32))[0]
    return laid
