"""Logits of networks that close with a sigmoid or softmax and reshape or cut it afterwards."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import xai_core as xc
from tests.networks import randomised, smooth

X = smooth(2, 3, 12, 10, seed=4)
CLOSINGS: dict[str, Callable[[Tensor], Tensor]] = {
    "squeezed sigmoid": lambda z: torch.sigmoid(z[:, :1]).squeeze(1),
    "reshaped softmax": lambda z: torch.softmax(z, 1).reshape(-1, 4),
    "one label of a softmax": lambda z: torch.softmax(z, 1)[:, :1],
    "moved log softmax": lambda z: torch.log_softmax(z, 1).unsqueeze(2).transpose(1, 2).squeeze(1),
}
EXPLAINERS = (
    "gradient",
    "lrp-epsilon-plus",
    "lrp-study-unet",
    "rap",
    "rsp",
    "deeplift",
    "integrated-gradients",
    "grad-cam",
    "score-cam",
    "occlusion",
)


class Closing(nn.Module):
    """A small classifier of four labels whose output ``close`` makes of the logits."""

    def __init__(self, close: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 6, 3), nn.ReLU())
        self.head = nn.Linear(6, 4)
        self.close = close

    def forward(self, x: Tensor) -> Tensor:
        return self.close(self.head(self.layers(x).mean((2, 3))))


def network(close: Callable[[Tensor], Tensor]) -> nn.Module:
    return randomised(Closing(close), 5)


@pytest.mark.parametrize("explainer", EXPLAINERS)
@pytest.mark.parametrize("closing", CLOSINGS)
def test_the_logit_is_explained_whatever_follows_the_closing_activation(closing: str, explainer: str) -> None:
    close = CLOSINGS[closing]
    bare = network(lambda z: z if close(z).shape == z.shape else z[:, :1])
    few = {"window": 4, "steps": 6}
    given = {key: value for key, value in few.items() if key in {p.name for p in xc.explainers()[explainer].parameters}}
    found = xc.attribute(network(close), X, explainer=explainer, target=0, **given)
    expected = xc.attribute(bare, X, explainer=explainer, target=0, **given)
    assert torch.allclose(found.relevance, expected.relevance, rtol=1e-5, atol=1e-7)
    assert float(expected.relevance.abs().max()) > 0


@pytest.mark.parametrize("closing", CLOSINGS)
def test_the_gradient_is_that_of_the_logit_by_autograd(closing: str) -> None:
    module, x = network(CLOSINGS[closing]), X.clone().requires_grad_()
    logits = module.head(module.layers(x).mean((2, 3)))
    (expected,) = torch.autograd.grad(logits[:, 0].sum(), x)
    assert torch.allclose(xc.attribute(module, X, explainer="gradient", target=0).relevance, expected, atol=1e-6)


def test_a_recording_keeps_what_the_module_returned() -> None:
    module = network(CLOSINGS["squeezed sigmoid"])
    recording = xc.record(module, X)
    assert torch.equal(recording.output, module(X))
    assert torch.equal(recording.tensor(recording.result), module(X))


def test_one_number_a_sample_is_one_label() -> None:
    bare, single = network(lambda z: z), network(lambda z: z[:, 0])
    for explainer in ("gradient", "smoothgrad", "kernel-shap", "rise", "score-cam", "lrp-epsilon"):
        few = {"samples": 8, "masks": 8, "segments": 4}
        names = {parameter.name for parameter in xc.explainers()[explainer].parameters}
        given = {key: value for key, value in few.items() if key in names}
        found = xc.attribute(single, X, explainer=explainer, target=0, **given).relevance
        expected = xc.attribute(bare, X, explainer=explainer, target=0, **given).relevance
        assert torch.allclose(found, expected, rtol=1e-5, atol=1e-7), explainer
