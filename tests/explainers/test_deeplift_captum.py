"""DeepLIFT against captum, on networks of modules used once."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
import torch
from torch import nn

from tests.explainers.test_deeplift import lift, lowest
from tests.networks import randomised, smooth
from tests.oracles.test_oracles import deviation

warnings.filterwarnings("ignore", module="captum")
# captum 0.9 loses completeness where a max pool adjoins an activation (its own convergence delta says so), falls back to the
# first sample's gradient (its issue 1276), and drops all but one share where pooling windows overlap (max_unpool assigns).
# So it is given the same function with an identity convolution between the two, and windows that do not overlap.


def by_modules(activation: Callable[[], nn.Module], pool: nn.Module, between: nn.Module) -> nn.Module:
    layers = [nn.Conv2d(3, 6, 3, padding=1), activation(), between, pool, nn.Conv2d(6, 5, 3), activation()]
    head = [nn.Flatten(), nn.Linear(5 * 4, 8), activation(), nn.Linear(8, 4)]
    module = randomised(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), *head), 6).double()
    if isinstance(between, nn.Conv2d):
        nn.init.dirac_(between.weight)
        nn.init.zeros_(between.bias)
    return module


def same_function(module: nn.Module, other: nn.Module) -> None:
    """``module`` gets the parameters of ``other``, which has an identity more."""
    own = [layer for n, layer in enumerate(other) if n != 2]
    for layer, source in zip([layer for n, layer in enumerate(module) if n != 2], own, strict=True):
        layer.load_state_dict(source.state_dict())


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Sigmoid, nn.Tanh, nn.ELU, nn.Softplus, nn.LeakyReLU])
@pytest.mark.parametrize("pool", [nn.AvgPool2d(2), nn.MaxPool2d(2)], ids=["average", "maximum"])
def test_captum_rescale(activation: Callable[[], nn.Module], pool: nn.Module) -> None:
    from captum.attr import DeepLift

    apart = by_modules(activation, pool, nn.Conv2d(6, 6, 1))
    module = by_modules(activation, pool, nn.Identity())
    same_function(module, apart)
    x = smooth(1, 3, 12, 12, seed=6, dtype=torch.float64)
    theirs, delta = DeepLift(apart).attribute(x.clone(), lowest(x), target=2, return_convergence_delta=True)
    assert float(delta.abs().max()) < 1e-10
    assert deviation(lift(module, x, 2).relevance, theirs.detach()) < 1e-8
