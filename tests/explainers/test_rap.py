"""Relative attributing propagation: the paper's equations and the published code, against their oracles and arrays."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import xai_core as xc
from tests.networks import BIG, SIDE, SMALL, big, small, smooth
from tests.oracles import reference
from tests.oracles.rap import RapPaper, RapPublished
from tests.oracles.test_oracles import deviation

BOX = {"low": -4.0, "high": 4.0}


@pytest.mark.parametrize("network", SMALL)
def test_paper_on_small_networks(network: str) -> None:
    module, x = small(network)
    expected = RapPaper(module, **BOX, large=True).run(x, [1, 3])
    found = xc.attribute(module, x, explainer="rap", target=[1, 3], **BOX)
    assert deviation(found.relevance, expected.relevance) < 1e-9
    scale = float(expected.account["seed"].abs().max())
    for key in ("seed", "map", "bias", "stabiliser", "stopped"):
        assert float((found.account[key] - expected.account[key]).abs().max()) < 1e-9 * max(1.0, scale), key


@pytest.mark.parametrize("network", ["plain2d", "residual2d", "dense2d"])
def test_paper_in_single_precision(network: str) -> None:
    module, x = small(network, torch.float32)
    expected = RapPaper(module, **BOX, large=True).run(x, 0)
    found = xc.attribute(module, x, explainer="rap", target=0, **BOX)
    assert deviation(found.relevance, expected.relevance) < 1e-4


@pytest.mark.parametrize("network", ["resnet18", "vgg16", "densenet121", "inception_v3"])
def test_paper_on_the_matrix(network: str) -> None:
    side = {"inception_v3": 80}.get(network, 32)
    module, x = big(network), smooth(1, 3, side, side, seed=11)
    expected = RapPaper(module, **BOX, large=True).run(x, 2)
    module.double()
    try:
        found = xc.attribute(module, x.double(), explainer="rap", target=2, **BOX)
    finally:
        module.float()
    assert deviation(found.relevance, expected.relevance) < 1e-8


@pytest.mark.parametrize("network", BIG)
def test_everything_that_does_not_go_to_the_last_bias_or_a_dead_sum_arrives(network: str) -> None:
    x = smooth(1, 3, SIDE[network], SIDE[network], seed=9)
    account = xc.attribute(big(network), x, explainer="rap", target=3, **BOX).account
    kept = account["seed"] - account["bias"] - account["stopped"] - account["stabiliser"]
    assert account["map"] == pytest.approx(kept, abs=1e-3 * max(1.0, abs(account["seed"])))


def test_without_sums_the_map_is_the_logit_less_its_bias() -> None:
    module, x = small("plain2d")
    found = xc.attribute(module, x, explainer="rap", target=1, **BOX)
    bias = module.head[-1].bias[1].detach()
    expected = module(x)[:, 1].detach() - bias
    torch.testing.assert_close(found.relevance.flatten(1).sum(1), expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found.account["bias"], bias.expand(2), rtol=1e-6, atol=1e-9)


def test_influence_has_the_sign_of_the_logit_and_ranks_by_size() -> None:
    """Equation 4: a unit that speaks against the target counts by its size, not by its sign."""
    head = nn.Linear(3, 1, bias=False)
    head.weight.data = torch.tensor([[2.0, -1.0, 0.5]])
    module = nn.Sequential(nn.Conv1d(1, 1, 1, bias=False), nn.Flatten(), head).eval()
    module[0].weight.data.fill_(1.0)
    x = torch.tensor([[[1.0, 1.0, 1.0]]])
    r = torch.tensor([2.0, -1.0, 0.5])
    influence = r.abs() * r.sum() / r.abs().sum()
    found = xc.attribute(module, x, explainer="rap", target=0, low=0.0, high=1.0)
    # one input a unit: the box hands each unit's relevance down unchanged
    torch.testing.assert_close(found.relevance[0, 0], influence, rtol=1e-5, atol=1e-6)


def test_an_output_without_positive_contribution_keeps_the_sum() -> None:
    module = nn.Sequential(nn.Conv1d(1, 2, 1), nn.ReLU(), nn.Conv1d(2, 2, 1), nn.Flatten(), nn.Linear(6, 2))
    module = module.double().eval()
    module[0].weight.data = torch.tensor([[[1.0]], [[0.5]]]).double()
    module[0].bias.data.zero_()
    module[2].weight.data = torch.tensor([[[-1.0], [-2.0]], [[1.0], [-1.0]]]).double()  # unit 0 sees only negatives
    module[2].bias.data.fill_(5.0)
    x = torch.tensor([[[1.0, 2.0, 3.0]]]).double()
    for target in (0, 1):
        account = xc.attribute(module, x, explainer="rap", target=target, low=0.0, high=4.0).account
        assert account["map"] == pytest.approx(account["seed"] - account["bias"], rel=1e-8, abs=1e-9)


# --- the published code ------------------------------------------------------------------------------------


def published(module: nn.Module, x: Tensor, target: list[int]) -> xc.Attribution:
    return xc.attribute(module, x, explainer="rap", variant="published-code", target=target)


@pytest.mark.parametrize("network", ["vgg_rgb", "vgg_gray", "resnet_rgb"])
def test_published_maps(shared: Path, network: str) -> None:
    stored = reference.arrays(shared / "reference/rap/networks.safetensors")
    module, x = reference.rap_network(network, stored), stored[f"{network}/input"].double()
    torch.testing.assert_close(module(x), stored[f"{network}/output"], rtol=1e-6, atol=1e-6)
    found = published(module, x, stored[f"{network}/target"].tolist())
    first = "conv1" if network.startswith("resnet") else "features.0"
    assert deviation(found.relevance, stored[f"{network}/rap/{first}"]) < 1e-6


class From(nn.Module):
    """The reference network from one of its layers on: its input is that layer's."""

    def __init__(self, whole: nn.Module, start: str) -> None:
        super().__init__()
        self.whole, self.start = whole, start

    def forward(self, x: Tensor) -> Tensor:
        part, _, index = self.start.partition(".")
        if part == "features":
            for layer in self.whole.features[int(index) :]:
                x = layer(x)
            part = "avgpool"
        if part == "avgpool":
            x, index = torch.flatten(self.whole.avgpool(x), 1), "0"
        for layer in self.whole.classifier[int(index or 0) :]:
            x = layer(x)
        return x


