"""Dice against scikit-learn, lesions counted by hand, thresholds that never see the patient they are for."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from xai_core.training.volume_scores import best_cut, cuts_of_others, dice_of, outcome

CUTS = np.round(np.arange(0.1, 1.0, 0.1), 1)


def test_dice_is_the_f1_score_of_voxels() -> None:
    dice = np.random.default_rng(0)
    for share in (0.1, 0.5, 0.9):
        found, truth = dice.random((6, 7, 8)) < share, dice.random((6, 7, 8)) < 0.3
        assert dice_of(found, truth) == pytest.approx(f1_score(truth.ravel(), found.ravel()))
    empty = np.zeros((2, 2, 2), dtype=bool)
    assert dice_of(empty, empty) == 1.0
    assert dice_of(~empty, empty) == 0.0


def test_lesions_are_counted_as_wholes() -> None:
    truth = np.zeros((20, 20, 20), dtype=bool)
    truth[2:5, 2:5, 2:5] = True  # touched by one voxel: found
    truth[10:13, 10:13, 10:13] = True  # missed
    truth[13, 13, 13] = True  # at its corner: the same lesion
    truth[17, 17, 17] = True  # 2 mm3: too small to count
    found = np.zeros_like(truth)
    found[4:7, 4:7, 4:7] = True
    found[15:18, 2:5, 2:5] = True  # where none is
    found[0, 19, 19] = True  # too small
    row = outcome("one", found, truth, voxel_mm3=2.0)
    assert (row.lesions, row.hit, row.false) == (2, 1, 1)
    assert row.truth_ml == pytest.approx((27 + 27 + 1 + 1) * 2 / 1000)
    assert row.found_ml == pytest.approx((27 + 27 + 1) * 2 / 1000)


def test_a_patient_s_threshold_is_that_of_the_others() -> None:
    """Three patients whose best thresholds are 0.3, 0.3 and 0.8: each gets what the other two say."""
    truth = np.arange(100) < 30
    shares = [np.where(truth, high, low) for high, low in ((0.35, 0.25), (0.35, 0.25), (0.85, 0.75))]
    truths = [truth] * 3
    assert best_cut(shares[:1], truths[:1], CUTS) == pytest.approx(0.3)
    assert best_cut(shares[2:], truths[2:], CUTS) == pytest.approx(0.8)
    assert cuts_of_others(shares, truths, CUTS)[2] == pytest.approx(0.3)
    alone = [share.copy() for share in shares]
    alone[2][:] = np.random.default_rng(0).random(100)
    assert cuts_of_others(alone, truths, CUTS)[2] == cuts_of_others(shares, truths, CUTS)[2]
