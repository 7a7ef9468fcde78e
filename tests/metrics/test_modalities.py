"""Modality ablation against passes made by hand, MSFI against a case by hand and its bounds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import xai_core as xc
from tests.lesions import lesion
from tests.networks import UNet, randomised
from tests.volumes import CHANNELS, volume, volume_model
from xai_core.metrics.modalities import ablation, insides, msfi, rank_agreement, shapley

CASE, LESION = volume(), lesion()


@pytest.fixture(scope="module")
def model() -> xc.Model:
    return volume_model(randomised(UNet(3, channels=2), 3))


@pytest.fixture(scope="module")
def explanation(model: xc.Model) -> xc.Explanation:
    return xc.explain(model, CASE, explainer="lrp-epsilon-plus", target="lesion")


@pytest.mark.parametrize("fill", ["grey", "black"])
def test_ablation_is_what_the_target_loses(model: xc.Model, fill: str) -> None:
    x = model.prepare(CASE).tensor
    with torch.no_grad():
        whole = model.module(x)
        where = whole[0].softmax(0)[1] >= model.card.thresholds["lesion"]
        expected = []
        for channel in range(len(CHANNELS)):
            less = x.clone()
            less[0, channel] = x[0, channel].mean() if fill == "grey" else model.card.input.low
            expected.append(float(whole[0, 1][where].sum() - model.module(less)[0, 1][where].sum()))
    found = ablation(model, CASE, "lesion", fill)
    assert list(found) == list(CHANNELS)
    np.testing.assert_allclose(list(found.values()), expected, rtol=1e-4, atol=1e-3)


def test_shapley_values_of_two_modalities_by_hand(model: xc.Model) -> None:
    """phi_1 = ((f12 - f2) + (f1 - f0)) / 2, from four passes with the channels' means in place of what is missing."""
    x = model.prepare(CASE).tensor
    mean = x.mean((2, 3, 4), keepdim=True).expand_as(x)
    with torch.no_grad():
        where = model.module(x)[0].softmax(0)[1] >= model.card.thresholds["lesion"]

        def worth(*kept: int) -> float:
            given = mean.clone()
            given[:, list(kept)] = x[:, list(kept)]
            return float(model.module(given)[0, 1][where].sum())

        both, first, second, none = worth(0, 1), worth(0), worth(1), worth()
    expected = [(both - second + first - none) / 2, (both - first + second - none) / 2]
    found = shapley(model, CASE, "lesion")
    np.testing.assert_allclose(list(found.values()), expected, rtol=1e-4, atol=1e-3)


def test_shapley_values_of_a_sum_are_what_each_part_loses() -> None:
    """Where modalities only add up, every order gives the same: ablation, together the whole loss."""

    class Sum(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            lesion = x[:, 0] + 3 * x[:, 1] + 0.5 * x[:, 2] + 1
            return torch.stack([torch.zeros_like(lesion), lesion], 1)

    names = ("FLAIR", "T1", "T2")
    two = volume_model(Sum())
    card = replace(two.card, channels=names, input=replace(two.card.input, channels=3))
    case = volume(channels=names)
    found = shapley(replace(two, card=card), case, "lesion", "black")
    lost = ablation(replace(two, card=card), case, "lesion", "black")
    np.testing.assert_allclose(list(found.values()), list(lost.values()), rtol=1e-4)


def test_msfi_by_hand() -> None:
    """Weights 3, 1 and none; half of the first modality's positive relevance is inside, all of the second's."""
    relevance = np.array([[2.0, 2.0, -9.0], [0.0, 5.0, 0.0], [0.0, 0.0, 7.0]])
    mask = np.array([False, True, False])
    np.testing.assert_allclose(insides(relevance, mask), [0.5, 1.0, 0.0])
    assert msfi(relevance, mask, [3.0, 1.0, 0.0]) == pytest.approx((3 * 0.5 + 1 * 1.0) / 4)
    assert msfi(relevance, mask, [3.0, 1.0, -8.0]) == msfi(relevance, mask, [3.0, 1.0, 0.0])
    assert np.isnan(msfi(relevance, mask, [-1.0, 0.0, -2.0]))


@given(seed=st.integers(0, 10_000), channels=st.integers(1, 5))
def test_msfi_lies_between_the_least_and_the_greatest_share(seed: int, channels: int) -> None:
    rng = np.random.default_rng(seed)
    relevance, mask = rng.normal(size=(channels, 4, 5)), rng.random((4, 5)) < 0.5
    found = msfi(relevance, mask, rng.random(channels) + 0.01)
    assert insides(relevance, mask).min() - 1e-12 <= found <= insides(relevance, mask).max() + 1e-12
    assert msfi(relevance, np.ones((4, 5), bool), rng.random(channels) + 0.01) == pytest.approx(1.0)


def test_msfi_weighs_by_ablation_unless_told_otherwise(model: xc.Model, explanation: xc.Explanation) -> None:
    weights = ablation(model, CASE, "lesion")
    found = xc.measure(explanation, "msfi", region=LESION, model=model, case=CASE)
    assert found.value == pytest.approx(msfi(explanation.raw, LESION.mask, list(weights.values())))
    weights = shapley(model, CASE, "lesion")
    found = xc.measure(explanation, "msfi", region=LESION, model=model, case=CASE, importance="shapley")
    assert found.value == pytest.approx(msfi(explanation.raw, LESION.mask, list(weights.values())))
    equal = xc.measure(explanation, "msfi", region=LESION, importance="equal")
    assert equal.value == pytest.approx(np.mean(list(equal.by_channel.values())))


def test_agreement_ranks_magnitudes() -> None:
    assert rank_agreement([-5.0, 1.0, 3.0], [0.6, 0.1, 0.3]) == pytest.approx(1.0)
    assert rank_agreement([5.0, 1.0, 3.0], [0.1, 0.6, 0.3], "spearman") == pytest.approx(-1.0)
    assert np.isnan(rank_agreement([2.0, -2.0], [0.3, 0.7]))


def test_nothing_predicted_is_a_reason_not_a_number(model: xc.Model, explanation: xc.Explanation) -> None:
    class Never(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.stack([x[:, 0] * 0 + 1, x[:, 0] * 0], 1)

    found = xc.measure(explanation, "modality-agreement", model=replace(model, module=Never().eval()), case=CASE)
    assert np.isnan(found.value)
    assert "Nothing is predicted" in found.reason
