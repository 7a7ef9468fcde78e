"""Localisation metrics against sums by hand on a picture of a few samples."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

import xai_core as xc
from tests.networks import Plain, randomised
from tests.small_models import film, model_of
from xai_core.case import Region

MAP = np.zeros((24, 24))
MAP[5, 5], MAP[5, 6], MAP[20, 20], MAP[12, 12] = 4.0, 2.0, 1.0, -3.0
MASK = np.zeros((24, 24), bool)
MASK[5, 5:8] = True


@pytest.fixture(scope="module")
def explanation() -> xc.Explanation:
    found = xc.explain(model_of(randomised(Plain(2, channels=1), 1)), film(), explainer="gradient", target=0)
    return replace(found, map=MAP[None].astype(np.float32))


def value(explanation: xc.Explanation, metric: str, mask: np.ndarray = MASK, **options: float) -> float:
    return xc.measure(explanation, metric, region=Region(mask), **options).value


def test_sums_by_hand(explanation: xc.Explanation) -> None:
    """Positive mass 7, of which 6 inside; at 0.3 of 4 two samples are lit, both inside a region of three."""
    assert value(explanation, "mass-inside") == pytest.approx(6 / 7)
    assert value(explanation, "dice", threshold=0.3) == pytest.approx(2 * 2 / (2 + 3))
    assert value(explanation, "iou", threshold=0.3) == pytest.approx(2 / 3)
    assert value(explanation, "iou", threshold=0.25) == pytest.approx(2 / 4)
    assert value(explanation, "rank-accuracy") == pytest.approx(2 / 3)


def test_roc_auc_is_the_share_of_pairs_in_order(explanation: xc.Explanation) -> None:
    inside, outside = MAP[MASK], MAP[~MASK]
    pairs = [1.0 if a > b else 0.5 if a == b else 0.0 for a, b in product(inside, outside)]
    assert value(explanation, "roc-auc") == pytest.approx(np.mean(pairs))


def test_auprc_is_the_mean_precision_where_recall_grows(explanation: xc.Explanation) -> None:
    """Two of three are found at precision 1; the third is a zero among all other zeros."""
    zeros_and_above = int((MAP >= 0).sum())
    assert value(explanation, "auprc") == pytest.approx((1 + 1 + 3 / zeros_and_above) / 3)


def test_the_pointing_game_forgives_as_far_as_it_says(explanation: xc.Explanation) -> None:
    away = np.zeros_like(MASK)
    away[5, 8] = True  # three samples from the greatest value
    assert value(explanation, "pointing-game", away, tolerance=2.9 / 24) == 0.0
    assert value(explanation, "pointing-game", away, tolerance=3.0 / 24) == 1.0
