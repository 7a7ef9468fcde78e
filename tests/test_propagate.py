"""Properties every backward walk must have, whatever the rule: books, batches, determinism, symmetry, zero."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import xai_core as xc
from tests.networks import BIG, SIDE, SMALL, Residual, big, randomised, small, smooth
from tests.oracles.test_oracles import deviation

WALKS = (
    "lrp-z",
    "lrp-epsilon",
    "lrp-gamma",
    "lrp-alpha-2-beta-1",
    "lrp-flat",
    "lrp-w-square",
    "lrp-epsilon-plus",
    "lrp-epsilon-plus-flat",
    "rap",
    "gradient",
    "input-x-gradient",
    "grad-cam",
)
BOUNDED = {"lrp-epsilon-gamma-box", "rap", "deep-taylor"}


def found(module: nn.Module, x: Tensor, explainer: str, target: object = 1, **parameters: object) -> xc.Attribution:
    box = {"low": -4.0, "high": 4.0} if explainer in BOUNDED else {}
    return xc.attribute(module, x, explainer=explainer, target=target, **box, **parameters)


@pytest.mark.parametrize("explainer", WALKS)
@pytest.mark.parametrize("network", ["plain2d", "residual2d", "dense2d", "branches", "plain3d"])
def test_a_batch_of_two_is_two_singles(network: str, explainer: str) -> None:
    module, x = small(network)
    both = found(module, x, explainer, [1, 3])
    for n, target in enumerate((1, 3)):
        alone = found(module, x[n : n + 1], explainer, target)
        assert deviation(both.relevance[n : n + 1], alone.relevance) < 1e-10
        if alone.account is not None:
            for key, value in alone.account.items():
                assert isinstance(value, float)
                assert float(both.account[key][n]) == pytest.approx(value, rel=1e-8, abs=1e-9), key


def test_several_targets_are_a_batch_of_seeds() -> None:
    module, x = big("resnet18"), smooth(1, 3, 64, 64, seed=3)
    together = found(module, x.expand(4, -1, -1, -1).contiguous(), "lrp-epsilon-plus", [0, 3, 5, 7])
    assert together.target == (0, 3, 5, 7)
    for n, target in enumerate(together.target):
        alone = found(module, x, "lrp-epsilon-plus", target)
        assert deviation(together.relevance[n : n + 1], alone.relevance) < 1e-4


def test_no_target_is_the_greatest_logit() -> None:
    module, x = small("plain2d")
    best = module(x).argmax(1).tolist()
    chosen = xc.attribute(module, x, explainer="lrp-epsilon-plus")
    assert list(chosen.target) == best
    assert torch.equal(chosen.relevance, found(module, x, "lrp-epsilon-plus", best).relevance)


@pytest.mark.parametrize("explainer", ["lrp-epsilon-plus", "lrp-gamma", "rap", "gradient", "grad-cam"])
@pytest.mark.parametrize("network", BIG)
def test_the_same_question_has_the_same_answer_to_the_bit(network: str, explainer: str) -> None:
    module, x = big(network), smooth(1, 3, SIDE[network], SIDE[network], seed=3)
    first = found(module, x, explainer)
    again = found(module, x.clone(), explainer)
    assert torch.equal(first.relevance, again.relevance)
    assert first.account == again.account


@pytest.mark.parametrize("explainer", WALKS)
@pytest.mark.parametrize("network", ["plain2d", "residual2d", "dense2d", "gated"])
def test_a_zero_input_gives_finite_numbers(network: str, explainer: str) -> None:
    module, x = small(network)
    result = found(module, torch.zeros_like(x), explainer)
    assert bool(torch.isfinite(result.relevance).all())
    if result.account is not None:
        for key, value in result.account.items():
            assert bool(torch.isfinite(torch.as_tensor(value)).all()), key
        parts = sum(result.account[key] for key in ("map", "bias", "stabiliser", "filtered", "stopped", "error"))
        torch.testing.assert_close(parts, result.account["seed"], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("explainer", ["lrp-z", "lrp-epsilon-plus", "lrp-gamma", "input-x-gradient"])
def test_where_the_input_is_zero_the_relevance_is_zero(explainer: str) -> None:
    module, x = small("plain2d")
    x = x.clone()
    x[:, :, 2:5, 3:6] = 0.0
    assert float(found(module, x, explainer).relevance[:, :, 2:5, 3:6].abs().max()) == 0.0


@pytest.mark.parametrize("explainer", WALKS)
def test_a_flipped_image_has_a_flipped_map(explainer: str) -> None:
    """With mirrored kernels, stride 1 and global pooling a network does not know left from right."""
    module = randomised(Mirrored(), 4).double()
    for conv in (module.conv1, module.conv2):
        conv.weight.data = conv.weight.data + conv.weight.data.flip(3)
    x = smooth(1, 3, 8, 9, seed=3, dtype=torch.float64)
    straight, mirrored = found(module, x, explainer), found(module, x.flip(3), explainer)
    assert deviation(mirrored.relevance.flip(3), straight.relevance) < 1e-9


class Mirrored(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.norm = nn.Conv2d(3, 5, 3, padding=1), nn.BatchNorm2d(5)
        self.conv2, self.head = nn.Conv2d(5, 5, 3, padding=1), nn.Linear(5, 3)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.norm(self.conv1(x)))
        return self.head(self.relu(x + self.conv2(x)).mean((2, 3)))


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 10_000),
    network=st.sampled_from(sorted(SMALL)),
    explainer=st.sampled_from([name for name in WALKS if name.startswith("lrp") or name == "rap"]),
    scale=st.sampled_from([1e-3, 1.0, 1e3]),
)
def test_the_books_close_whatever_the_weights(seed: int, network: str, explainer: str, scale: float) -> None:
    module, x = small(network, seed=seed % 5)
    x = scale * smooth(*x.shape, seed=seed, dtype=torch.float64)
    account = found(module, x, explainer, seed % 4).account
    total = account["amplification"] * account["seed"].abs()
    limit = 1e-9 * torch.maximum(torch.ones_like(total), torch.maximum(account["seed"].abs(), 1e-3 * total))
    assert bool((account["error"].abs() <= limit).all())


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10_000), factor=st.floats(0.1, 10.0))
def test_without_biases_relevance_grows_with_the_image(seed: int, factor: float) -> None:
    """A ReLU network without biases is positively homogeneous, and so is every ratio rule on it."""
    module = randomised(Residual(2), seed % 7).double()
    for name, value in [*module.named_parameters(), *module.named_buffers()]:
        if name.endswith(("bias", "running_mean")):
            value.data.zero_()
    x = smooth(1, 3, 6, 7, seed=seed, dtype=torch.float64)
    one, other = found(module, x, "lrp-z"), found(module, factor * x, "lrp-z")
    assert deviation(other.relevance, factor * one.relevance) < 1e-6


def test_amplification_is_the_map_over_the_seed() -> None:
    module, x = small("plain2d")
    result = found(module, x, "lrp-z")
    expected = result.relevance.abs().flatten(1).sum(1) / result.account["seed"].abs()
    torch.testing.assert_close(result.account["amplification"], expected)
    for key in ("seed", "map", "bias", "stabiliser", "filtered", "stopped", "error", "amplification"):
        assert result.account[key].dtype == torch.float64


def test_values_are_let_go_as_the_walk_passes() -> None:
    """A second walk over one recording still works: what was dropped is not what the recording owns."""
    module, x = small("residual2d")
    recording = xc.record(module, x)
    first = xc.attribute(recording, explainer="lrp-epsilon-plus", target=1).relevance
    assert torch.equal(xc.attribute(recording, explainer="lrp-epsilon-plus", target=1).relevance, first)
