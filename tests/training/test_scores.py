"""The figures of the cards against scikit-learn and against cases worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import precision_recall_fscore_support, roc_auc_score

from xai_core.training.scores import (
    auroc,
    best_threshold,
    calibration_error,
    counts_at,
    interval,
    precision_recall_f1,
    reliability,
    temperature_of,
)

FILMS = st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=2, max_size=60).filter(
    lambda films: len({truth for truth, _ in films}) == 2
)


@given(FILMS)
def test_auroc_is_that_of_scikit_learn_ties_and_all(films) -> None:
    truth, score = map(np.asarray, zip(*films, strict=True))
    assert auroc(truth, score) == pytest.approx(roc_auc_score(truth, score))


@given(FILMS, st.integers(0, 6))
def test_precision_recall_and_f1_are_those_of_scikit_learn(films, cut: int) -> None:
    truth, score = map(np.asarray, zip(*films, strict=True))
    expected = precision_recall_fscore_support(truth, score >= cut, average="binary", zero_division=0)[:3]
    assert precision_recall_f1(*counts_at(truth, score >= cut)) == pytest.approx(expected)


def test_the_reliability_curve_is_that_of_scikit_learn() -> None:
    dice = np.random.default_rng(0)
    share = dice.uniform(size=500)
    truth = dice.uniform(size=500) < share**2
    curve = reliability(truth, share)
    was, told = calibration_curve(truth, share, n_bins=10)
    np.testing.assert_allclose([point[0] for point in curve], told)
    np.testing.assert_allclose([point[1] for point in curve], was)
    assert sum(point[2] for point in curve) == 500
    by_hand = sum(abs(a - b) * n for a, b, n in curve) / 500
    assert calibration_error(truth, share) == pytest.approx(by_hand)


def test_a_temperature_undoes_the_heat_that_was_put_in() -> None:
    dice = np.random.default_rng(1)
    logit = dice.normal(0, 2, 20000)
    truth = dice.uniform(size=20000) < 1 / (1 + np.exp(-logit))
    assert temperature_of(truth, 3 * logit) == pytest.approx(3.0, rel=0.05)


def test_the_threshold_maximises_sensitivity_plus_specificity() -> None:
    dice = np.random.default_rng(2)
    share = dice.uniform(size=300)
    truth = dice.uniform(size=300) < share

    def gain(cut: float) -> float:
        return (share[truth] >= cut).mean() - (share[~truth] >= cut).mean()

    assert gain(best_threshold(truth, share)) == pytest.approx(max(gain(cut) for cut in share))


def test_the_interval_draws_patients_not_films() -> None:
    """Twenty films of one patient are one witness: the interval of a mean over two such patients is as wide as can be."""
    patients = np.asarray(["a"] * 20 + ["b"] * 20)
    values = np.asarray([0.0] * 20 + [1.0] * 20)
    assert interval(lambda rows: float(values[rows].mean()), patients) == (0.0, 1.0)
    assert interval(lambda rows: float(values[rows].mean()), np.arange(40)) != (0.0, 1.0)
