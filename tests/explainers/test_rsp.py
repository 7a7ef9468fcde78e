"""Relative sectional propagation: sections by the gradient's sign, then RAP's rule, against the oracle and by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import xai_core as xc
from tests.networks import BIG, SIDE, SMALL, UNet, big, randomised, small, smooth
from tests.oracles.rap import Rsp
from tests.oracles.test_oracles import deviation
from xai_core.explainers.rsp import sectional
from xai_core.rules.books import Books

BOX = {"low": -4.0, "high": 4.0}
SECTION = {  # by name of the traced node: the last map with space that everything passes through
    "plain1d": "features_4",
    "plain2d": "features_4",
    "plain3d": "features_4",
    "residual2d": "relu_3",
    "residual3d": "relu_3",
    "dense2d": "relu_3",
    "branches": "relu_3",
    "gated": "relu_2",
}


@pytest.mark.parametrize("network", SMALL)
def test_small_networks(network: str) -> None:
    module, x = small(network)
    expected = Rsp(module, SECTION[network], **BOX, large=True).run(x, [1, 3])
    found = xc.attribute(module, x, explainer="rsp", target=[1, 3], **BOX)
    assert deviation(found.relevance, expected.relevance) < 1e-9
    scale = float(expected.account["seed"].abs().max())
    for key in ("seed", "map", "bias", "stabiliser", "stopped"):
        assert float((found.account[key] - expected.account[key]).abs().max()) < 1e-9 * max(1.0, scale), key


@pytest.mark.parametrize("network", ["plain2d", "residual2d", "dense2d"])
def test_single_precision(network: str) -> None:
    module, x = small(network, torch.float32)
    expected = Rsp(module, SECTION[network], **BOX, large=True).run(x, 0)
    assert deviation(xc.attribute(module, x, explainer="rsp", target=0, **BOX).relevance, expected.relevance) < 1e-4


def test_connection_by_connection() -> None:
    """The same oracle through dense matrices, which shares no transposed map with what it checks."""
    module, x = small("plain1d")
    expected = Rsp(module, "features_4", **BOX).run(x[:1], 2)
    assert deviation(xc.attribute(module, x[:1], explainer="rsp", target=2, **BOX).relevance, expected.relevance) < 1e-9


@pytest.mark.parametrize("network", BIG)
def test_the_books_close_on_every_network_of_the_matrix(network: str) -> None:
    x = smooth(1, 3, SIDE[network], SIDE[network], seed=9)
    account = xc.attribute(big(network), x, explainer="rsp", target=3, **BOX).account
    scale = max(1.0, abs(account["seed"]), 1e-3 * account["magnitude"])
    assert abs(account["error"]) <= 1e-3 * scale
    assert account["map"] == pytest.approx(account["seed"] - account["bias"] - account["stopped"], abs=1e-2 * scale)


class Line(nn.Module):
    """Three places, one unit each, a head that counts them with both signs."""

    def __init__(self, weights: list[float], bias: float = 0.0) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv1d(1, 1, 1, bias=False), nn.Linear(3, 2)
        self.conv.weight.data.fill_(1.0)
        self.head.weight.data = torch.tensor([weights, [-w for w in weights]])
        self.head.bias.data = torch.tensor([bias, 0.0])

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.relu(self.conv(x)).flatten(1))


def test_hostile_units_are_set_against_the_target() -> None:
    module, x = Line([2.0, -1.0, 0.5], bias=0.25).eval(), torch.tensor([[[1.0, 3.0, 2.0]]])
    found = xc.attribute(module, x, explainer="rsp", target=0, low=0.0, high=4.0)
    # one input a unit: the box hands each unit's relevance down unchanged
    torch.testing.assert_close(found.relevance[0, 0], torch.tensor([2.0, -3.0, 1.0]))
    assert found.account["bias"] == pytest.approx(0.25)


def test_signs_do_not_hang_on_the_sign_of_the_logit() -> None:
    """RAP turns every share to the logit's sign; here a no is explained with the same signs as a yes."""
    x = torch.tensor([[[1.0, 3.0, 2.0]]])
    yes, no = Line([2.0, -0.1, 0.5]).eval(), Line([2.0, -4.0, 0.5]).eval()
    assert yes(x)[0, 0].item() > 0 > no(x)[0, 0].item()
    signs = [xc.attribute(m, x, explainer="rsp", target=0, low=0.0, high=4.0).relevance.sign() for m in (yes, no)]
    assert torch.equal(*signs)
    rap = xc.attribute(no, x, explainer="rap", target=0, low=0.0, high=4.0).relevance
    assert bool((rap <= 0).all())