# features.0 is the whole network; a sub-network whose first convolution has three channels would be the image's
LAYERS = (
    "features.2",
    "features.4",
    "features.5",
    "features.7",
    "features.8",
    "avgpool",
    "classifier.0",
    "classifier.3",
)


@pytest.mark.parametrize("start", LAYERS)
@pytest.mark.parametrize("network", ["vgg_rgb", "vgg_gray"])
def test_published_relevance_below_every_layer(shared: Path, network: str, start: str) -> None:
    stored = reference.arrays(shared / "reference/rap/networks.safetensors")
    module = reference.rap_network(network, stored)
    kept: dict[str, Tensor] = {}
    handle = module.get_submodule(start).register_forward_pre_hook(lambda _m, inputs: kept.update(x=inputs[0].detach()))
    module(stored[f"{network}/input"].double())
    handle.remove()
    found = published(From(module, start).eval(), kept["x"].clone(), stored[f"{network}/target"].tolist())
    assert deviation(found.relevance, stored[f"{network}/rap/{start}"]) < 1e-6


@pytest.mark.parametrize("network", ["plain2d", "residual2d", "dense2d", "branches"])
def test_published_code_on_networks_its_authors_could_not_run(network: str) -> None:
    """Two-branch blocks (their clone step raises), dense and inception blocks; our reading of the same formulas."""
    module, x = small(network)
    expected = RapPublished(module, large=True).run(x, [1, 3])
    found = published(module, x, [1, 3])
    assert deviation(found.relevance, expected.relevance) < 1e-8


def test_published_code_doubles_what_a_signed_grey_input_gets(shared: Path) -> None:
    """1.06 became 2.12: weights, not products, are split by sign, and both halves carry the whole sum."""
    stored = reference.arrays(shared / "reference/rap/networks.safetensors")
    module, x = reference.rap_network("vgg_gray", stored), stored["vgg_gray/input"].double()
    target = stored["vgg_gray/target"].tolist()
    sums = published(module, x, target).relevance.flatten(1).sum(1)
    logits = module(x).detach().gather(1, torch.tensor(target)[:, None])[:, 0]
    torch.testing.assert_close(sums, 2.0 * logits, rtol=1e-4, atol=1e-4)
    paper = xc.attribute(module, x, explainer="rap", target=target, low=-4.0, high=4.0)
    bias = module.classifier[3].bias.detach()[target]
    torch.testing.assert_close(paper.relevance.flatten(1).sum(1), logits - bias, rtol=1e-5, atol=1e-5)


def test_alpha_1_of_the_same_code(shared: Path) -> None:
    """``lrp_alpha1`` of the reference is our Deep Taylor table: plus everywhere, z^B between the image's extremes first.

    Within 1e-5: our pools keep 1e-6 in their denominators. Not compared: ``resnet_rgb`` (the code's a / (a + b) at sums
    is unbounded and relevance is lost at batch norms) and ``vgg_gray``, where the code is wrong (next test).
    """
    stored = reference.arrays(shared / "reference/rap/networks.safetensors")
    module, x = reference.rap_network("vgg_rgb", stored), stored["vgg_rgb/input"].double()
    for index, target in enumerate(stored["vgg_rgb/target"].tolist()):
        image = x[index : index + 1]
        bounds = {"low": float(image.min()), "high": float(image.max())}
        found = xc.attribute(module, image, explainer="deep-taylor", target=target, **bounds)
        assert deviation(found.relevance, stored["vgg_rgb/lrp_alpha1/features.0"][index : index + 1]) < 1e-5


def test_alpha_1_of_the_same_code_gives_a_signed_image_too_much(shared: Path) -> None:
    """It divides x+ w+ and x- w- each by its own sum instead of by both together: 1.30 for a logit of 1.06."""
    stored = reference.arrays(shared / "reference/rap/networks.safetensors")
    module, x = reference.rap_network("vgg_gray", stored), stored["vgg_gray/input"].double()
    target = stored["vgg_gray/target"].tolist()
    logits = module(x).detach().gather(1, torch.tensor(target)[:, None])[:, 0]
    theirs = stored["vgg_gray/lrp_alpha1/features.0"].double().flatten(1).sum(1)
    assert float((theirs / logits).min()) > 1.2
    ours = xc.attribute(module, x, explainer="lrp-alpha-1-beta-0", bias_split="none", target=target)
    torch.testing.assert_close(ours.relevance.flatten(1).sum(1), logits, rtol=1e-4, atol=1e-4)


def test_published_rap_works_with_functional_operations() -> None:
    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(16, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(F.avg_pool2d(F.relu(self.conv(x)), 3).flatten(1))

    module = Functional().double().eval()
    x = smooth(1, 3, 8, 8, dtype=torch.float64)
    expected = RapPublished(module, large=True).run(x, 0)
    assert deviation(published(module, x, [0]).relevance, expected.relevance) < 1e-9
