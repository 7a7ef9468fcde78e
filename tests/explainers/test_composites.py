"""Every LRP name on whole networks against the second reading of the same page (``tests/oracles/walk.py``)."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import xai_core as xc
from tests.matrix.networks import NETWORKS
from tests.networks import BIG, SIDE, SMALL, PointWise, big, randomised, small, smooth
from tests.oracles.linear import rule
from tests.oracles.test_oracles import deviation
from tests.oracles.walk import Composite, Walk, composite
from xai_core.explainers.lrp import bounded
from xai_core.rules.books import Books, is_closed
from xai_core.rules.context import Context
from xai_core.rules.linear import LinearRule
from xai_core.steps import Step

NAMES = (
    "lrp-z",
    "lrp-epsilon",
    "lrp-gamma",
    "lrp-alpha-1-beta-0",
    "lrp-alpha-2-beta-1",
    "lrp-flat",
    "lrp-w-square",
    "lrp-epsilon-plus",
    "lrp-epsilon-plus-flat",
    "lrp-epsilon-gamma-box",
    "lrp-epsilon-alpha-2-beta-1",
    "lrp-epsilon-alpha-2-beta-1-flat",
)
BOX = {"low": -4.0, "high": 4.0}


def given(name: str) -> dict[str, float]:
    return BOX if "box" in name or name == "deep-taylor" else {}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("network", SMALL)
def test_small_networks(network: str, name: str) -> None:
    module, x = small(network)
    expected = Walk(module, composite(name, **BOX), large=True).run(x, [1, 3])
    found = xc.attribute(module, x, explainer=name, target=[1, 3], **given(name))
    # rule z divides by denominators near zero: rounding grows with what it amplifies
    tolerance = 1e-9 * max(1.0, float(expected.relevance.abs().sum() / expected.account["seed"].abs().min()))
    assert deviation(found.relevance, expected.relevance) < tolerance
    scale = float(expected.relevance.abs().flatten(1).sum(1).max())
    for key in ("seed", "map", "bias", "stabiliser", "stopped"):
        assert float((found.account[key] - expected.account[key]).abs().max()) < 10 * tolerance * scale, key


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("network", ["plain2d", "dense2d", "branches", "gated"])
def test_small_networks_in_single_precision(network: str, name: str) -> None:
    module, x = small(network, torch.float32)
    expected = Walk(module, composite(name, single=True, **BOX), large=True).run(x, 2)
    found = xc.attribute(module, x, explainer=name, target=2, **given(name))
    assert found.relevance.dtype == torch.float32
    amplified = float(expected.relevance.abs().sum() / expected.account["seed"].abs().min())
    assert deviation(found.relevance, expected.relevance) < 1e-4 * max(1.0, amplified / 100)


@pytest.mark.parametrize("name", ["lrp-epsilon", "lrp-gamma", "lrp-epsilon-plus", "lrp-epsilon-alpha-2-beta-1"])
@pytest.mark.parametrize("network", BIG)
def test_networks_of_the_matrix_in_double_precision(network: str, name: str) -> None:
    """The same unmodified network, every layer: Recording against traced graph."""
    side = {"resnet18": 40, "vgg16": 32, "densenet121": 32, "inception_v3": 80}[network]
    module = big(network)
    x = smooth(1, 3, side, side, seed=11)
    expected = Walk(module, composite(name), large=True).run(x)
    module.double()
    try:
        found = xc.attribute(module, x.double(), explainer=name)
    finally:
        module.float()
    tolerance = 1e-9 * max(1.0, float(expected.relevance.abs().sum() / expected.account["seed"].abs().min()))
    assert deviation(found.relevance, expected.relevance) < max(tolerance, 1e-8)


@pytest.mark.parametrize("name", [*NAMES, "rap"])
@pytest.mark.parametrize("network", BIG)
def test_the_books_close_on_every_network_of_the_matrix(network: str, name: str) -> None:
    module, x = big(network), smooth(1, 3, SIDE[network], SIDE[network], seed=9)
    for variant in ("paper", "published-code") if name == "rap" else (None,):
        more = {"variant": variant} if variant else {}
        account = xc.attribute(module, x, explainer=name, target=3, **given(name), **more).account
        parts = sum(float(account[key]) for key in ("map", "bias", "stabiliser", "filtered", "stopped", "error"))
        assert parts == pytest.approx(float(account["seed"]), abs=1e-6 * max(1.0, account["amplification"]))
        total = float(account["amplification"]) * abs(float(account["seed"]))
        assert abs(float(account["error"])) <= 1e-3 * max(1.0, abs(float(account["seed"])), 1e-3 * total)


@pytest.mark.parametrize("network", BIG)
def test_the_books_close_in_double_precision(network: str) -> None:
    module = big(network)
    side = {"inception_v3": 80}.get(network, 32)
    x = smooth(1, 3, side, side, seed=9, dtype=torch.float64)
    module.double()
    try:
        for name in ("lrp-epsilon-plus", "lrp-alpha-2-beta-1", "rap"):
            account = xc.attribute(module, x, explainer=name, target=3).account
            total = float(account["amplification"]) * abs(float(account["seed"]))
            assert abs(float(account["error"])) <= 1e-9 * max(1.0, abs(float(account["seed"])), 1e-3 * total), name
    finally:
        module.float()


@pytest.mark.parametrize("network", BIG)
def test_the_default_is_bounded_on_every_network(network: str) -> None:
    """captum's rules return -2.6e14 on ResNet-18, zennit without a canonizer doubles at every block."""
    x = smooth(1, 3, SIDE[network], SIDE[network], seed=9)
    account = xc.attribute(big(network), x, explainer="lrp-epsilon-plus").account
    assert float(account["amplification"]) < 30


