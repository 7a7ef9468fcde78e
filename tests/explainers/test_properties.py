"""What any explanation owes its network whatever the method: symmetry, no effect out of nothing, scale, colour.

Every registered explainer is held to these; one that draws at random or fits a model of its own (``exact`` False, but for
occlusion) is held to those that need no exactness.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import xai_core as xc
from tests.explainers.test_conformance import NAMES, quick
from tests.networks import randomised, smooth
from tests.oracles.test_oracles import deviation

EXACT = [name for name in NAMES if xc.explainers()[name].exact or name == "occlusion"]
TIMES_INPUT = (  # where the first layer shares by a_i w_ij, no sample means no relevance
    "input-x-gradient",
    "lrp-z",
    "lrp-epsilon",
    "lrp-gamma",
    "lrp-alpha-1-beta-0",
    "lrp-alpha-2-beta-1",
    "lrp-epsilon-plus",
    "lrp-epsilon-alpha-2-beta-1",
    "lrp-study-unet",
)


def network(channels: int = 2, seed: int = 5) -> nn.Sequential:
    layers = (
        nn.Conv2d(channels, 5, 3, padding=1),
        nn.MaxPool2d(2),  # before the ReLU: of equal zeros the first would win, from whichever side it is read
        nn.ReLU(),
        nn.Conv2d(5, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 3),
    )
    return randomised(nn.Sequential(*layers), seed).double()


DEGREE = {"fem": 0, "eigen-cam": 0, "guided-grad-cam": 2}
NOT_HOMOGENEOUS = {"grad-cam++", "score-cam"}  # powers of the gradient in one weight; a softmax over scores


def picture(channels: int = 2, samples: int = 1) -> Tensor:
    return smooth(samples, channels, 12, 12, seed=4, dtype=torch.float64)


def run(name: str, module: nn.Module, x: Tensor, target: Any = 1, **more: Any) -> xc.Attribution:
    return xc.attribute(module, x, explainer=name, target=target, **(quick(name) | more))


@pytest.mark.parametrize("axis", [2, 3])
@pytest.mark.parametrize("name", EXACT)
def test_a_flipped_image_has_the_flipped_map_where_the_network_does_not_mind(name: str, axis: int) -> None:
    module, x = network(), picture()
    for layer in module:
        if isinstance(layer, nn.Conv2d):
            layer.weight.data = (layer.weight.data + layer.weight.data.flip(axis)) / 2
    torch.testing.assert_close(module(x.flip(axis)), module(x))
    more = (
        {"baseline": "blur"} if name == "deeplift" else {}
    )  # all places of a black one are alike: the first wins a pool
    found = run(name, module, x.flip(axis), **more).relevance.flip(axis)
    assert deviation(found, run(name, module, x, **more).relevance) < 1e-7


@pytest.mark.parametrize("name", NAMES)
def test_a_black_image_is_explained_without_noise(name: str) -> None:
    """Zero everywhere: denominators vanish, and a map is finite, its books closed, zero where it is a share of samples."""
    module, x = network(), torch.zeros(2, 2, 12, 12, dtype=torch.float64)
    found = run(name, module, x)
    assert bool(torch.isfinite(found.relevance).all())
    if found.account is not None:
        assert float(found.account["error"].abs().max()) < 1e-9
    if name in TIMES_INPUT:
        assert float(found.relevance.abs().max()) == 0.0


@pytest.mark.parametrize("name", NAMES)
def test_a_constant_image_is_explained_without_noise(name: str) -> None:
    """One grey everywhere: the box between its least and its greatest sample has no width."""
    module, x = network(), torch.full((2, 2, 12, 12), 0.3, dtype=torch.float64)
    bounds = {key: None for key in ("low", "high") if key in quick(name)}
    found = run(name, module, x, **bounds)
    assert bool(torch.isfinite(found.relevance).all())
    if found.account is not None:
        scale = max(1.0, float(found.account["seed"].abs().max()))
        assert float(found.account["error"].abs().max()) < 1e-9 * scale


@pytest.mark.parametrize("factor", [3.0, 0.25])
@pytest.mark.parametrize("name", [name for name in EXACT if name not in NOT_HOMOGENEOUS])
def test_a_map_grows_with_the_head(name: str, factor: float) -> None:
    """What counts in units of the logit is linear in the last layer; a product of two such counts is quadratic, and what
    never looks at the head stays."""
    module, x = network(), picture(samples=2)
    before = run(name, module, x).relevance
    module[-1].weight.data *= factor
    module[-1].bias.data *= factor
    # an absolute epsilon of 1e-6 weighs otherwise against another logit
    assert deviation(run(name, module, x).relevance, factor ** DEGREE.get(name, 1) * before) < 1e-4


@pytest.mark.parametrize("name", ["gradient", "input-x-gradient"])
def test_the_gradient_is_linear_in_the_seed(name: str) -> None:
    """A label that is the sum of two others has the sum of their gradients; a map for places the sum over them."""
    module, x = network(), picture(samples=2)
    head = nn.Linear(6, 4).double()
    head.weight.data = torch.cat([module[-1].weight.data, 2 * module[-1].weight.data[:1] - module[-1].weight.data[2:]])
    whole = nn.Sequential(*module[:-1], head).eval()
    parts = [run(name, module, x, target).relevance for target in (0, 2)]
    assert deviation(run(name, whole, x, 3).relevance, 2 * parts[0] - parts[1]) < 1e-9
    places = nn.Sequential(*module[:6], nn.Conv2d(6, 2, 1).double()).eval()
    left = torch.zeros(6, 6, dtype=torch.bool)
    left[:, :3] = True
    maps = [run(name, places, x, 1, where=where).relevance for where in (left, ~left, left | ~left)]
    assert deviation(maps[2], maps[0] + maps[1]) < 1e-9


@pytest.mark.parametrize("name", EXACT)
def test_grey_in_one_channel_or_in_three_is_one_film(name: str) -> None:
    """A first layer for colour, fed the same film three times with a third of the weights: maps add up to that of one channel."""
    grey, colour = network(1), network(3)
    colour.load_state_dict({key: value for key, value in grey.state_dict().items() if key != "0.weight"}, strict=False)
    colour[0].weight.data = grey[0].weight.data.expand(-1, 3, -1, -1) / 3
    x = picture(1)
    torch.testing.assert_close(colour(x.expand(-1, 3, -1, -1)), grey(x))
    one = run(name, grey, x).relevance
    three = run(name, colour, x.expand(-1, 3, -1, -1).contiguous()).relevance
    together = three.mean(1, keepdim=True) if xc.explainers()[name].reduce == "mean" else three.sum(1, keepdim=True)
    assert one.shape == (1, 1, 12, 12)
    assert deviation(together, one) < 1e-6
    assert deviation(three[:, :1], three[:, 2:]) < 1e-9
