"""How well a model did on people it never saw: areas under the curve, counts at thresholds, calibration, and intervals.

Intervals are percentile bootstraps over patients, because two films of one patient are not two witnesses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def auroc(truth: NDArray[Any], score: NDArray[Any]) -> float:
    """Area under the ROC curve (Mann-Whitney with ties counted half); NaN where one class is absent."""
    truth = np.asarray(truth) > 0.5
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if not positives or not negatives:
        return float("nan")
    _, inverse, counts = np.unique(np.asarray(score, dtype=np.float64), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((ranks[truth].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def interval(
    statistic: Callable[[NDArray[np.int64]], float], patients: NDArray[Any], draws: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of ``statistic(rows)`` over patients drawn with replacement."""
    _, member = np.unique(np.asarray(patients).astype(str), return_inverse=True)
    order = np.argsort(member, kind="stable")
    groups = np.split(order, np.cumsum(np.bincount(member))[:-1])
    dice = np.random.default_rng(seed)
    values = [
        statistic(np.concatenate([groups[k] for k in dice.integers(len(groups), size=len(groups))]))
        for _ in range(draws)
    ]
    low, high = np.nanpercentile(values, (2.5, 97.5))
    return float(low), float(high)


def measured(
    statistic: Callable[[NDArray[np.int64]], float], patients: NDArray[Any], draws: int = 1000
) -> dict[str, float | list[float] | int]:
    """A statistic over all rows with its interval, films and patients counted: ready for a card."""
    rows = np.arange(len(patients))
    low, high = interval(statistic, patients, draws)
    return {
        "value": round(statistic(rows), 4),
        "interval": [round(low, 4), round(high, 4)],
        "films": len(patients),
        "patients": len(np.unique(np.asarray(patients).astype(str))),
    }


def counts_at(truth: NDArray[Any], positive: NDArray[Any]) -> tuple[int, int, int]:
    """True positives, false positives, false negatives."""
    truth, positive = np.asarray(truth) > 0.5, np.asarray(positive, dtype=bool)
    return int((truth & positive).sum()), int((~truth & positive).sum()), int((truth & ~positive).sum())


def precision_recall_f1(tp: int, fp: int, fn: int) -> tuple[float, float, float]:
    """Precision, recall and F1 of counts; 0 where nothing was found or to be found."""
    return tp / max(tp + fp, 1), tp / max(tp + fn, 1), 2 * tp / max(2 * tp + fp + fn, 1)


def best_threshold(truth: NDArray[Any], share: NDArray[Any]) -> float:
    """The probability that maximises sensitivity plus specificity (Youden), midway between neighbouring scores."""
    truth = np.asarray(truth) > 0.5
    places = np.unique(share)
    cuts = np.concatenate([[places[0] - 1e-3], (places[1:] + places[:-1]) / 2])
    gains = [(share[truth] >= cut).mean() - (share[~truth] >= cut).mean() for cut in cuts]
    return float(np.clip(cuts[int(np.argmax(gains))], 0.02, 0.98))


def temperature_of(truth: NDArray[Any], logit: NDArray[Any]) -> float:
    """The temperature that minimises the cross entropy of sigmoid(logit / T) (Guo et al., ICML 2017), 0.25 to 6."""
    truth = (np.asarray(truth) > 0.5).astype(np.float64)
    grid = np.exp(np.linspace(np.log(0.25), np.log(6.0), 200))
    scaled = np.asarray(logit, dtype=np.float64)[None] / grid[:, None]
    losses = (np.logaddexp(0, scaled) - truth[None] * scaled).mean(axis=1)
    return float(grid[int(np.argmin(losses))])


def reliability(truth: NDArray[Any], share: NDArray[Any], bins: int = 10) -> list[tuple[float, float, int]]:
    """The reliability curve over ``bins`` equal steps of probability: (mean probability, share that was so, films)."""
    truth, share = (np.asarray(truth) > 0.5).astype(np.float64), np.asarray(share, dtype=np.float64)
    place = np.minimum((share * bins).astype(int), bins - 1)
    return [
        (float(share[place == b].mean()), float(truth[place == b].mean()), int((place == b).sum()))
        for b in np.unique(place)
    ]


def calibration_error(truth: NDArray[Any], share: NDArray[Any], bins: int = 10) -> float:
    """Expected calibration error over ``bins`` equal steps of probability (Guo et al. 2017, equation 3)."""
    curve = reliability(truth, share, bins)
    return sum(abs(told - was) * count for told, was, count in curve) / max(sum(count for _, _, count in curve), 1)