@pytest.mark.parametrize("side", [6, 2], ids=["grid", "one position"])
@pytest.mark.parametrize("name", ["lrp-epsilon-plus", "lrp-epsilon-gamma-box", "lrp-epsilon-alpha-2-beta-1-flat"])
def test_a_fully_connected_layer_on_positions_is_a_convolution(name: str, side: int) -> None:
    """ConvNeXt's blocks: the rule of convolutions inside, epsilon on the pooled vector only, whatever the grid's size."""
    module, x = randomised(PointWise(), 4).double(), smooth(2, 3, side, side, seed=5, dtype=torch.float64)
    expected = Walk(module, composite(name, **BOX)).run(x, [0, 3])
    found = xc.attribute(module, x, explainer=name, target=[0, 3], **given(name))
    assert deviation(found.relevance, expected.relevance) < 1e-9
    rules = found.rules
    assert rules["widen"] == rules["narrow"] == rules["depthwise"]
    assert rules["hidden"] == rules["head"] != rules["widen"]


def test_relevance_stays_bounded_where_blocks_hold_fully_connected_layers() -> None:
    """Epsilon inside the blocks of ConvNeXt grew to 2e11 times the logit."""
    network = NETWORKS["convnext_tiny"]
    account = xc.attribute(network.make(), network.input(), explainer="lrp-epsilon-plus").account
    assert account["amplification"] < 30


def growing(times: int) -> nn.Module:
    """Layers of products that all but cancel: rule z multiplies |R| by 2001 in each."""
    layers = [nn.Linear(2, 2, bias=False) for _ in range(times)]
    for layer in layers:
        layer.weight.data = torch.tensor([[1001.0, -1000.0], [-1000.0, 1001.0]])
    head = nn.Linear(2, 2, bias=False)
    head.weight.data = torch.tensor([[2.0, 1.0], [1.0, 1.0]])
    return nn.Sequential(*layers, head).eval()


def test_relevance_beyond_the_range_of_its_numbers_is_an_error_that_says_so() -> None:
    """After a dozen such layers float32 has no number left; the answer is a sentence, not a map of NaN."""
    x = torch.ones(1, 2)
    few = xc.attribute(growing(5), x, explainer="lrp-z", target=0).relevance
    assert float(few.abs().max()) > 1e15
    with pytest.raises(xc.LightboxError, match=r"lrp-z grew beyond what float32 can hold.*lrp-epsilon-plus"):
        xc.attribute(growing(14), x, explainer="lrp-z", target=0)
    double = xc.attribute(growing(14).double(), x.double(), explainer="lrp-z", target=0).relevance
    assert float(double.abs().max()) > 1e39


