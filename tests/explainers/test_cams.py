"""Class activation maps against pytorch-grad-cam's numbers before it scales them, and against plain loops in float64.

pytorch-grad-cam cuts every map at zero and scales it to 0..1, so its ``get_cam_image`` is asked, which does neither. It
resizes Score-CAM's masks with aligned corners and only in 2-D: compared where the layer has the image's size.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor, nn

import xai_core as xc
from tests.networks import SMALL, UNet, big, randomised, small, smooth
from tests.oracles.gradients import layer_and_slope, on_image
from tests.oracles.test_oracles import deviation

FAMILY = ("grad-cam", "grad-cam++", "hirescam", "layer-cam", "score-cam", "eigen-cam", "fem")
LAYERS = {"plain2d": "features.4", "plain3d": "features.4", "residual2d": "norm3", "dense2d": "conv3", "gated": "after"}
AFTER_RELU = {"plain2d": "features.4", "plain3d": "features.4"}


def ours(module: nn.Module, x: Tensor, explainer: str, target: Any, **more: Any) -> Tensor:
    return xc.attribute(module, x, explainer=explainer, target=target, **more).relevance


def theirs(method: str, module: nn.Module, layer: str, x: Tensor, targets: list[int]) -> Tensor:
    """The library's map on the layer's grid, (N, 1, *grid), neither cut nor scaled."""
    import pytorch_grad_cam
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    module = copy.deepcopy(module)
    maps, slope = layer_and_slope(module, layer, x, targets)
    wanted = [ClassifierOutputTarget(target) for target in targets]
    with getattr(pytorch_grad_cam, method)(module, [module.get_submodule(layer)]) as peer:
        image = peer.get_cam_image(x, None, wanted, maps.numpy(), slope.numpy(), False)
    return torch.from_numpy(np.asarray(image, np.float64))[:, None]


@pytest.mark.parametrize("network", LAYERS)
def test_hirescam_is_that_of_pytorch_grad_cam(network: str) -> None:
    module, x = small(network)
    expected = on_image(theirs("HiResCAM", module, LAYERS[network], x, [0, 3]), x)
    found = ours(module, x, "hirescam", [0, 3], target_layer=LAYERS[network])
    assert float(expected.min()) < 0.0
    assert deviation(found, expected) < 1e-9


@pytest.mark.parametrize("network", LAYERS)
def test_layer_cam_is_that_of_pytorch_grad_cam(network: str) -> None:
    module, x = small(network)
    expected = on_image(theirs("LayerCAM", module, LAYERS[network], x, [0, 3]).clamp(min=0), x)
    assert float(expected.max()) > 0.0
    assert deviation(ours(module, x, "layer-cam", [0, 3], target_layer=LAYERS[network]), expected) < 1e-9


@pytest.mark.parametrize("network", AFTER_RELU)
def test_grad_cam_plus_plus_is_that_of_pytorch_grad_cam_where_gradients_are_large(network: str) -> None:
    """Its alpha has 1e-6 in the denominator, which large gradients do not see."""
    module, x = small(network)
    module = copy.deepcopy(module)
    module.head[-1].weight.data *= 1e3
    expected = on_image(theirs("GradCAMPlusPlus", module, AFTER_RELU[network], x, [1, 3]).clamp(min=0), x)
    assert float(expected.max()) > 0.0
    assert deviation(ours(module, x, "grad-cam++", [1, 3], target_layer=AFTER_RELU[network]), expected) < 1e-6


@pytest.mark.parametrize("network", AFTER_RELU)
def test_grad_cam_plus_plus_by_its_own_equations(network: str) -> None:
    module, x = small(network)
    maps, slope = layer_and_slope(module, AFTER_RELU[network], x, [1, 3])
    axes = tuple(range(2, maps.ndim))
    denominator = 2 * slope**2 + maps.sum(axes, keepdim=True) * slope**3
    alpha = torch.where(slope != 0, slope**2 / denominator, 0.0)
    weights = (alpha * slope.clamp(min=0)).sum(axes, keepdim=True)
    expected = on_image((weights * maps).sum(1, keepdim=True).clamp(min=0), x)
    found = xc.attribute(module, x, explainer="grad-cam++", target=[1, 3], target_layer=AFTER_RELU[network])
    assert deviation(found.relevance, expected) < 1e-9
    assert not found.notes


def test_grad_cam_plus_plus_says_that_a_signed_layer_is_not_what_it_is_for() -> None:
    module, x = small("residual2d")
    assert "ReLU" in xc.attribute(module, x, explainer="grad-cam++", target=1, target_layer="norm3").notes[0]


def test_the_family_on_resnet18_is_that_of_pytorch_grad_cam() -> None:
    module, x = copy.deepcopy(big("resnet18")).double(), smooth(1, 3, 64, 64, seed=5, dtype=torch.float64)
    module.fc.weight.data *= 1e3
    for name, method in (("hirescam", "HiResCAM"), ("layer-cam", "LayerCAM"), ("grad-cam++", "GradCAMPlusPlus")):
        expected = theirs(method, module, "layer4", x, [3])
        expected = on_image(expected if name == "hirescam" else expected.clamp(min=0), x)
        assert deviation(ours(module, x, name, 3), expected) < 1e-6, name


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("explainer", [name for name in FAMILY if name not in ("eigen-cam", "fem")])
def test_segmentation_explains_the_sum_over_the_predicted_region(explainer: str, dims: int) -> None:
    module = randomised(UNet(dims), 3).double()
    x = smooth(1, 1, *[8] * dims, dtype=torch.float64)
    region = module(x).argmax(1)[0] == 1

    class Summed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = module

        def forward(self, image: Tensor) -> Tensor:
            return (self.net(image)[:, 1] * region).flatten(1).sum(1, keepdim=True)

    assert 0 < int(region.sum()) < region.numel()
    found = ours(module, x, explainer, 1, target_layer="low")
    assert float(found.abs().max()) > 0.0
    assert deviation(found, ours(Summed().eval(), x, explainer, 0, target_layer="net.low")) < 1e-9


@pytest.fixture(scope="module")
def transformers() -> dict[str, nn.Module]:
    from torchvision.models.convnext import CNBlockConfig

    torch.manual_seed(0)
    return {
        "vit": torchvision.models.VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=4).eval(),
        "swin": torchvision.models.SwinTransformer([4, 4], 8, [2, 2], [2, 2], [4, 4], num_classes=4).eval(),
        "convnext": torchvision.models.ConvNeXt(
            [CNBlockConfig(8, 16, 1), CNBlockConfig(16, None, 1)], num_classes=4
        ).eval(),
    }


@pytest.mark.parametrize("explainer", FAMILY)
def test_networks_without_maps_are_refused_by_the_explainer_that_was_asked(
    explainer: str, transformers: dict[str, nn.Module]
) -> None:
    x = smooth(2, 3, 32, 32)
    flat = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 4)).eval()
    for module, word in ((transformers["vit"], "tokens"), (flat, "none")):
        with pytest.raises(
            xc.LightboxError, match=f"^{explainer.replace('+', '[+]')} needs .*{word}.*lrp-epsilon-plus"
        ):
            ours(module, x, explainer, 1)
    for layer in ("encoder.layers.encoder_layer_1", "no.such.layer"):  # tokens; nothing
        with pytest.raises(xc.LightboxError, match=r"spatial output.*conv_proj"):
            ours(transformers["vit"], x, explainer, 1, target_layer=layer)


@pytest.mark.parametrize(("network", "layer"), [("swin", "permute"), ("convnext", "features.3.0")])
def test_without_a_layer_maps_are_found_with_channels_first(
    network: str, layer: str, transformers: dict[str, nn.Module]
) -> None:
    x = smooth(2, 3, 32, 32)
    found = xc.attribute(transformers[network], x, explainer="hirescam", target=1)
    assert found.facts["target_layer"] == layer
    assert found.facts["grid"] == "4 x 4"
    assert deviation(found.relevance, ours(transformers[network], x, "hirescam", 1, target_layer=layer)) < 1e-6


@pytest.mark.parametrize("explainer", FAMILY)
def test_every_small_network_has_a_map(explainer: str) -> None:
    for network in SMALL:
        module, x = small(network)
        found = ours(module, x, explainer, [1, 2])
        assert found.shape == x.shape
        assert bool(torch.isfinite(found).all())
        assert torch.equal(found, found[:, :1].expand_as(found)), network
