"""Millilitres and parts of what was found, against cubes counted by hand and against connected components of scikit-image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from skimage.measure import label
from torch import nn

from tests.volumes import volume, volume_model
from xai_core.case import Geometry
from xai_core.models import Prediction
from xai_core.volume_findings import volume_findings


def told(chance):
    shares = np.stack([1 - chance, chance]).astype(np.float32)
    return Prediction(("background", "lesion"), np.log(shares + 1e-6), shares, ("lesion",))


def test_millilitres_are_those_of_the_cases_grid():
    case, model = volume(), volume_model(nn.Identity())
    chance = np.zeros(case.space)
    chance[1:3, 1:4, 1:3] = 0.9  # 12 voxels
    chance[6, 8, 10] = 0.46  # over the card's 0.45
    chance[7, 9, 11] = 0.6  # touches it by a corner
    chance[0, 0, 0] = 0.44
    (found,) = volume_findings(model, case, told(chance))
    assert found.label == "lesion"
    assert found.parts == 2
    assert found.ml == pytest.approx(14 * 1.5 * 2 * 2.5 / 1000)
    assert found.largest_ml == pytest.approx(12 * 1.5 * 2 * 2.5 / 1000)
    assert found.probability == pytest.approx(0.9, abs=1e-6)
    assert found.threshold == 0.45
    assert found.middle == (1, 2, 1)


def test_parts_are_those_of_scikit_image():
    case, model = volume((20, 22, 24)), volume_model(nn.Identity())
    chance = (np.random.default_rng(1).random(case.space) > 0.93) * 0.8
    (found,) = volume_findings(model, case, told(chance))
    numbered = label(chance > 0, connectivity=3)
    assert found.parts == numbered.max()
    assert found.largest_ml == pytest.approx(np.bincount(numbered.ravel())[1:].max() * 7.5 / 1000)


def test_without_a_threshold_the_preferred_label_counts_and_without_spacing_there_are_no_millilitres():
    case = replace(volume(), geometry=Geometry())
    model = volume_model(nn.Identity())
    model = replace(model, card=replace(model.card, thresholds={}))
    chance = np.zeros(case.space)
    chance[2, 2, 2], chance[3, 3, 3] = 0.49, 0.51
    (found,) = volume_findings(model, case, told(chance))
    assert np.argwhere(found.region.mask).tolist() == [[3, 3, 3]]
    assert found.ml is None
    assert found.largest_ml is None