def test_deep_taylor_ignores_biases_and_takes_the_box_first() -> None:
    module = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 3))
    module = module.double().eval()
    x = smooth(2, 2, 6, 6, seed=3, dtype=torch.float64)
    table = Composite(rule("plus"), rule("plus"), rule("box", **BOX))
    found = xc.attribute(module, x, explainer="deep-taylor", target=1, **BOX)
    assert deviation(found.relevance, Walk(module, table).run(x, 1).relevance) < 1e-9
    assert float(found.account["bias"].abs().max()) == 0.0


def test_deep_taylor_is_refused_where_an_activation_can_be_negative() -> None:
    module = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Tanh(), nn.Conv2d(4, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 2))
    with pytest.raises(xc.LightboxError):
        xc.attribute(module.eval(), smooth(1, 2, 6, 6), explainer="deep-taylor", target=0, **BOX)


def test_seeds() -> None:
    module, x = small("plain2d")
    logits = module(x).detach()
    one = xc.attribute(module, x, explainer="lrp-epsilon-plus", target=2, seed="one")
    usual = xc.attribute(module, x, explainer="lrp-epsilon-plus", target=2)
    scaled = one.relevance * logits[:, 2].reshape(-1, 1, 1, 1)
    assert deviation(scaled, usual.relevance) < 1e-9
    contrast = xc.attribute(module, x, explainer="lrp-z", target=2, seed="contrast")
    expected = Walk(module, composite("lrp-z")).run(x, 2, seed="contrast")
    assert deviation(contrast.relevance, expected.relevance) < 1e-7
    assert float(contrast.account["seed"].abs().max()) < 1e-12


def test_a_sigmoid_at_the_end_is_cut_off() -> None:
    """The explained scalar is a logit, never a probability (semantics, section 1)."""
    module, x = small("plain2d")
    closed = nn.Sequential(module, nn.Sigmoid()).eval()
    for explainer in ("lrp-epsilon-plus", "gradient", "occlusion"):
        a, b = (xc.attribute(m, x, explainer=explainer, target=1).relevance for m in (module, closed))
        assert deviation(b, a) < 1e-9, explainer


@pytest.mark.parametrize("name", ["lrp-z", "lrp-epsilon", "rap"])
def test_inputs_whose_squares_leave_the_range_of_numbers_are_explained(name: str) -> None:
    module, x = small("plain2d", torch.float32)
    for part in module.modules():
        if getattr(part, "bias", None) is not None:
            part.bias.data.zero_()  # what is left is positively homogeneous: relevance scales with the input
    found = xc.attribute(module, x * 2.0**80, explainer=name, target=1)
    expected = xc.attribute(module, x, explainer=name, target=1).relevance
    assert torch.allclose(found.relevance / 2.0**80, expected, rtol=1e-4, atol=1e-6 * float(expected.abs().max()))
    assert is_closed({key: float(value.sum()) for key, value in found.account.items()})


@pytest.mark.parametrize("name", ["lrp-epsilon-plus", "lrp-epsilon-alpha-2-beta-1"])
@pytest.mark.parametrize(("mapped", "absorbed"), [(float("inf"), 0.0), (1.0, float("nan"))])
def test_what_leaves_the_range_of_numbers_is_an_error_that_does_not_propose_itself(
    mapped: float, absorbed: float, name: str
) -> None:
    module, x = small("plain2d", torch.float32)
    recording, books = xc.record(module, x), Books(x.shape[0], x.device)
    books.stabiliser += absorbed

    def linear(step: Step) -> LinearRule:
        raise AssertionError("nothing is walked")

    context = Context(recording, books, name, linear, linear)
    with pytest.raises(xc.LightboxError, match="float32") as caught:
        bounded(context, torch.full_like(x, mapped))
    assert name not in caught.value.remedy.replace(",", "").rstrip(".").split()
