"""Guided backpropagation and deconvnet against captum where captum is right, and autograd functions of our own where it is not."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from captum.attr import Deconvolution, GuidedBackprop
from torch import Tensor, nn

import xai_core as xc
from tests.networks import Branches, big, randomised, small, smooth
from tests.oracles.test_oracles import deviation
from xai_core.errors import NoRectifierError
from xai_core.explainers.guided_backprop import guided_gradient
from xai_core.explainers.request import Request

PEERS: dict[str, Any] = {"guided-backprop": GuidedBackprop, "deconvnet": Deconvolution}


class Separate(nn.Module):
    """Modules alone, none in place and none used twice, so that captum's hooks see every ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 3), nn.ReLU()
        )
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(8 * 4, 6), nn.ReLU(), nn.Linear(6, 4))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))


def of_captum(name: str, module: nn.Module, x: Tensor, targets: Sequence[int]) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return PEERS[name](module).attribute(x.clone().requires_grad_(), target=torch.tensor(targets)).detach()


@pytest.mark.parametrize("name", PEERS)
def test_it_agrees_with_captum_on_separate_modules(name: str) -> None:
    module, x = randomised(Separate(), 4).double(), smooth(2, 3, 8, 8, dtype=torch.float64)
    found = xc.attribute(module, x, explainer=name, target=[1, 3]).relevance
    assert deviation(found, of_captum(name, module, x, [1, 3])) < 1e-9


@pytest.mark.parametrize("name", PEERS)
def test_it_agrees_with_captum_on_vgg(name: str) -> None:
    module, x = big("vgg16"), smooth(1, 3, 32, 32, seed=5)
    module.double()
    for part in module.modules():
        if isinstance(part, nn.ReLU):
            part.inplace = False  # captum's hooks fail on writes in place
    try:
        expected = of_captum(name, module, x.double(), [2])
        for part in module.modules():
            if isinstance(part, nn.ReLU):
                part.inplace = True
        found = xc.attribute(module, x.double(), explainer=name, target=2).relevance
    finally:
        module.float()
    assert deviation(found, expected) < 1e-9


