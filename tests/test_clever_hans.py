"""Films changed to catch a cheating network: what is taken away is gone, what is left stands where it stood."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import xai_core as xc
from tests.small_models import film
from xai_core.case import Region
from xai_core.clever_hans import BORDER, CHANGES, changed, shares
from xai_core.explain import Explanation

LUNGS = np.zeros((50, 40), bool)
LUNGS[12:40, 1:30] = True


def case():
    square = film(50)
    return replace(square, pixels=square.pixels[:, :, :40])


def test_filled_lungs_hold_one_grey_and_all_else_is_as_it_was() -> None:
    before = case()
    after = changed(before, Region(LUNGS), "lungs filled in")
    assert np.unique(after.pixels[0][LUNGS]).size == 1
    assert after.pixels[0][LUNGS][0] == round(float(before.pixels[0][LUNGS].mean()))
    np.testing.assert_array_equal(after.pixels[0][~LUNGS], before.pixels[0][~LUNGS])
    assert after.digest != before.digest


def test_a_cut_border_never_cuts_the_lungs() -> None:
    before = case()
    after = changed(before, Region(LUNGS), "border cut")
    top, bottom = round(BORDER * 50), 50 - round(BORDER * 50)
    np.testing.assert_array_equal(after.pixels[0], before.pixels[0][top:bottom, 1 : 40 - round(BORDER * 40)])
    assert after.facts["lungs"].mask.sum() == LUNGS.sum()
    assert after.facts["lungs"].mask.shape == after.space


@pytest.mark.parametrize("change", CHANGES)
def test_every_version_keeps_the_lungs_that_were_found(change: str) -> None:
    sample = xc.read_case(xc.sample_cases()["child-pneumonia"])
    model = xc.load_model("cxr-resnet18")
    lungs = model.lungs(sample)
    version = changed(sample, lungs, change)
    assert model.lungs(version).mask.sum() == lungs.mask.sum()
    assert model.prepare(version).field is not None


def test_a_film_without_lungs_cannot_be_changed() -> None:
    with pytest.raises(xc.LightboxError, match="No lungs"):
        changed(case(), None, "border cut")


def test_shares_are_of_the_positive_part() -> None:
    shown = np.zeros((1, 50, 40), np.float32)
    shown[0, 20, 10] = 3.0
    shown[0, 0, 0] = 1.0
    shown[0, 49, 39] = -7.0
    found = shares(_explanation(shown), LUNGS)
    assert found.in_lungs == pytest.approx(0.75)
    assert found.on_border == pytest.approx(0.25)


def _explanation(shown: np.ndarray) -> Explanation:
    made = xc.explain(_model(), case(), explainer="gradient")
    return replace(made, map=shown)


def _model():
    from torch import nn

    from tests.small_models import SIDE, model_of

    return model_of(nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE, 4)))
