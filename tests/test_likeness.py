"""Likeness of maps against scipy and skimage, and where it is not defined."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr
from skimage.metrics import structural_similarity

from xai_core.likeness import rank_correlation, structure


def maps(shape: tuple[int, ...] = (20, 17)) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    first = draw.normal(size=shape).astype(np.float32)
    return first, (0.5 * first + draw.normal(size=shape)).astype(np.float32)


def test_rank_correlation_is_scipys_of_magnitudes() -> None:
    first, second = maps()
    expected = spearmanr(np.abs(first).ravel(), np.abs(second).ravel()).statistic
    assert rank_correlation(first, second) == pytest.approx(float(expected), abs=1e-9)


def test_signs_do_not_count() -> None:
    first, _ = maps()
    assert rank_correlation(first, -first) == pytest.approx(1.0)


def test_a_rim_of_zeros_does_not_pass_for_likeness() -> None:
    first, second = maps()
    padded = [np.pad(side, 20) for side in (first, second)]
    assert rank_correlation(*padded) == pytest.approx(rank_correlation(first, second))
    assert float(spearmanr(*(np.abs(side).ravel() for side in padded)).statistic) > rank_correlation(*padded) + 0.2


def test_a_constant_map_has_no_ranks() -> None:
    first, _ = maps()
    assert np.isnan(rank_correlation(first, np.ones_like(first)))
    assert np.isnan(rank_correlation(np.zeros(9), np.zeros(9)))


@pytest.mark.parametrize("shape", [(20, 17), (9, 10, 11)])
def test_structure_is_skimages_of_magnitudes(shape: tuple[int, ...]) -> None:
    first, second = maps(shape)
    a, b = (np.abs(side).astype(np.float64) / np.abs(side).max() for side in (first, second))
    assert structure(first, second) == pytest.approx(float(structural_similarity(a, b, data_range=1.0)), abs=1e-6)
    assert structure(first, -first) == pytest.approx(1.0)


def test_structure_needs_a_window_and_something_in_it() -> None:
    assert np.isnan(structure(np.ones((5, 9)), np.ones((5, 9))))
    assert np.isnan(structure(np.ones((9, 9)), np.zeros((9, 9))))
