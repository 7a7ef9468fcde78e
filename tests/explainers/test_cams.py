"""Class activation maps against pytorch-grad-cam's numbers before it scales them, and against plain loops in float64.

pytorch-grad-cam cuts every map at zero and scales it to 0..1, so its ``get_cam_image`` is asked, which does neither. It
resizes Score-CAM's masks with aligned corners and only in 2-D: compared where the layer has the image's size.
"""

from __future__ import annotations

import copy
import threading
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

import xai_core as xc
from tests.networks import SMALL, Plain, Residual, UNet, big, randomised, small, smooth
from tests.oracles import cams
from tests.oracles.gradients import layer_and_slope, on_image
from tests.oracles.test_oracles import deviation
from xai_core.explainers.eigen_cam import first_component

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


# --- CAM ---------------------------------------------------------------------------------------------------

POOLED = {"residual2d": "head", "residual3d": "head", "dense2d": "head", "branches": "head", "gated": "head"}


def before_pooling(module: nn.Module, x: Tensor) -> Tensor:
    """The last maps (N, K, *grid): what the last ReLU of the small networks returns."""
    rectified: list[Tensor] = []

    class Watch(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = function(*args, **(kwargs or {}))
            if getattr(function, "__name__", "") in ("relu", "relu_"):
                rectified.append(out.detach().clone())
            return out

    with Watch():
        module(x)
    return rectified[-1]


@pytest.mark.parametrize("network", POOLED)
def test_cam_is_the_last_maps_weighted_by_the_labels_weights(network: str) -> None:
    module, x = small(network)
    expected = cams.cam(before_pooling(module, x), module.head, [0, 3], x)
    assert deviation(ours(module, x, "cam", [0, 3]), expected) < 1e-9


def test_the_mean_of_cam_and_the_bias_are_the_logit() -> None:
    module, x = small("branches")  # nothing strides: the last grid is the image
    found = ours(module, x, "cam", [0, 3])[:, 0]
    logits = found.mean((1, 2)) + module.head.bias[[0, 3]]
    torch.testing.assert_close(logits, module(x)[[0, 1], [0, 3]], rtol=1e-10, atol=1e-10)
    assert float(found.min()) < 0.0 < float(found.max())


def test_hirescam_of_the_last_maps_is_cam_by_the_number_of_positions_and_grad_cam_its_positive_part() -> None:
    module, x = small("residual2d")
    cam = ours(module, x, "cam", [0, 3]) / 20  # a 4 x 5 grid
    assert deviation(ours(module, x, "hirescam", [0, 3]), cam) < 1e-9
    maps = torch.relu(cams.cam(before_pooling(module, x), module.head, [0, 3], smooth(2, 1, 4, 5))) / 20
    assert deviation(ours(module, x, "grad-cam", [0, 3]), on_image(maps[:, :1], x)) < 1e-9


def test_hirescam_sums_to_the_logit_without_its_bias() -> None:
    module, x = small("branches")
    found = ours(module, x, "hirescam", [1, 2])[:, 0].sum((1, 2)) + module.head.bias[[1, 2]]
    torch.testing.assert_close(found, module(x)[[0, 1], [1, 2]], rtol=1e-10, atol=1e-10)


class Ending(nn.Module):
    """A convolution and a head that pools as it is told."""

    def __init__(self, pool: Any, width: int = 5) -> None:
        super().__init__()
        self.conv, self.head, self.pool = nn.Conv2d(3, 5, 3), nn.Linear(width, 4), pool

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.pool(torch.relu(self.conv(x))).flatten(1))


AVERAGING = {
    "adaptive": nn.AdaptiveAvgPool2d(1),
    "window": nn.AvgPool2d((6, 8)),
    "axis by axis": lambda a: a.mean(3).mean(2),
    "flattened": lambda a: a.flatten(2).mean(-1),
    "kept axes": lambda a: a.mean((2, 3), keepdim=True),
}
NOT_AVERAGING = {
    "sum": (lambda a: a.sum((2, 3)), 5),
    "greatest": (nn.AdaptiveMaxPool2d(1), 5),
    "part of the map": (nn.AvgPool2d(6), 5),
    "four cells": (nn.AdaptiveAvgPool2d(2), 20),
    "normalised after": (lambda a: F.normalize(a.mean((2, 3))), 5),
}


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("how", AVERAGING)
def test_cam_finds_the_average_however_it_is_written(how: str, memory: torch.memory_format) -> None:
    module = randomised(Ending(AVERAGING[how]), 3).double()
    x = smooth(2, 3, 8, 10, dtype=torch.float64)
    expected = cams.cam(torch.relu(module.conv(x)).detach(), module.head, [1, 2], x)
    assert deviation(ours(module, x.contiguous(memory_format=memory), "cam", [1, 2]), expected) < 1e-9


