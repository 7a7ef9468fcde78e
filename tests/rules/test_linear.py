"""Every rule for linear operations on every kind of layer, against sums over single connections."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import xai_core as xc
from tests.networks import randomised, smooth
from tests.oracles.linear import Rule, Share, affine_of, dense_share, rule
from tests.oracles.test_oracles import deviation
from xai_core.rules.books import Books
from xai_core.rules.linear import divided

LAYERS: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "linear": (nn.Linear(7, 5), (7,)),
    "linear-no-bias": (nn.Linear(6, 4, bias=False), (6,)),
    "conv1d": (nn.Conv1d(2, 3, 3, padding=1), (2, 6)),
    "conv1d-dilated": (nn.Conv1d(3, 2, 3, padding=2, dilation=2), (3, 7)),
    "conv2d": (nn.Conv2d(3, 4, 3), (3, 5, 6)),
    "conv2d-padded": (nn.Conv2d(2, 3, 3, padding=1), (2, 4, 5)),
    "conv2d-strided": (nn.Conv2d(2, 3, 3, stride=2, padding=1, bias=False), (2, 6, 5)),
    "conv2d-grouped": (nn.Conv2d(4, 6, 3, padding=1, groups=2), (4, 4, 4)),
    "conv2d-depthwise": (nn.Conv2d(3, 6, (1, 3), padding=(0, 1), groups=3), (3, 3, 5)),
    "conv2d-same": (nn.Conv2d(2, 2, (1, 3), padding="same"), (2, 4, 5)),
    "conv3d": (nn.Conv3d(2, 2, 2, padding=1, stride=(1, 2, 2)), (2, 3, 4, 3)),
    "conv3d-dilated": (nn.Conv3d(1, 2, (1, 2, 2), dilation=(1, 2, 1)), (1, 2, 5, 3)),
    "transposed1d": (nn.ConvTranspose1d(2, 3, 3, stride=2, output_padding=1), (2, 4)),
    "transposed2d": (nn.ConvTranspose2d(3, 2, 2, stride=2), (3, 3, 4)),
    "transposed2d-grouped": (nn.ConvTranspose2d(4, 2, 3, stride=2, padding=1, groups=2), (4, 3, 3)),
    "transposed3d": (nn.ConvTranspose3d(2, 2, 2, stride=2, bias=False), (2, 2, 2, 3)),
}
RULES: dict[str, tuple[str, dict[str, Any], Rule]] = {
    "z": ("lrp-z", {}, rule("z")),
    "epsilon": ("lrp-epsilon", {"epsilon": 0.3, "relative": False}, rule("epsilon", epsilon=0.3)),
    "epsilon-relative": ("lrp-epsilon", {}, rule("epsilon", epsilon=0.25, relative=True)),
    "gamma": ("lrp-gamma", {"gamma": 0.5}, rule("gamma", gamma=0.5)),
    "alpha-1-beta-0": ("lrp-alpha-1-beta-0", {}, rule("alpha-beta", alpha=1.0, beta=0.0)),
    "alpha-2-beta-1": ("lrp-alpha-2-beta-1", {}, rule("alpha-beta", alpha=2.0, beta=1.0)),
    "alpha-2-beta-1-whole": (
        "lrp-alpha-2-beta-1",
        {"bias_split": "whole"},
        rule("alpha-beta", alpha=2.0, beta=1.0, bias_split="whole"),
    ),
    "alpha-2-beta-1-none": (
        "lrp-alpha-2-beta-1",
        {"bias_split": "none"},
        rule("alpha-beta", alpha=2.0, beta=1.0, bias_split="none"),
    ),
    "plus": ("lrp-epsilon-plus", {}, rule("plus")),
    "flat": ("lrp-flat", {}, rule("flat")),
    "w-square": ("lrp-w-square", {}, rule("w-square")),
    "box": ("lrp-epsilon-gamma-box", {"low": -2.5, "high": 3.0}, rule("box", low=-2.5, high=3.0)),
}
TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4}


def ready(name: str, dtype: torch.dtype) -> tuple[nn.Module, Tensor]:
    layer, shape = LAYERS[name]
    count = torch.Size(shape).numel()
    x = smooth(1, 1, 3 * count + 8, seed=len(name), dtype=dtype)[0, 0, : 2 * count].reshape(2, *shape).contiguous()
    return randomised(layer, 7).to(dtype), x


def expected_share(layer: nn.Module, how: Rule, a: Tensor, target: int) -> Share:
    with torch.no_grad():
        out = layer.double()(a.double()[None])[0]
    R = torch.zeros_like(out).reshape(-1)
    R[target] = out.reshape(-1)[target]
    return dense_share(affine_of(layer), how, a.double(), R.reshape(out.shape))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize(
    ("layer_name", "how"),
    # fully connected layers have epsilon in lrp-epsilon-plus; plus on them is tested as deep-taylor's hidden rule
    [(layer, how) for layer in LAYERS for how in RULES if not (how == "plus" and layer.startswith("linear"))],
)
def test_rule_on_layer(layer_name: str, how: str, dtype: torch.dtype) -> None:
    layer, x = ready(layer_name, dtype)
    explainer, parameters, expected_rule = RULES[how]
    module = nn.Sequential(layer, nn.Flatten()).eval()
    with torch.no_grad():
        outputs = module(x).shape[1]
    targets = sorted({0, 1, outputs // 2, outputs - 2, outputs - 1})
    batch = x.repeat_interleave(len(targets), 0)
    found = xc.attribute(module, batch, explainer=explainer, target=targets * 2, **parameters)
    assert found.relevance.dtype == dtype
    shares = [expected_share(layer.double(), expected_rule, a, t) for a in x for t in targets]
    layer.to(dtype)
    expected = torch.stack([share.relevance for share in shares])
    assert deviation(found.relevance, expected) < TOLERANCE[dtype]
    scale = expected.abs().flatten(1).sum(1).max()
    for key in ("bias", "stabiliser", "stopped"):
        if key == "stabiliser" and how == "z":
            continue  # float32's is another
        wanted = torch.tensor([getattr(share, key) for share in shares], dtype=torch.float64)
        assert float((found.account[key] - wanted).abs().max()) < 10 * TOLERANCE[dtype] * float(scale), key


@pytest.mark.parametrize("how", ["z", "epsilon-relative", "gamma", "alpha-2-beta-1", "plus", "flat", "w-square"])
def test_relevance_of_many_outputs_meets(how: str) -> None:
    """Two layers: the lower one gets relevance at every output, of both signs."""
    explainer, parameters, expected_rule = RULES[how]
    conv, head = randomised(nn.Conv2d(2, 3, 3, padding=1), 5).double(), randomised(nn.Linear(60, 3), 6).double()
    x = smooth(1, 2, 4, 5, seed=2, dtype=torch.float64)
    module = nn.Sequential(conv, nn.ReLU(), nn.Flatten(), head).eval()
    above = {"plus": rule("epsilon", epsilon=1e-6)}.get(how, expected_rule)
    hidden = torch.relu(conv(x))[0].detach()
    seed = torch.tensor([0.0, 0.0, 1.0]).double() * module(x).detach()[0]
    R = dense_share(affine_of(head), above, hidden.reshape(-1), seed)
    share = dense_share(affine_of(conv), expected_rule, x[0], R.relevance.reshape(hidden.shape))
    found = xc.attribute(module, x, explainer=explainer, target=2, **parameters)
    assert deviation(found.relevance, share.relevance[None]) < 1e-9


def test_input_known_to_be_non_negative_changes_nothing() -> None:
    """With a >= 0 the second half of plus is skipped: the same value as with both halves."""
    conv = randomised(nn.Conv2d(3, 4, 3, padding=1), 5).double()
    x = smooth(1, 3, 6, 6, seed=2, dtype=torch.float64)
    shifted = nn.Sequential(nn.ReLU(), conv, nn.Flatten()).eval()
    found = xc.attribute(shifted, x, explainer="lrp-epsilon-plus", target=5)
    share = expected_share(conv, rule("plus"), x[0].relu(), 5)
    assert deviation(found.relevance, share.relevance[None]) < 1e-9


def test_a_denominator_of_exactly_zero_stops_the_relevance() -> None:
    """All contributions are negative: plus has nowhere to go, and says so."""
    layer = nn.Conv1d(1, 1, 1)
    layer.weight.data.fill_(-1.0)
    layer.bias.data.fill_(5.0)
    module = nn.Sequential(layer.double(), nn.Flatten()).eval()
    x = torch.ones(1, 1, 3, dtype=torch.float64)
    found = xc.attribute(module, x, explainer="lrp-epsilon-plus", target=1)
    assert torch.equal(found.relevance, torch.zeros_like(x))
    assert float(found.account["stopped"]) == pytest.approx(4.0)
    assert float(found.account["error"]) == pytest.approx(0.0, abs=1e-12)


def test_padding_takes_no_relevance_under_flat() -> None:
    """A corner output of a padded 3 x 3 convolution sees four taps: each gets a quarter."""
    layer = randomised(nn.Conv2d(1, 1, 3, padding=1), 1).double()
    x = smooth(1, 1, 4, 4, dtype=torch.float64)
    module = nn.Sequential(layer, nn.Flatten()).eval()
    found = xc.attribute(module, x, explainer="lrp-flat", target=0, seed="one")
    expected = torch.zeros_like(x)
    expected[..., :2, :2] = 0.25
    torch.testing.assert_close(found.relevance, expected)


def test_what_overflowed_is_seen_and_never_taken_for_nothing() -> None:
    """0 / 0 loses nothing and is 0; infinite relevance over an infinite sum is no number and has to stay one."""
    books = Books(1, torch.device("cpu"))
    quiet = divided(torch.tensor([[0.0, 2.0]]), torch.tensor([[0.0, 4.0]]), books)
    assert quiet.tolist() == [[0.0, 0.5]]
    assert float(books.stopped) == 0
    lost = divided(torch.tensor([[3.0, 2.0]]), torch.tensor([[0.0, 4.0]]), books)
    assert lost.tolist() == [[0.0, 0.5]]
    assert float(books.stopped) == 3
    grown = divided(torch.tensor([[0.0, torch.inf]]), torch.tensor([[0.0, torch.inf]]), books)
    assert float(grown[0, 0]) == 0
    assert grown.isnan()[0, 1]
