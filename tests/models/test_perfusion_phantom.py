"""The network for the perfusion phantom: an answer on the case's grid, as good as its card says, and explained by the study's own rule."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from scipy.spatial.distance import dice as dice_distance

import xai_core as xc
from xai_core.models.places import SHELF
from xai_core.phantoms import perfusion_phantom
from xai_core.training.lesion_cases import phantom_case

NAME = "perfusion-phantom-unet3d"
UNSEEN = (40_000, 40_001, 40_002)
"""Seeds in no part of the recipe."""


@functools.cache
def model() -> xc.Model:
    return xc.load_model(NAME, "cpu")


def test_it_says_what_it_is_and_is_small() -> None:
    card = model().card
    assert card.modality == "MR"
    assert card.task == "segmentation"
    assert card.channels == ("ADC", "MTT", "rCBF", "rCBV", "Tmax", "TTP")
    assert card.labels[-1] == "Lesion"
    assert card.bytes <= 4_000_000
    assert "never for patients" in card.summary
    assert "never for patients" in (SHELF / "cards" / f"{NAME}.md").read_text(encoding="utf-8")


def test_it_outlines_the_packaged_phantom_on_the_case_s_grid() -> None:
    sample = xc.sample_cases("volume")["perfusion-phantom"]
    case = xc.read_case(sample)
    found = model().predict(case)
    assert found.probabilities.shape == (2, *case.space)
    np.testing.assert_allclose(found.probabilities.sum(0), 1, atol=1e-5)
    assert sample.target == "Lesion"
    assert sample.target in found.positive
    lesion = xc.read_region(sample.regions["lesion"], case).mask
    assert 1 - dice_distance((found.probabilities[-1] >= 0.5).ravel(), lesion.ravel()) > 0.6


def test_phantoms_it_never_saw_are_outlined_as_well_as_its_card_says() -> None:
    told = model().card.metrics["dice"]
    found = []
    for seed in UNSEEN:
        case = phantom_case(perfusion_phantom(seed))
        outline = model().predict(case.case).probabilities[-1] >= 0.5
        found.append(1 - dice_distance(outline.ravel(), case.lesion.ravel()))
    # three phantoms spread about three times as widely as the card's two dozen
    low, high = told["interval"]
    assert np.mean(found) > told["value"] - 3 * (high - low) / 2 - 0.05


@pytest.mark.parametrize("variant", ["text", "published-code"])
def test_the_study_s_rule_explains_it_on_every_modality(variant: str) -> None:
    case = xc.read_case(xc.sample_cases("volume")["perfusion-phantom"])
    found = xc.explain(model(), case, explainer="lrp-study-unet", target="Lesion", variant=variant)
    assert found.map.shape == case.pixels.shape
    assert np.isfinite(found.map).all()
    assert (np.abs(found.map).sum((1, 2, 3)) > 0).all()
