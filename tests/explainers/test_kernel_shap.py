"""Kernel SHAP against Shapley values by brute force over all coalitions, and against captum's (semantics, section 8)."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import xai_core as xc
from tests.explainers.test_lime import linear, per_segment
from tests.networks import small, smooth
from tests.oracles.test_oracles import deviation
from xai_core.explainers.superpixels import superpixels

warnings.filterwarnings("ignore", module="captum")


def shapley(value: Callable[[frozenset[int]], float], count: int) -> list[float]:
    """Mean over all orders of what each player adds (Shapley 1953)."""
    found = []
    for player in range(count):
        others = [other for other in range(count) if other != player]
        total = 0.0
        for size in range(count):
            weight = math.factorial(size) * math.factorial(count - size - 1) / math.factorial(count)
            for chosen in itertools.combinations(others, size):
                before = frozenset(chosen)
                total += weight * (value(before | {player}) - value(before))
        found.append(total)
    return found


class SetFunction(nn.Module):
    """A number for each coalition of the segments ``labels``: shown where the segment's first pixel is not zero."""

    def __init__(self, table: Tensor, labels: Tensor) -> None:
        super().__init__()
        count = int(labels.max()) + 1
        self.register_buffer("table", table)
        self.register_buffer("first", torch.stack([(labels.flatten() == k).int().argmax() for k in range(count)]))
        self.count = count

    def forward(self, x: Tensor) -> Tensor:
        pixels = x.flatten(1)[:, self.first]
        bits = pixels / (pixels + 1e-300)
        score = x.new_zeros(x.shape[0])
        for number, amount in enumerate(self.table):
            share = torch.ones_like(score)
            for k in range(self.count):
                share = share * (bits[:, k] if number >> k & 1 else 1 - bits[:, k])
            score = score + share * amount
        return torch.stack([-score, score], 1)


def test_a_random_set_function_of_five_segments() -> None:
    image = torch.zeros(1, 1, 10, 50, dtype=torch.float64)
    for k in range(5):
        image[..., 10 * k : 10 * k + 10] = (1.0, 5.0, 2.0, 4.0, 3.0)[k]
    labels = superpixels(image[0], 5)
    assert int(labels.max()) + 1 == 5
    table = torch.randn(32, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    module = SetFunction(table, labels).eval()
    expected = shapley(lambda shown: float(table[sum(1 << k for k in shown)]), 5)
    found = xc.attribute(module, image, explainer="kernel-shap", target=1, segments=5, fill="black", bounds=(0.0, 5.0))
    assert (found.relevance[0, 0] - torch.tensor(expected, dtype=torch.float64)[labels]).abs().max() < 1e-9
    assert found.facts["sum"] == pytest.approx(float(table[31] - table[0]), abs=1e-9)
    assert found.facts["enumerated"] == "yes"
    assert found.facts["coalitions"] == 32


@pytest.mark.parametrize("network", ["plain2d", "plain3d"])
def test_a_network_by_brute_force(network: str) -> None:
    module, x = small(network)
    one = x[:1]
    labels = superpixels(one[0], 8)
    count = int(labels.max()) + 1
    assert 4 <= count <= 11
    grey = one.flatten(2).mean(2).reshape(1, -1, *[1] * (one.ndim - 2))
    scores: dict[frozenset[int], float] = {}

    def value(shown: frozenset[int]) -> float:
        if shown not in scores:
            is_shown = torch.isin(labels, torch.tensor(sorted(shown), dtype=torch.long))
            scores[shown] = float(module(torch.where(is_shown, one, grey))[0, 2].detach())
        return scores[shown]

    expected = torch.tensor(shapley(value, count), dtype=torch.float64)
    found = xc.attribute(module, one, explainer="kernel-shap", target=2, segments=8)
    assert deviation(found.relevance, expected[labels].expand_as(one)) < 1e-9
    assert found.facts["completeness_error"] < 1e-9


def test_a_linear_network_is_told_exactly_by_draws_too() -> None:
    module, x = linear(3, 12, 10)
    labels = superpixels(x[0], 25)
    assert int(labels.max()) + 1 > 11
    expected = per_segment(module[1].weight[2].reshape(3, 12, 10).detach() * (x[0] - x[0].min()), labels)
    found = xc.attribute(module, x, explainer="kernel-shap", target=2, segments=25, samples=200, fill="black")
    assert found.facts["enumerated"] == "no"
    assert found.facts["coalitions"] == 202
    assert deviation(found.relevance, expected[None]) < 1e-9


def test_captum_on_a_linear_network() -> None:
    from captum.attr import KernelShap

    module, x = linear(1, 12, 10)
    labels = superpixels(x[0], 8)
    torch.manual_seed(0)
    theirs = KernelShap(module).attribute(
        x,
        baselines=float(x.min()),
        target=1,
        feature_mask=labels.expand_as(x),
        n_samples=200,
        perturbations_per_eval=20,
    )
    found = xc.attribute(module, x, explainer="kernel-shap", target=1, segments=8, fill="black")
    assert deviation(found.relevance, theirs) < 1e-4


def test_draws_come_near_the_exact_values_and_keep_the_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    from xai_core.explainers import kernel_shap

    module, x = small("plain2d")
    exact = xc.attribute(module, x[:1], explainer="kernel-shap", target=1, segments=8)
    monkeypatch.setattr(kernel_shap, "MOST_ENUMERATED", 1)
    errors = []
    for samples in (40, 4000):
        found = xc.attribute(module, x[:1], explainer="kernel-shap", target=1, segments=8, samples=samples)
        assert found.facts["completeness_error"] < 1e-9
        assert found.facts["difference"] == pytest.approx(exact.facts["difference"], abs=1e-12)
        errors.append(deviation(found.relevance, exact.relevance))
    assert errors[1] < 0.05
    assert errors[1] < errors[0]


def test_fewer_draws_than_segments_still_keep_the_sum() -> None:
    module, x = small("plain2d")
    found = xc.attribute(module, x, explainer="kernel-shap", target=1, segments=60, samples=10)
    assert found.facts["segments"] > 10
    assert found.facts["completeness_error"] < 1e-9
    assert bool(torch.isfinite(found.relevance).all())


def test_one_segment_has_all_of_it() -> None:
    module, _ = small("plain2d")
    one = smooth(1, 3, 10, 9, dtype=torch.float64)
    found = xc.attribute(module, one, explainer="kernel-shap", target=1, segments=1)
    assert found.facts["segments"] == 1
    grey = one.mean((2, 3), keepdim=True).expand_as(one)
    difference = float((module(one) - module(grey))[0, 1].detach())
    assert deviation(found.relevance, torch.full_like(one, difference)) < 1e-9