def test_negative_activations_join_their_section_and_the_sum_is_kept() -> None:
    a = torch.tensor([[2.0, -1.0, 3.0, 0.0]], dtype=torch.float64)
    gradient = torch.tensor([[1.0, -2.0, -1.0, 5.0]], dtype=torch.float64)
    books = Books(1, torch.device("cpu"))
    found = sectional(a, gradient, torch.tensor([[1.5]], dtype=torch.float64), books)
    # a g = 2, 2, -3, 0; sections 2, -2, -3 hold 4 too little, which three units give back evenly
    torch.testing.assert_close(found, torch.tensor([[2 + 4 / 3, -2 + 4 / 3, -3 + 4 / 3, 0.0]], dtype=torch.float64))
    assert float(books.bias) == pytest.approx(0.5)


def test_compared_explains_the_target_less_the_mean_of_the_others() -> None:
    module, x = small("plain2d")
    logits = module(x).detach()
    found = xc.attribute(module, x, explainer="rsp", target=1, compared=True, **BOX)
    others = logits[:, [0, 2, 3]].mean(1)
    torch.testing.assert_close(found.account["seed"], logits[:, 1] - others)
    single = xc.attribute(module, x, explainer="rsp", target=1, **BOX)
    assert deviation(found.relevance, single.relevance) > 1e-3


def test_compared_is_the_difference_of_the_labels_where_the_walk_is_linear() -> None:
    """Sections add up: behind activations that are not negative the map is linear in the seed."""
    module, x = small("plain2d")
    maps = [xc.attribute(module, x, explainer="rsp", target=n, **BOX).relevance for n in range(4)]
    found = xc.attribute(module, x, explainer="rsp", target=1, compared=True, **BOX).relevance
    assert deviation(found, maps[1] - (maps[0] + maps[2] + maps[3]) / 3) < 1e-9


def test_segmentation_is_cut_below_the_last_layer() -> None:
    module, x = randomised(UNet(2), 3).double(), smooth(1, 1, 8, 8, dtype=torch.float64)
    found = xc.attribute(module, x, explainer="rsp", target=1, **BOX)
    assert found.relevance.shape == x.shape
    assert abs(found.account["error"]) < 1e-9


def test_a_layer_may_be_chosen() -> None:
    module, x = small("residual2d")
    found = xc.attribute(module, x, explainer="rsp", target=1, target_layer="stem_norm", **BOX)
    assert found.facts["target_layer"] == "stem_norm"
    assert float(found.account["error"].abs().max()) < 1e-9


def test_a_layer_that_evidence_goes_around_is_refused() -> None:
    module, x = small("residual2d")
    with pytest.raises(xc.LightboxError, match="goes around the layer 'conv2'"):
        xc.attribute(module, x, explainer="rsp", target=1, target_layer="conv2")


def test_a_network_that_nothing_divides_is_refused() -> None:
    class Parallel(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv1d(1, 2, 3), nn.Conv1d(1, 2, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.a(x).mean(2) + torch.tanh(self.b(x)).mean(2)

    with pytest.raises(xc.LightboxError, match="no such layer"):  # never input x gradient in disguise
        xc.attribute(Parallel().eval(), smooth(1, 1, 8), explainer="rsp", target=0)


def test_a_network_without_space_is_cut_before_its_last_layer() -> None:
    module, x = (
        randomised(nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3)), 1).double(),
        torch.ones(1, 5).double(),
    )
    found = xc.attribute(module, x, explainer="rsp", target=2, low=-1.0, high=2.0)
    assert found.facts["target_layer"] == "2"
    assert found.account["bias"] == pytest.approx(module[2].bias[2].item())
