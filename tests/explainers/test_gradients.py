"""Gradient, input x gradient and Grad-CAM against autograd in float64."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import xai_core as xc
from tests.networks import BIG, SMALL, UNet, big, randomised, small, smooth
from tests.oracles.gradients import grad_cam, gradient
from tests.oracles.test_oracles import deviation

CAM_LAYER = {
    "plain1d": "features.3",
    "plain2d": "features.3",
    "plain3d": "features.3",
    "residual2d": "norm3",
    "residual3d": "norm3",
    "dense2d": "conv3",
    "branches": "last",
    "gated": "after",
}
BIG_CAM_LAYER = {
    "resnet18": "layer4",
    "vgg16": "features.28",
    "densenet121": "features.denseblock4",
    "inception_v3": "Mixed_7c",
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("network", SMALL)
def test_gradient(network: str, dtype: torch.dtype) -> None:
    module, x = small(network, dtype)
    expected = gradient(module, x, [0, 2])
    tolerance = 1e-9 if dtype == torch.float64 else 1e-4
    assert deviation(xc.attribute(module, x, explainer="gradient", target=[0, 2]).relevance, expected) < tolerance
    times = xc.attribute(module, x, explainer="input-x-gradient", target=[0, 2])
    assert deviation(times.relevance, expected * x) < tolerance


@pytest.mark.parametrize("network", BIG)
def test_gradient_of_the_matrix(network: str) -> None:
    side = {"inception_v3": 80}.get(network, 32)
    module, x = big(network), smooth(1, 3, side, side, seed=12)
    expected = gradient(module, x, [4])
    module.double()  # in single precision an activation within rounding of zero may fall on the other side
    try:
        found = xc.attribute(module, x.double(), explainer="gradient", target=4).relevance
    finally:
        module.float()
    assert deviation(found, expected) < 1e-8


ACTIVATIONS = [
    F.relu,
    F.relu6,
    F.elu,
    F.selu,
    F.celu,
    F.silu,
    F.mish,
    F.gelu,
    lambda x: F.gelu(x, approximate="tanh"),
    torch.tanh,
    torch.sigmoid,
    F.softplus,
    F.hardswish,
    F.hardsigmoid,
    F.hardtanh,
    F.softsign,
    F.logsigmoid,
    lambda x: F.leaky_relu(x, 0.2),
    lambda x: F.softmax(x, 1),
    lambda x: F.layer_norm(x, x.shape[1:]),
    lambda x: F.group_norm(x, 2),
    lambda x: F.instance_norm(x),
    lambda x: F.interpolate(x, scale_factor=2.0, mode="bilinear"),
    lambda x: F.max_pool2d(x, 3, 1, 1),
    lambda x: x * torch.sigmoid(x),
    lambda x: x @ x.transpose(2, 3),
    lambda x: x**2 / (1.0 + x.abs()),
    lambda x: torch.exp(-x.square()) + torch.sqrt(x.abs() + 1.0),
    lambda x: torch.where(x > 0, x, 0.1 * x),
    lambda x: x.masked_fill(x < 0, 0.5),
    lambda x: x * (x > 0),
    lambda x: torch.maximum(x, 0.1 * x),
    lambda x: x.flatten(2).topk(3, 2)[0][:, :, :, None],
    lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2),
    lambda x: F.scaled_dot_product_attention(*[x.flatten(2)] * 3)[..., None],
    lambda x: F.rrelu(x),
]


@pytest.mark.parametrize("index", range(len(ACTIVATIONS)))
def test_gradient_through_every_kind_of_operation(index: int) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv2d(2, 4, 3), nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(ACTIVATIONS[index](self.conv(x)).mean((2, 3)))

    module = randomised(Net(), 3).double()
    x = smooth(1, 2, 6, 6, dtype=torch.float64)
    found = xc.attribute(module, x, explainer="gradient", target=2).relevance
    assert deviation(found, gradient(module, x, [2])) < 1e-9


@pytest.mark.parametrize("network", SMALL)
def test_grad_cam(network: str) -> None:
    module, x = small(network)
    layer = CAM_LAYER[network]
    expected = grad_cam(module, layer, x, [0, 3])
    found = xc.attribute(module, x, explainer="grad-cam", target=[0, 3], target_layer=layer).relevance
    assert found.shape == x.shape
    if float(expected.max()) == 0.0:
        assert float(found.abs().max()) == 0.0
    else:
        assert deviation(found, expected.expand_as(x)) < 1e-9
    assert float(found.min()) >= 0.0


@pytest.mark.parametrize("network", BIG)
def test_grad_cam_of_the_matrix(network: str) -> None:
    side = {"inception_v3": 128}.get(network, 96)
    module, x = big(network), smooth(1, 3, side, side, seed=12)
    layer = BIG_CAM_LAYER[network]
    for target in range(4):
        expected = grad_cam(module, layer, x, [target])
        found = xc.attribute(module, x, explainer="grad-cam", target=target, target_layer=layer).relevance
        if float(expected.max()) > 0.0:
            assert deviation(found, expected.expand_as(x)) < 1e-3
        else:
            assert float(found.max()) < 1e-6


def test_grad_cam_of_an_unknown_layer_is_refused() -> None:
    module, x = small("plain2d")
    for layer in ("no.such.layer", "head.1"):  # absent; without space
        with pytest.raises(xc.LightboxError):
            xc.attribute(module, x, explainer="grad-cam", target=0, target_layer=layer)


def test_grad_cam_without_a_layer_takes_the_last_with_space() -> None:
    module, x = small("residual2d")
    found = xc.attribute(module, x, explainer="grad-cam", target=0).relevance
    assert found.shape == x.shape
    assert bool(torch.isfinite(found).all())


@pytest.mark.parametrize("explainer", ["gradient", "grad-cam", "lrp-epsilon-plus", "input-x-gradient"])
@pytest.mark.parametrize("dims", [2, 3])
def test_segmentation_explains_the_sum_over_the_predicted_region(dims: int, explainer: str) -> None:
    module = randomised(UNet(dims), 3).double()
    x = smooth(1, 1, *[8] * dims, dtype=torch.float64)
    logits = module(x).detach()
    region = logits.argmax(1)[0] == 1
    assert 0 < int(region.sum()) < region.numel()

    class Summed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = module

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            out = self.net(image)[:, 1] * region
            return out.flatten(1).sum(1, keepdim=True)

    more = {"target_layer": "low"} if explainer == "grad-cam" else {}
    found = xc.attribute(module, x, explainer=explainer, target=1, **more)
    if explainer.startswith("lrp"):
        assert float(found.account["seed"]) == pytest.approx(float(logits[0, 1][region].sum()), rel=1e-9)
        return
    if explainer == "grad-cam":
        expected = grad_cam(Summed(), "net.low", x, [0])
    else:
        expected = gradient(Summed(), x, [0]) * (x if explainer == "input-x-gradient" else 1.0)
    assert deviation(found.relevance, expected) < 1e-9


@pytest.mark.parametrize("dims", [2, 3])
def test_grad_cam_looks_at_the_last_layer_that_is_read_after_a_write_in_place(dims: int) -> None:
    """Instance norm returns a view: writing into it renews its siblings, which nobody reads and whose gradient is zero."""
    convolution, norm = (nn.Conv2d, nn.InstanceNorm2d) if dims == 2 else (nn.Conv3d, nn.InstanceNorm3d)
    body, last = convolution(1, 4, 3, padding=1), convolution(4, 2, 1)
    module = randomised(nn.Sequential(body, norm(4), nn.LeakyReLU(0.1, inplace=True), last), 6).double()
    x = smooth(1, 1, *[6] * dims, seed=8, dtype=torch.float64)
    maps = F.leaky_relu(F.instance_norm(body(x)), 0.1).detach().requires_grad_()
    output = last(maps)
    score = output[:, 1][output.argmax(1) == 1].sum()
    (slope,) = torch.autograd.grad(score, maps)
    weights = slope.mean(tuple(range(2, 2 + dims)), keepdim=True)
    expected = torch.relu((weights * maps).sum(1, keepdim=True)).detach()
    assert float(expected.max()) > 0
    found = xc.attribute(module, x, explainer="grad-cam", target=1).relevance
    assert deviation(found, expected) < 1e-9