@pytest.mark.parametrize("how", NOT_AVERAGING)
def test_cam_refuses_other_endings_and_proposes_grad_cam(how: str) -> None:
    pool, width = NOT_AVERAGING[how]
    module = randomised(Ending(pool, width), 3)
    with pytest.raises(xc.LightboxError, match=r"^cam needs .* grad-cam"):
        ours(module, smooth(2, 3, 8, 10), "cam", 1)


@pytest.mark.parametrize("network", ["two layers", "vgg16", "segmentation"])
def test_cam_refuses_networks_of_another_kind(network: str) -> None:
    module, x = {
        "two layers": lambda: (randomised(Plain(2), 1), smooth(1, 3, 12, 12)),
        "vgg16": lambda: (big("vgg16"), smooth(1, 3, 64, 64)),
        "segmentation": lambda: (randomised(UNet(2), 3), smooth(1, 1, 8, 8)),
    }[network]()
    with pytest.raises(xc.LightboxError, match=r"^cam needs .* grad-cam"):
        ours(module, x, "cam", 1)


def test_cam_of_a_map_of_one_position_is_refused() -> None:
    module = randomised(nn.Sequential(Ending(nn.AdaptiveAvgPool2d(1))), 3)
    with pytest.raises(xc.LightboxError, match="one position"):
        ours(module, smooth(1, 3, 3, 3), "cam", 1)


def test_cam_looks_behind_a_closing_sigmoid() -> None:
    module, x = small("residual2d")
    closed = nn.Sequential(module, nn.Sigmoid()).eval()
    assert torch.equal(ours(closed, x, "cam", 1), ours(module, x, "cam", 1))


# --- Score-CAM ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", [0, 3])
def test_score_cam_is_that_of_pytorch_grad_cam_at_full_size(target: int) -> None:
    module, x = small("plain2d")
    layer = "features.0"
    maps = cams.outputs_of(module, layer, x)
    assert maps.shape[2:] == x.shape[2:]
    expected = on_image(theirs("ScoreCAM", module, layer, x, [target] * 2).clamp(min=0), x)
    assert (
        deviation(ours(module, x, "score-cam", target, target_layer=layer), expected) < 1e-5
    )  # its scores are float32


@pytest.mark.parametrize("weights", ["softmax", "increase"])
@pytest.mark.parametrize("network", ["plain1d", "plain2d", "plain3d", "residual2d", "residual3d"])
def test_score_cam_map_by_map(network: str, weights: str) -> None:
    module, x = small(network)
    layer = "features.4" if network.startswith("plain") else "norm3"
    found = ours(module, x, "score-cam", [1, 2], target_layer=layer, weights=weights)
    maps = cams.outputs_of(module, layer, x)
    for n, target in enumerate((1, 2)):
        expected, _ = cams.score_cam(
            lambda image, t=target: module(image)[0, t], maps[n : n + 1], x[n : n + 1], weights == "softmax"
        )
        if float(expected.max()) > 0.0:
            assert deviation(found[n : n + 1], expected) < 1e-9
        else:
            assert float(found[n].max()) == 0.0


