"""CAM as Zhou 2016 has it: only where the network ends in a global average, however that is written."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import xai_core as xc
from tests.explainers.test_cams import ours
from tests.networks import Plain, Residual, UNet, big, randomised, small, smooth
from tests.oracles import cams
from tests.oracles.gradients import on_image
from tests.oracles.test_oracles import deviation

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


def test_cam_of_volumes_and_lines() -> None:
    for dims in (1, 3):
        module = randomised(Residual(dims, channels=2), 4).double()
        x = smooth(2, 2, *[8] * dims, dtype=torch.float64)
        expected = cams.cam(before_pooling(module, x), module.head, [2, 0], x)
        assert deviation(ours(module, x, "cam", [2, 0]), expected) < 1e-9
