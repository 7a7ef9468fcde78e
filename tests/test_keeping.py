"""A recording that keeps only what the chain rule reads gives the same gradients, and can be let go of on the way."""

from __future__ import annotations

import gc

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import xai_core as xc
from tests.networks import SMALL, UNet, randomised, small, smooth
from tests.oracles.gradients import gradient
from tests.oracles.test_oracles import deviation
from xai_core.keeping import FOR_GRADIENTS, FOR_RULES, Keeping
from xai_core.propagate import gradient_walk
from xai_core.steps import Recording, Step


def bytes_held(module: nn.Module, x: Tensor, keeping: Keeping) -> int:
    recording = xc.record(module, x, keeping)
    held = [t for step in recording.steps for v in step.outputs for t in (v.tensor, v.positive) if t is not None]
    memory = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in held}
    return sum(memory.values())


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["first", "last"])
@pytest.mark.parametrize("network", SMALL)
def test_gradients_are_autograds_in_either_layout(network: str, layout: torch.memory_format) -> None:
    module, x = small(network)
    laid = x.contiguous(memory_format=layout) if x.ndim == 4 else x
    recording = xc.record(module, laid, FOR_GRADIENTS)
    seed = torch.zeros_like(recording.output)
    seed[:, 1] = 1
    found = gradient_walk(recording, seed, consumes=True)
    assert deviation(found, gradient(module, x, [1, 1])) < 1e-9
    assert all(value.tensor is None and value.positive is None for step in recording.steps for value in step.outputs)


INNER = [
    lambda x: F.leaky_relu(x, 0.2, inplace=True),
    lambda x: F.silu(x, inplace=True),
    lambda x: F.relu(x) * torch.sigmoid(x),
    lambda x: F.instance_norm(x),
    lambda x: F.layer_norm(x, x.shape[1:]),
    lambda x: x @ x.transpose(2, 3),
    lambda x: x.flatten(2) @ torch.linspace(-1.0, 1.0, 16, dtype=x.dtype)[:, None],
    lambda x: F.softplus(x).mul_(2.0).sub_(0.5).pow(2),
    lambda x: torch.cat([F.relu(x), x.clone().clamp_(-1, 1)], 1),
    lambda x: F.conv2d(x, x.mean((0, 2, 3)).reshape(1, 4, 1, 1)),
]


@pytest.mark.parametrize("index", range(len(INNER)))
def test_operations_that_read_their_inputs_find_them(index: int) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm, self.last = nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Linear(1, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.last(INNER[index](self.norm(self.conv(x))).flatten(1).mean(1, keepdim=True))

    module = randomised(Net(), 3).double()
    x = smooth(1, 2, 6, 6, dtype=torch.float64)
    recording = xc.record(module, x, FOR_GRADIENTS)
    seed = torch.zeros_like(recording.output)
    seed[:, 2] = 1
    assert deviation(gradient_walk(recording, seed, consumes=True), gradient(module, x, [2])) < 1e-9


def test_the_segmenter_too() -> None:
    module, x = randomised(UNet(2), 3).double(), smooth(1, 1, 8, 8, dtype=torch.float64)
    recording = xc.record(module, x, FOR_GRADIENTS)
    u = x.clone().requires_grad_()
    expected = torch.autograd.grad(module(u).sum(), u)[0]
    assert deviation(gradient_walk(recording, torch.ones_like(recording.output), consumes=True), expected) < 1e-9


@pytest.mark.parametrize("network", ["plain2d", "residual2d", "dense2d", "branches"])
def test_it_holds_less_than_half(network: str) -> None:
    module, x = small(network)
    assert bytes_held(module, x, FOR_GRADIENTS) < 0.5 * bytes_held(module, x, FOR_RULES)


@pytest.mark.parametrize(
    "explainer", ["lrp-epsilon-plus", "lrp-gamma", "rap", "gradient", "guided-backprop", "deeplift", "grad-cam"]
)
def test_an_explanation_leaves_nothing_for_the_collector(explainer: str) -> None:
    """Samples that wait for the collector are memory the next walk must take anew."""
    module, x = ConvolutionsAndMore().eval(), torch.randn(1, 1, 32, 32)
    xc.attribute(module, x, explainer=explainer, target=0)
    gc.collect()
    gc.disable()
    try:
        gc.set_debug(gc.DEBUG_SAVEALL)
        xc.attribute(module, x, explainer=explainer, target=0)
        gc.collect()
        left = [thing for thing in gc.garbage if isinstance(thing, Recording | Step)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert left == []


class ConvolutionsAndMore(nn.Module):
    """Convolutions, a pool, a gate that autograd goes through, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.head = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(F.relu(self.first(x)), 2)
        x = F.avg_pool2d(F.relu(self.second(x)), 2)
        return self.head(F.silu(x).mean((2, 3)))