class _Guided(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        context.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(context: Any, grad: Tensor) -> Tensor:
        (x,) = context.saved_tensors
        return grad * (grad > 0) * (x > 0)


class _Deconvolved(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        return x.clamp(min=0)

    @staticmethod
    def backward(context: Any, grad: Tensor) -> Tensor:
        return grad * (grad > 0)


FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {"guided-backprop": _Guided.apply, "deconvnet": _Deconvolved.apply}


def by_autograd(name: str, module: nn.Module, x: Tensor, targets: Sequence[int], monkeypatch: Any) -> Tensor:
    """The network run with every ReLU, functional or module, replaced by an autograd function with the method's backward."""
    relu = FUNCTIONS[name]
    with monkeypatch.context() as patch:
        patch.setattr(F, "relu", lambda x, inplace=False: relu(x))
        patch.setattr(torch, "relu", relu)
        u = x.clone().requires_grad_()
        out = module(u * 1.0)
    chosen = torch.stack([out[n].reshape(-1)[target] for n, target in enumerate(targets)])
    return torch.autograd.grad(chosen.sum(), u)[0]


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize(
    "network", ["plain1d", "plain2d", "plain3d", "residual2d", "residual3d", "dense2d", "branches", "gated"]
)
def test_functional_in_place_and_reused_relus_count(network: str, name: str, monkeypatch: Any) -> None:
    module, x = small(network)
    found = xc.attribute(module, x, explainer=name, target=[0, 2]).relevance
    assert deviation(found, by_autograd(name, module, x, [0, 2], monkeypatch)) < 1e-9


def test_captum_leaves_the_functional_relus_of_inceptions_order_alone() -> None:
    module, x = randomised(Branches(), 1).double(), smooth(2, 3, 8, 7, dtype=torch.float64)
    plain = xc.attribute(module, x, explainer="gradient", target=[0, 2]).relevance
    assert deviation(of_captum("guided-backprop", module, x, [0, 2]), plain) < 1e-9
    assert deviation(xc.attribute(module, x, explainer="guided-backprop", target=[0, 2]).relevance, plain) > 0.1


def test_a_clamp_from_zero_is_a_relu_open_between_its_bounds() -> None:
    bounds = torch.tensor([[-1.0, 0.5, 2.0, 7.0, 3.0, -2.0]], dtype=torch.float64)
    weights = torch.tensor([[1.0, -1.0, 2.0, 3.0, -4.0, 5.0]], dtype=torch.float64)

    class Clamped(nn.Module):
        def __init__(self, clamp: Callable[[Tensor], Tensor]) -> None:
            super().__init__()
            self.clamp = clamp

        def forward(self, x: Tensor) -> Tensor:
            return F.linear(self.clamp(x), weights)

    for clamp in (F.relu6, lambda x: F.hardtanh(x, 0.0, 6.0), lambda x: x.clamp(0, 6)):
        module = Clamped(clamp).eval()
        guided = xc.attribute(module, bounds, explainer="guided-backprop", target=0).relevance
        assert guided.tolist() == [[0.0, 0.0, 2.0, 0.0, 0.0, 0.0]]
        deconvolved = xc.attribute(module, bounds, explainer="deconvnet", target=0).relevance
        assert deconvolved.tolist() == [[1.0, 0.0, 2.0, 3.0, 0.0, 5.0]]
    with pytest.raises(NoRectifierError):
        xc.attribute(Clamped(F.hardtanh).eval(), bounds, explainer="guided-backprop", target=0)


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize("activation", [nn.SiLU(), nn.GELU(), nn.LeakyReLU(0.1), nn.Sigmoid(), nn.Identity()])
def test_a_network_without_relu_is_refused_and_others_proposed(name: str, activation: nn.Module) -> None:
    module = nn.Sequential(nn.Conv2d(2, 3, 3), activation, nn.Flatten(), nn.Linear(12, 2)).eval()
    with pytest.raises(xc.UnsupportedOperationError, match="ReLU") as caught:
        xc.attribute(module, smooth(1, 2, 4, 4), explainer=name, target=0)
    assert "gradient" in caught.value.alternatives
    assert caught.value.module_path == ("" if isinstance(activation, nn.Identity) else "1")


def test_the_sigmoid_that_closes_the_network_is_no_activation() -> None:
    module = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 2), nn.Sigmoid()).eval()
    assert xc.attribute(module, smooth(1, 2, 4, 4), explainer="guided-backprop", target=0).notes == ()


def test_other_activations_follow_the_chain_rule_and_a_note_says_so() -> None:
    module = nn.Sequential(nn.Conv2d(2, 3, 3), nn.SiLU(), nn.Flatten(), nn.Linear(12, 5), nn.ReLU(), nn.Linear(5, 2))
    module, x = module.eval().double(), smooth(1, 2, 4, 4, dtype=torch.float64)
    found = xc.attribute(module, x, explainer="guided-backprop", target=1)
    assert "1 of 2" in found.notes[0]
    assert "silu" in found.notes[0]
    assert deviation(found.relevance, of_captum("guided-backprop", module, x, [1])) < 1e-9


def test_it_stops_where_it_is_asked_to() -> None:
    module, x = randomised(Separate(), 4).double(), smooth(2, 3, 8, 8, dtype=torch.float64)
    request = Request(module, x, [1, 3])
    middle = request.recording.module_outputs["body.3"]
    found = guided_gradient(request, until=middle)
    above = nn.Sequential(*module.body[4:], module.head).eval()
    expected = of_captum("guided-backprop", above, module.body[:4](x).detach(), [1, 3])
    assert deviation(found, expected) < 1e-9
