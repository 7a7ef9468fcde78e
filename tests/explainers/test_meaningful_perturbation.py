"""Meaningful perturbation against the same descent by autograd through the module, and where the answer is known."""

from __future__ import annotations

import threading

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import xai_core as xc
from tests.explainers.test_rise import enlarged
from tests.networks import UNet, randomised, small, smooth
from tests.oracles.test_oracles import deviation

NAME = "meaningful-perturbation"


def descent(module: nn.Module, x: Tensor, target: int, cells: int, steps: int, l1: float, tv: float) -> Tensor:
    """The mask learned by autograd on a film (1, C, H, W) hidden in grey, Adam written out, no jitter; (H, W)."""
    height, width = x.shape[2:]
    grey = x.mean((2, 3), keepdim=True)
    whole, nothing = (module(image)[0, target].detach() for image in (x, grey.expand_as(x)))
    extent = (whole - nothing).abs()
    mask = torch.full((cells, cells), 0.5, dtype=torch.float64)
    mean, square = torch.zeros_like(mask), torch.zeros_like(mask)
    for step in range(1, steps + 1):
        leaf = mask.clone().requires_grad_()
        big = enlarged(leaf, (height, width))
        kept = module(grey + (x - grey) * big)[0, target]
        rough = (leaf[1:] - leaf[:-1]).abs().pow(3).mean() + (leaf[:, 1:] - leaf[:, :-1]).abs().pow(3).mean()
        loss = torch.relu(1 - (whole - kept) / extent) + l1 * (1 - leaf).mean() + tv * rough
        slope = torch.autograd.grad(loss, leaf)[0]
        mean = 0.9 * mean + 0.1 * slope
        square = 0.999 * square + 0.001 * slope**2
        step_size = 0.1 / (1 - 0.9**step)
        mask = (mask - step_size * mean / ((square / (1 - 0.999**step)).sqrt() + 1e-8)).clamp(0, 1)
    return 1 - enlarged(mask, (height, width)).detach()


@pytest.mark.parametrize("target", [0, 3])
def test_the_same_descent_by_autograd(target: int) -> None:
    module, _ = small("plain2d")
    x = smooth(1, 3, 12, 12, seed=8, dtype=torch.float64)
    expected = descent(module, x, target, 4, 25, 0.3, 1.0)
    settings = {"steps": 25, "cell": 3, "jitter": 0, "fill": "grey", "l1": 0.3, "tv": 1.0}
    found = xc.attribute(module, x, explainer=NAME, target=target, **settings)
    assert float(expected.max()) > 0.05
    assert deviation(found.relevance, expected.expand_as(x)) < 1e-6


class Texture(nn.Module):
    """Speaks for the spread of the pixels in one square of a film, and of no other."""

    def forward(self, x: Tensor) -> Tensor:
        own = x[:, :, 20:30, 8:18]
        spread = ((own - F.adaptive_avg_pool2d(own, 1)) ** 2).mean((1, 2, 3))
        return torch.stack([-spread, spread], 1)


def test_only_the_square_that_speaks_is_blurred() -> None:
    x = torch.randn(1, 1, 48, 48, generator=torch.Generator().manual_seed(0))
    found = xc.attribute(Texture().eval(), x, explainer=NAME, target=1, cell=4, jitter=1)
    inside = found.relevance[0, 0, 20:30, 8:18]
    assert float(inside.mean()) > 0.5
    assert float(found.relevance[..., 36:].max()) < 0.05
    assert found.facts["hidden"] < 0.2
    assert found.facts["score_masked"] < 0.3 * found.facts["score"]


def test_what_speaks_for_nothing_is_left_as_it_is() -> None:
    """A film without texture equals its blur: nothing can be taken away."""
    found = xc.attribute(Texture().eval(), torch.ones(1, 1, 48, 48), explainer=NAME, target=1, steps=10)
    assert float(found.relevance.abs().max()) == 0.0


def test_dear_blur_hides_less() -> None:
    module, x = small("plain2d")
    hidden = [
        xc.attribute(module, x[:1], explainer=NAME, target=1, cell=2, steps=60, l1=l1).facts["hidden"]
        for l1 in (0.1, 10.0)
    ]
    assert hidden[1] < hidden[0]


def test_jitter_and_seed_change_the_way() -> None:
    module, x = small("plain2d")
    maps = [
        xc.attribute(module, x[:1], explainer=NAME, target=1, cell=2, steps=30, seed=seed, jitter=jitter).relevance
        for seed, jitter in ((0, 2), (1, 2), (0, 0), (1, 0))
    ]
    assert not torch.allclose(maps[0], maps[1])
    assert not torch.allclose(maps[0], maps[2])
    assert torch.equal(maps[2], maps[3])


@pytest.mark.parametrize("shift", [[2, -1], [0, 0], [-3, 3]])
def test_a_moved_mask_continues_its_rim(shift: list[int]) -> None:
    from xai_core.explainers.meaningful_perturbation import moved

    mask = torch.rand(1, 1, 6, 7)
    found = moved(mask, shift)
    for row in range(6):
        for column in range(7):
            origin = (min(max(row - shift[0], 0), 5), min(max(column - shift[1], 0), 6))
            assert found[0, 0, row, column] == mask[0, 0, origin[0], origin[1]]


@pytest.mark.parametrize("dims", [2, 3])
def test_segmentation_keeps_the_region_of_the_first_pass(dims: int) -> None:
    module, x = randomised(UNet(dims), 3), smooth(2, 1, *[8] * dims)
    found = xc.attribute(module, x, explainer=NAME, target=[0, 1], cell=2, steps=20)
    with torch.no_grad():
        logits = module(x[:1])
    expected = logits[0, 0][logits[0].argmax(0) == 0].sum()
    assert found.facts["score"] == pytest.approx(float(expected), rel=1e-5)
    assert 0.0 <= float(found.relevance.min()) <= float(found.relevance.max()) <= 1.0


def test_a_scripted_module_is_refused_with_a_reason() -> None:
    module, x = small("plain2d", torch.float32)
    scripted = torch.jit.trace(module, x)
    with pytest.raises(xc.LightboxError, match="scripted"):
        xc.attribute(scripted, x, explainer=NAME, target=1)


def test_progress_rises_over_the_batch_and_cancelling_stops_it() -> None:
    module, x = small("plain2d")
    heard: list[float] = []
    xc.attribute(module, x, explainer=NAME, target=1, steps=5, progress=heard.append)
    assert heard == pytest.approx([(step + 1) / 10 for step in range(10)])
    event = threading.Event()
    event.set()
    with pytest.raises(xc.LightboxError, match="cancelled"):
        xc.attribute(module, x, explainer=NAME, target=1, steps=5, cancel=event)
