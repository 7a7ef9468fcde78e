"""DeepLIFT's contributions sum to the difference of the outputs, whatever the network is made of."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from tests.explainers.test_deeplift import Odd, both, lift, lowest, missing
from tests.networks import big, randomised, small, smooth


@both
@pytest.mark.parametrize(
    "name",
    ["plain1d", "plain2d", "plain3d", "residual2d", "residual3d", "dense2d", "branches", "gated"],
)
def test_complete_on_small_networks(name: str, variant: str) -> None:
    assert missing(*small(name), variant=variant) < 1e-9


class Attention(nn.Module):
    """Tokens of an image through two transformer layers, the softmax written out in the first."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Conv2d(3, 8, 2, stride=2)
        self.norm = nn.LayerNorm(8)
        self.mix = nn.Linear(8, 24)
        self.layer = nn.TransformerEncoderLayer(8, 2, 12, activation="gelu", batch_first=True, norm_first=True)
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.enter(x).flatten(2).transpose(1, 2)
        query, key, value = self.mix(self.norm(tokens)).chunk(3, -1)
        tokens = tokens + (3 * query @ key.transpose(1, 2)).softmax(-1) @ value
        return self.head(self.layer(tokens).mean(1))


def written_over(x: Tensor) -> Tensor:
    y = torch.zeros_like(x)
    y[:, :3] = torch.relu(x[:, 3:])
    y[:, 3:] = x[:, :3] * 2
    y[:, 1:4].mul_(-0.5).relu_()
    return y


MIDDLES: dict[str, Callable[[Tensor], Tensor]] = {
    "silu": F.silu,
    "gelu": F.gelu,
    "hardswish in place": lambda x: F.hardswish(x.clone(), inplace=True),
    "prelu": lambda x: F.prelu(x, torch.linspace(-0.5, 0.5, 6, dtype=x.dtype)),
    "hard tanh": lambda x: F.hardtanh(x, -0.3, 0.4),
    "log sigmoid": F.logsigmoid,
    "square": lambda x: x * x,
    "power": lambda x: (x.square() + 0.5).pow(1.7),
    "step": lambda x: x.round() + x,
    "relu by a mask": lambda x: x * (x > 0).to(x.dtype),
    "relu by where": lambda x: torch.where(x > 0, x, torch.zeros_like(x)),
    "gate": lambda x: x * torch.sigmoid(x.mean((2, 3), keepdim=True)),
    "gated halves": lambda x: F.glu(torch.cat([x, x.flip(1)], 1), 1),
    "quotient": lambda x: x / (1 + x.abs().mean(1, keepdim=True)),
    "written over": written_over,
    "greater": lambda x: torch.maximum(x, x.flip(1)),
    "smaller": lambda x: torch.minimum(x.roll(1, 1), x),
    "maxout": lambda x: torch.cat([x.amax(1, keepdim=True), x.max(1, keepdim=True).values, x[:, :4].clone()], 1),
    "least": lambda x: x - x.amin((2, 3), keepdim=True),
    "overlapping max pool": lambda x: F.max_pool2d(x, 3, 1, 1),
    "adaptive max pool": lambda x: F.adaptive_max_pool2d(x, (3, 2)),
    "softmax": lambda x: (4 * x).softmax(1) * 3,
    "log softmax": lambda x: x.log_softmax(1),
    "layer norm": lambda x: F.layer_norm(x, x.shape[1:]),
    "group norm": lambda x: F.group_norm(x, 3, torch.linspace(-1, 1, 6, dtype=x.dtype)),
    "instance norm": lambda x: F.instance_norm(x) ** 2,
    "unit length": lambda x: F.normalize(x, dim=1),
    "cumulated products": lambda x: torch.cumprod(x, 1),
    "weights made of the input": lambda x: F.conv2d(x[:1], x.mean((2, 3))[:1, :, None, None].expand(6, 6, 1, 1)),
}


@both
@pytest.mark.parametrize("name", MIDDLES)
def test_complete_through(name: str, variant: str) -> None:
    module = randomised(Odd(MIDDLES[name]), 7).double()
    assert missing(module, smooth(1, 3, 8, 7, seed=5, dtype=torch.float64), variant=variant) < 1e-9


@both
def test_complete_with_attention(variant: str) -> None:
    module = randomised(Attention(), 3).double()
    assert missing(module, smooth(2, 3, 8, 8, seed=5, dtype=torch.float64), variant=variant) < 1e-9


def vision_transformer() -> nn.Module:
    module = torchvision.models.VisionTransformer(32, 8, 2, 2, 16, 24, num_classes=5)
    nn.init.normal_(module.heads.head.weight)
    return module


def efficientnet() -> nn.Module:
    from torchvision.models.efficientnet import EfficientNet, MBConvConfig

    return EfficientNet(
        [MBConvConfig(1, 3, 1, 32, 8, 1, 1, 1), MBConvConfig(4, 5, 2, 8, 12, 2, 1, 1)], 0.2, num_classes=5
    )


def convnext() -> nn.Module:
    from torchvision.models.convnext import CNBlockConfig, ConvNeXt

    return ConvNeXt([CNBlockConfig(8, 12, 2), CNBlockConfig(12, None, 2)], layer_scale=0.5, num_classes=5)


MODERN: dict[str, Callable[[], nn.Module]] = {
    "efficientnet": efficientnet,
    "mobilenet_v2": lambda: torchvision.models.mobilenet_v2(num_classes=5, width_mult=0.25),
    "vision transformer": vision_transformer,
    "convnext": convnext,
}


@both
@pytest.mark.parametrize("name", MODERN)
def test_complete_on_torchvision_unmodified(name: str, variant: str) -> None:
    torch.manual_seed(1)
    module = MODERN[name]().double().eval()
    assert missing(module, smooth(1, 3, 32, 32, seed=5, dtype=torch.float64), variant=variant) < 1e-9


def test_the_books_close_on_resnet18_in_single_precision() -> None:
    module, x = big("resnet18"), smooth(1, 3, 48, 48, seed=5)
    account = lift(module, x, 3).account
    with torch.no_grad():
        seed = float(module(x)[0, 3] - module(lowest(x))[0, 3])
    assert account["seed"] == pytest.approx(seed, rel=1e-4, abs=1e-5)
    assert abs(account["error"]) <= 1e-4 * max(1.0, abs(seed), 1e-3 * account["magnitude"])
