"""Guided Grad-CAM against captum's, and as the product of its two parts."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
from torch import nn

import xai_core as xc
from tests.networks import randomised, small, smooth
from tests.oracles.test_oracles import deviation

warnings.filterwarnings("ignore", module="captum")


@pytest.mark.parametrize(("network", "how"), [("plain1d", "linear"), ("plain2d", "bilinear"), ("plain3d", "trilinear")])
def test_guided_grad_cam_is_that_of_captum(network: str, how: str) -> None:
    from captum.attr import GuidedGradCam

    module, x = small(network)
    module = copy.deepcopy(module)
    for layer in module.modules():  # captum's hooks do not stand in-place ReLUs
        if isinstance(layer, nn.ReLU):
            layer.inplace = False
    compared = 0
    for target in range(4):
        peer = (
            GuidedGradCam(module, module.features[4])
            .attribute(x.clone().requires_grad_(), target=target, interpolate_mode=how)
            .detach()
        )
        found = xc.attribute(module, x, explainer="guided-grad-cam", target=target, target_layer="features.4").relevance
        if all(float(part.abs().max()) > 0.0 for part in peer):
            assert deviation(found, peer) < 1e-9
            compared += 1
    assert compared


@pytest.mark.parametrize("network", ["plain1d", "plain2d", "plain3d", "residual3d", "branches"])
def test_guided_grad_cam_is_the_product_of_its_parts(network: str) -> None:
    module, x = small(network)
    parts = [
        xc.attribute(module, x, explainer=name, target=[1, 2]).relevance for name in ("grad-cam", "guided-backprop")
    ]
    found = xc.attribute(module, x, explainer="guided-grad-cam", target=[1, 2])
    assert torch.equal(found.relevance, parts[0] * parts[1])
    assert found.facts["grid"]


def test_without_relus_it_is_refused_by_its_own_name() -> None:
    module = randomised(
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.SiLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)), 3
    )
    with pytest.raises(xc.LightboxError, match="guided-grad-cam"):
        xc.attribute(module, smooth(1, 3, 8, 8), explainer="guided-grad-cam", target=1)


def test_without_maps_it_is_refused_by_its_own_name() -> None:
    module = randomised(nn.Sequential(nn.Flatten(), nn.Linear(48, 5), nn.ReLU(), nn.Linear(5, 3)), 3)
    with pytest.raises(xc.LightboxError, match=r"^guided-grad-cam needs"):
        xc.attribute(module, smooth(1, 3, 4, 4), explainer="guided-grad-cam", target=1)
