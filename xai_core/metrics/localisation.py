"""Localisation: whether a map lies on the true region, each metric on the case's own grid with the map's channels summed.

A region is where a reader saw the finding, not where a network must look: a network may rest on what goes along with the finding,
and then an honest map lies elsewhere. High values speak for network and map together, low ones against one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from sklearn.metrics import average_precision_score, roc_auc_score

from xai_core.fields import mass_inside
from xai_core.metrics.asked import Asked
from xai_core.metrics.registry import Measured, metric
from xai_core.parameters import Parameter

TOLERANCE = 15 / 224
"""Of the pointing game: 15 pixels of a picture of 224 (Zhang et al. 2018), as a share of the longest side."""
_THRESHOLD = Parameter("threshold", "float", 0.3, "Share of the greatest positive value from which it counts.", 0, 1)
_TOLERANCE = Parameter("tolerance", "float", TOLERANCE, "How far off still hits, as a share of the longest side.", 0, 1)
Values = NDArray[np.float64]
Mask = NDArray[np.bool_]
EMPTY_REGION = "The region is empty."
WHOLE_REGION = "The region is the whole picture."
EMPTY_MAP = "The map has no positive relevance."


def lit(values: Values, threshold: float) -> Mask:
    """Where positive values reach ``threshold`` of the greatest; nowhere in a map without any (seed 001: v >= T)."""
    greatest = float(values.max())
    return (values >= threshold * greatest) & (values > 0) if greatest > 0 else np.zeros(values.shape, bool)


def _declared(name: str, title: str, summary: str, source: str, *parameters: Parameter) -> Callable[[Any], Any]:
    return metric(
        name=name, title=title, family="localisation", direction="higher", range=(0.0, 1.0), needs=("region",),
        summary=summary, source=source, parameters=parameters,
    )  # fmt: skip


@_declared(
    "mass-inside",
    "Mass inside",
    "Share of positive relevance inside the region.",
    "Arras et al. 2022, Information Fusion 81",
)
def mass(asked: Asked, options: Mapping[str, Any]) -> Measured:
    """Positive relevance in the region / all positive relevance."""
    value = mass_inside(asked.shown.astype(np.float32), asked.mask.astype(np.float32))
    return Measured("mass-inside", value, reason=EMPTY_MAP if value != value else "")


@_declared(
    "pointing-game",
    "Pointing game",
    "Does the greatest value lie in the region, or close by?",
    "Zhang et al. 2018, IJCV 126",
    _TOLERANCE,
)
def pointing_game(asked: Asked, options: Mapping[str, Any]) -> Measured:
    """1 where the greatest value lies within the tolerance of the region, else 0."""
    reason = EMPTY_REGION if not asked.mask.any() else EMPTY_MAP if not (asked.shown > 0).any() else ""
    if reason:
        return Measured("pointing-game", float("nan"), reason=reason)
    away = distance_transform_edt(~asked.mask)
    reach = options["tolerance"] * max(asked.mask.shape)
    return Measured("pointing-game", float(away.flat[int(asked.shown.argmax())] <= reach))


@_declared(
    "auprc",
    "Area under precision and recall",
    "How well the map's values tell the region from the rest.",
    "Davis and Goadrich 2006, ICML",
)
def auprc(asked: Asked, options: Mapping[str, Any]) -> Measured:
    """Average precision of the signed map as a score of the region; a map without knowledge reaches the region's share of the picture."""
    return _ranked("auprc", asked, average_precision_score)


@_declared(
    "roc-auc",
    "ROC AUC",
    "Chance that a sample in the region exceeds one outside.",
    "Fawcett 2006, Pattern Recognition Letters 27",
)
def roc_auc(asked: Asked, options: Mapping[str, Any]) -> Measured:
    """Area under the ROC of the signed map as a score of the region; 0.5 without knowledge."""
    return _ranked("roc-auc", asked, roc_auc_score)


@_declared(
    "rank-accuracy",
    "Relevance rank accuracy",
    "Of the K greatest values, K the region's size, how many lie in it.",
    "Arras et al. 2022, Information Fusion 81",
)
def rank_accuracy(asked: Asked, options: Mapping[str, Any]) -> Measured:
    """Share of the K greatest values inside the region of K samples; of equal values the first count."""
    count = int(asked.mask.sum())
    if not count:
        return Measured("rank-accuracy", float("nan"), reason=EMPTY_REGION)
    greatest = np.argsort(-asked.shown, axis=None, kind="stable")[:count]
    return Measured("rank-accuracy", float(asked.mask.ravel()[greatest].mean()))


@_declared("dice", "Dice", "Overlap of the map's strong part with the region.", "Dice 1945, Ecology 26", _THRESHOLD)
def dice(asked: Asked, options: Mapping[str, Any]) -> Measured:
    """2 |a and b| / (|a| + |b|) of the strong positive part a and the region b."""
    return _overlap("dice", asked, options, lambda both, one, other: 2 * both / (one + other))


@_declared(
    "iou",
    "Intersection over union",
    "Overlap of the map's strong part with the region.",
    "Jaccard 1912, New Phytologist 11",
    _THRESHOLD,
)
def iou(asked: Asked, options: Mapping[str, Any]) -> Measured:
    """|a and b| / |a or b| of the strong positive part a and the region b."""
    return _overlap("iou", asked, options, lambda both, one, other: both / (one + other - both))


def _ranked(name: str, asked: Asked, score: Callable[[Any, Any], Any]) -> Measured:
    reason = EMPTY_REGION if not asked.mask.any() else WHOLE_REGION if asked.mask.all() else ""
    if reason:
        return Measured(name, float("nan"), reason=reason)
    return Measured(name, float(score(asked.mask.ravel(), asked.shown.ravel())))


def _overlap(
    name: str, asked: Asked, options: Mapping[str, Any], share: Callable[[float, float, float], float]
) -> Measured:
    if not asked.mask.any():
        return Measured(name, float("nan"), reason=EMPTY_REGION)
    found = lit(asked.shown, options["threshold"])
    return Measured(name, share(float((found & asked.mask).sum()), float(found.sum()), float(asked.mask.sum())))
