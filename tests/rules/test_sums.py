"""Sums, averages, products and gates share relevance as semantics.md, section 4 says."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import xai_core as xc
from tests.networks import randomised, smooth
from tests.oracles.linear import affine_of, dense_share
from tests.oracles.test_oracles import deviation
from tests.oracles.walk import Affine, Walk, composite
from tests.rules.test_operations import Around, X, above, explained

MEANS: dict[str, Callable[[Tensor], Tensor]] = {
    "average": lambda x: F.avg_pool2d(x, 2),
    "padded average": lambda x: F.avg_pool2d(x, 3, 1, 1),
    "padding not counted": lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
    "ceil": lambda x: F.avg_pool2d(x, 4, 3, ceil_mode=True),
    "adaptive": lambda x: F.adaptive_avg_pool2d(x, (4, 3)),
    "global": lambda x: F.adaptive_avg_pool2d(x, 1),
    "mean": lambda x: x.mean((2, 3)),
    "mean kept": lambda x: x.mean(3, keepdim=True),
    "sum": lambda x: x.sum((2, 3)),
    "sum of channels": lambda x: x.sum(1),
    "nearest": lambda x: F.interpolate(x, scale_factor=2.0, mode="nearest"),
    "bilinear": lambda x: F.interpolate(x, size=(9, 11), mode="bilinear", align_corners=False),
    "bilinear corners": lambda x: F.interpolate(x, size=(9, 11), mode="bilinear", align_corners=True),
    "linear": lambda x: F.interpolate(x[:, :, 0], size=11, mode="linear"),
    "trilinear": lambda x: F.interpolate(x[:, None], size=(4, 7, 9), mode="trilinear"),
    "one-dimensional": lambda x: F.avg_pool1d(x[:, :, 0], 2),
    "three-dimensional": lambda x: F.avg_pool3d(x[:, None], (1, 2, 2)),
}


@pytest.mark.parametrize("how", ["lrp-z", "lrp-epsilon", "lrp-epsilon-plus", "lrp-alpha-2-beta-1"])
@pytest.mark.parametrize("mean", MEANS)
def test_averages_share_as_linear_operations(mean: str, how: str) -> None:
    x = X.relu() + 0.1 if how == "lrp-alpha-2-beta-1" else X
    module = Around(MEANS[mean])
    R = above(module, x, how)
    affine = Affine(lambda u, _: MEANS[mean](u), None)
    with torch.no_grad():
        shape = MEANS[mean](x).shape[1:]
    shares = [dense_share(affine, composite(how).pools, a, r.reshape(shape)) for a, r in zip(x, R, strict=True)]
    found = explained(module, how, x)
    assert deviation(found.relevance, torch.stack([share.relevance for share in shares])) < 1e-9


class Sum(nn.Module):
    """The two channels of the input, added."""

    def __init__(self, add: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.add = add
        self.head = nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        a, b = x[:, 0], x[:, 1]
        return self.head(self.add(a, b).flatten(1))


def _in_place(a: Tensor, b: Tensor) -> Tensor:
    a = a.clone()
    a += b
    return a


SUMS = {"add": torch.add, "operator": lambda a, b: a + b, "in place": _in_place}


@pytest.mark.parametrize(
    "how",
    ["lrp-z", "lrp-epsilon", "lrp-gamma", "lrp-alpha-1-beta-0", "lrp-alpha-2-beta-1", "lrp-epsilon-plus", "lrp-flat"],
)
@pytest.mark.parametrize("kind", ["add", "operator", "in place"])
def test_sums_share_by_the_rule_of_the_composite(kind: str, how: str) -> None:
    module = randomised(Sum(SUMS[kind]), 3).double()
    x = smooth(2, 2, 3, 4, seed=8, dtype=torch.float64)
    walk = Walk(randomised(Sum(torch.add), 3), composite(how)).run(x, target=1)
    found = xc.attribute(module, x, explainer=how, target=1)
    assert deviation(found.relevance, walk.relevance) < 1e-9
    for key in ("bias", "stabiliser", "stopped"):
        torch.testing.assert_close(found.account[key], walk.account[key], rtol=1e-7, atol=1e-9)


def test_a_value_added_to_itself_keeps_its_relevance() -> None:
    module = Around(lambda x: x + x)
    R = above(module, X, "lrp-epsilon-plus").reshape(X.shape)
    found = explained(module, "lrp-epsilon-plus")
    # both halves of an a + a with a < 0 are negative parts: plus has no denominator there, and they stop
    assert deviation(found.relevance, torch.where(X > 0, R, 0.0)) < 1e-9
    torch.testing.assert_close(found.account["stopped"], torch.where(X > 0, 0.0, R).flatten(1).sum(1))


@pytest.mark.parametrize("how", ["lrp-z", "lrp-epsilon"])
def test_an_added_constant_takes_its_share_as_bias(how: str) -> None:
    module = Around(lambda x: x + 0.7)
    R = above(module, X, how).reshape(X.shape)
    found = explained(module, how)
    z = X + 0.7
    rms = z.flatten(1).square().mean(1).sqrt().reshape(-1, 1, 1, 1)
    d = {"lrp-z": torch.tensor(1e-12), "lrp-epsilon": 0.25 * rms}[how]
    s = R / (z + d * torch.where(z >= 0, 1.0, -1.0))
    assert deviation(found.relevance, X * s) < 1e-9
    head_bias = above_bias(module, how)
    torch.testing.assert_close(found.account["bias"] - head_bias, 0.7 * s.flatten(1).sum(1), rtol=1e-8, atol=1e-9)


def above_bias(module: Around, how: str) -> Tensor:
    with torch.no_grad():
        hidden = module.call(X)
        logits = module.head(hidden)
    R = torch.zeros_like(logits)
    R[:, 1] = logits[:, 1]
    pairs = zip(hidden, R, strict=True)
    return torch.tensor([dense_share(affine_of(module.head), composite(how).dense, h, r).bias for h, r in pairs])


@pytest.mark.parametrize("gate", [torch.sigmoid, F.hardsigmoid, lambda g: torch.softmax(g, 1)])
def test_the_signal_takes_everything_and_its_gate_nothing(gate: Callable[[Tensor], Tensor]) -> None:
    def body(x: Tensor) -> Tensor:
        return x[:, :1] * gate(x[:, 1:].mean((2, 3), keepdim=True))[:, :1]

    module = Around(body)
    found = explained(module, "lrp-epsilon-plus").relevance
    expected = torch.zeros_like(X)
    expected[:, :1] = above(module, X, "lrp-epsilon-plus").reshape(2, 1, 6, 8)
    assert deviation(found, expected) < 1e-9


def test_a_product_of_two_signals_is_halved() -> None:
    module = Around(lambda x: x[:, :1] * x[:, 1:2])
    R = above(module, X, "lrp-epsilon-plus").reshape(2, 1, 6, 8)
    expected = torch.cat([R / 2, R / 2, torch.zeros_like(R)], 1)
    assert deviation(explained(module, "lrp-epsilon-plus").relevance, expected) < 1e-9