class Flat(nn.Module):
    """Of four maps one is dead and one is constant."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 3)
        randomised(self, 5)
        self.conv.weight.data[:2] = 0.0
        self.conv.bias.data[:2] = torch.tensor([-1.0, 2.0])

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.relu(self.conv(x)).mean((2, 3)))


def test_score_cam_leaves_out_flat_maps() -> None:
    module, x = Flat().double().eval(), smooth(1, 3, 8, 8, dtype=torch.float64)
    expected, weights = cams.score_cam(lambda image: module(image)[0, 1], torch.relu(module.conv(x)).detach(), x)
    assert len(weights) == 2
    assert deviation(ours(module, x, "score-cam", 1), expected) < 1e-9


def test_score_cam_where_every_map_is_flat_is_zero() -> None:
    module = Flat().double().eval()
    assert float(ours(module, torch.ones(2, 3, 8, 8, dtype=torch.float64), "score-cam", 1).max()) == 0.0


def test_score_cam_does_not_depend_on_the_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    from xai_core.explainers import score_cam as own

    module, x = small("plain3d")
    usual = ours(module, x, "score-cam", 1)
    monkeypatch.setattr(own, "chunk_size", lambda *_: 3)
    assert deviation(ours(module, x, "score-cam", 1), usual) < 1e-10


def test_score_cam_tells_how_far_it_is_and_stops_when_asked() -> None:
    module, x = small("plain2d")
    told: list[float] = []
    ours(module, x, "score-cam", 1, target_layer="features.3", progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0
    cancel = threading.Event()
    with pytest.raises(xc.LightboxError, match="cancelled"):
        ours(module, x, "score-cam", 1, progress=lambda _: cancel.set(), cancel=cancel)


def test_score_cam_says_where_one_map_takes_all() -> None:
    module, x = Flat().double().eval(), smooth(1, 3, 8, 8, dtype=torch.float64)
    loud = copy.deepcopy(module)
    loud.head.weight.data *= 1e3
    for one, is_said in ((module, False), (loud, True)):
        notes = xc.attribute(one, x, explainer="score-cam", target=1).notes
        assert any("90 %" in note for note in notes) == is_said
    assert not xc.attribute(loud, x, explainer="score-cam", target=1, weights="increase").notes


def test_score_cam_behind_a_closing_sigmoid_scores_logits() -> None:
    module, x = small("plain2d")
    closed = nn.Sequential(module, nn.Sigmoid()).eval()
    assert deviation(ours(closed, x, "score-cam", 1), ours(module, x, "score-cam", 1)) < 1e-10


# --- whatever the label: Eigen-CAM and FEM ------------------------------------------------------------------


@pytest.mark.parametrize("network", LAYERS)
def test_centred_eigen_cam_is_that_of_pytorch_grad_cam_up_to_its_open_sign(network: str) -> None:
    module, x = small(network)
    layer = LAYERS[network]
    expected = theirs("EigenCAM", module, layer, x, [0, 0])
    found = ours(module, x, "eigen-cam", 0, target_layer=layer, centred=True)
    for n in range(2):
        either = [
            deviation(found[n : n + 1], on_image((sign * expected[n : n + 1]).clamp(min=0), x[:1])) for sign in (1, -1)
        ]
        assert min(either) < 1e-5  # it returns float32


@pytest.mark.parametrize("network", LAYERS)
def test_eigen_cam_is_the_first_singular_vectors_map(network: str) -> None:
    module, x = small(network)
    maps = cams.outputs_of(module, LAYERS[network], x)
    found = ours(module, x, "eigen-cam", 0, target_layer=LAYERS[network])
    for n in range(2):
        u, s, _ = np.linalg.svd(maps[n].flatten(1).T.numpy(), full_matrices=False)
        projection = torch.from_numpy(u[:, 0] * s[0]).reshape(1, 1, *maps.shape[2:])
        projection = projection if float(projection.sum()) > 0 else -projection
        assert deviation(found[n : n + 1], on_image(projection.clamp(min=0), x[:1])) < 1e-9


@pytest.mark.parametrize(("positions", "channels"), [(4, 9), (9, 4), (5, 5)])
def test_the_first_component_has_the_sign_of_the_activity(positions: int, channels: int) -> None:
    rows = smooth(6, positions, channels, dtype=torch.float64)
    assert bool((first_component(rows, False).sum(1) > 0).all())
    assert deviation(first_component(-rows, False), first_component(rows, False)) < 1e-9
    positive = first_component(rows.abs(), False)
    assert bool((positive >= 0).all())
    mean = rows.mean(1)
    for is_centred in (False, True):
        found = first_component(rows, is_centred)
        matrix = rows - rows.mean(1, keepdim=True) if is_centred else rows
        vectors = (found[:, None] @ matrix)[:, 0]  # O^T O v = s^2 v
        assert bool(((vectors * mean).sum(1) >= 0).all())
    assert bool((first_component(torch.zeros_like(rows), False) == 0).all())


@pytest.mark.parametrize("k", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("network", ["plain1d", "plain2d", "plain3d", "residual2d", "dense2d"])
def test_fem_place_by_place(network: str, k: float) -> None:
    module, x = small(network)
    layer = {"plain1d": "features.4", **LAYERS}[network]
    expected = cams.fem(cams.outputs_of(module, layer, x), k, x)
    found = ours(module, x, "fem", 0, target_layer=layer, k=k)
    if float(expected.max()) > 0.0:
        assert deviation(found, expected) < 1e-9
    else:
        assert float(found.max()) == 0.0


def test_fem_marks_all_of_a_constant_map() -> None:
    module, x = Flat().double().eval(), smooth(1, 3, 8, 8, dtype=torch.float64)
    maps = torch.relu(module.conv(x)).detach()
    found = ours(module, x, "fem", 0)
    assert deviation(found, cams.fem(maps, 1.0, x)) < 1e-9
    assert float(found.min()) >= 2.0  # the constant map's mean


# --- all of them -------------------------------------------------------------------------------------------


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


def test_cam_of_volumes_and_lines() -> None:
    for dims in (1, 3):
        module = randomised(Residual(dims, channels=2), 4).double()
        x = smooth(2, 2, *[8] * dims, dtype=torch.float64)
        expected = cams.cam(before_pooling(module, x), module.head, [2, 0], x)
        assert deviation(ours(module, x, "cam", [2, 0]), expected) < 1e-9
