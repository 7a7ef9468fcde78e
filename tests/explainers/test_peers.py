"""Parity with zennit and captum where they are right; where they are not, what they do and who is right.

* zennit's ``ZPlus`` counts the positive part of the bias (its ``EpsilonPlus`` is then alpha-beta (1, 0) with bias); ours is
  free of bias, as ``zero_params="bias"`` makes theirs. Both have a case; the account shows what a bias took.
* zennit without a canonizer adds relevance twice at every residual sum, so it is compared on VGG-16 alone.
* captum's LRP returns -2.6e14 on ResNet-18 and clamps z for negative inputs: not compared at all.
* captum's occlusion and Grad-CAM are right; its last window is cut where ours is flush with the edge, so sizes divide here.
"""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
from torch import Tensor, nn

import xai_core as xc
from tests.networks import BIG, big, small, smooth
from tests.oracles.test_oracles import deviation

warnings.filterwarnings("ignore", module="captum|zennit")
LOW, HIGH = -4.0, 4.0


@pytest.fixture(scope="module")
def vgg() -> tuple[nn.Module, Tensor]:
    module = copy.deepcopy(big("vgg16")).double()
    for layer in module.modules():
        if hasattr(layer, "inplace"):
            layer.inplace = False
    return module, smooth(1, 3, 48, 48, seed=3, dtype=torch.float64)


def zennit_map(module: nn.Module, x: Tensor, composite: object) -> Tensor:
    from zennit.attribution import Gradient

    with Gradient(model=copy.deepcopy(module), composite=composite) as attributor:
        return attributor(x.clone().requires_grad_(), lambda out: out * (out == out.max()))[1]


TINY = 1e-12  # their stabiliser; the pools keep our 1e-6 in ours


def test_zennit_epsilon_plus_without_bias(vgg: tuple[nn.Module, Tensor]) -> None:
    from zennit.composites import LayerMapComposite
    from zennit.rules import Epsilon, Norm, Pass, ZPlus
    from zennit.types import Activation, AvgPool, Convolution, Linear

    plus = LayerMapComposite(
        [
            (Activation, Pass()),
            (AvgPool, Norm(stabilizer=TINY)),
            (Convolution, ZPlus(stabilizer=TINY, zero_params="bias")),
            (Linear, Epsilon(epsilon=1e-6)),
        ]
    )
    found = xc.attribute(*vgg, explainer="lrp-epsilon-plus").relevance
    assert deviation(found, zennit_map(*vgg, plus)) < 1e-6


def test_zennit_epsilon_plus_on_a_network_without_biases(vgg: tuple[nn.Module, Tensor]) -> None:
    """Its own composite, as it comes, where the question of the bias does not arise."""
    from zennit.composites import EpsilonPlus

    module = copy.deepcopy(vgg[0])
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            layer.bias.data.zero_()
    found = xc.attribute(module, vgg[1], explainer="lrp-epsilon-plus").relevance
    assert deviation(found, zennit_map(module, vgg[1], EpsilonPlus())) < 1e-5


def test_zennit_epsilon_alpha_2_beta_1(vgg: tuple[nn.Module, Tensor]) -> None:
    from zennit.composites import EpsilonAlpha2Beta1

    found = xc.attribute(*vgg, explainer="lrp-epsilon-alpha-2-beta-1").relevance
    assert deviation(found, zennit_map(*vgg, EpsilonAlpha2Beta1(stabilizer=TINY))) < 1e-6


def test_zennit_epsilon_gamma_box(vgg: tuple[nn.Module, Tensor]) -> None:
    from zennit.composites import EpsilonGammaBox

    low, high = torch.full_like(vgg[1], LOW), torch.full_like(vgg[1], HIGH)
    found = xc.attribute(*vgg, explainer="lrp-epsilon-gamma-box", low=LOW, high=HIGH).relevance
    assert deviation(found, zennit_map(*vgg, EpsilonGammaBox(low=low, high=high, stabilizer=TINY))) < 1e-6


@pytest.mark.parametrize("network", BIG)
def test_captum_gradient(network: str) -> None:
    from captum.attr import InputXGradient, Saliency

    side = {"inception_v3": 80}.get(network, 48)
    module, x = big(network), smooth(1, 3, side, side, seed=5)
    theirs = Saliency(module).attribute(x.clone().requires_grad_(), target=3, abs=False)
    assert deviation(xc.attribute(module, x, explainer="gradient", target=3).relevance, theirs) < 1e-3
    theirs = InputXGradient(module).attribute(x.clone().requires_grad_(), target=3).detach()
    assert deviation(xc.attribute(module, x, explainer="input-x-gradient", target=3).relevance, theirs) < 1e-3
    module.zero_grad()


@pytest.mark.parametrize(("network", "layer"), [("resnet18", "layer4"), ("densenet121", "features.denseblock4")])
def test_captum_grad_cam(network: str, layer: str) -> None:
    from captum.attr import LayerAttribution, LayerGradCam

    module, x = big(network), smooth(1, 3, 96, 96, seed=5)
    compared = 0
    for target in range(6):
        cam = LayerGradCam(module, module.get_submodule(layer)).attribute(x, target=target, relu_attributions=True)
        theirs = LayerAttribution.interpolate(cam.detach(), (96, 96), "bilinear")
        found = xc.attribute(module, x, explainer="grad-cam", target=target, target_layer=layer).relevance
        if float(theirs.max()) > 0.0:
            assert deviation(found[:, :1], theirs) < 1e-3
            compared += 1
    assert compared


def test_captum_occlusion() -> None:
    from captum.attr import Occlusion

    module, _ = small("plain2d")
    x = smooth(1, 3, 12, 10, seed=5, dtype=torch.float64)
    grey = x.mean((2, 3), keepdim=True).expand_as(x)
    theirs = Occlusion(module).attribute(
        x, sliding_window_shapes=(3, 4, 4), strides=(3, 2, 2), target=1, baselines=grey.contiguous()
    )
    found = xc.attribute(module, x, explainer="occlusion", target=1, window=4, stride=2).relevance
    assert deviation(found, theirs) < 1e-6  # its sums are in single precision
