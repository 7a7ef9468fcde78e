"""Networks the tests explain: small ones of every shape the rules must meet, and the four of the matrix.

All are plain ``nn.Module`` s in eval mode with weights from a fixed seed. The four torchvision networks are
unmodified; their batch-norm statistics come from a few batches of smooth noise in train mode, since the
statistics of a fresh network (mean 0, variance 1) let activations grow or vanish with depth.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

BIG = ("resnet18", "vgg16", "densenet121", "inception_v3")
SIDE = {"resnet18": 64, "vgg16": 64, "densenet121": 64, "inception_v3": 96}


def smooth(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    """Smooth noise of both signs with about unit variance, of shape (N, C, *space)."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(*shape, generator=generator)
    pool = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[len(shape) - 3]
    blurred = pool(noise, 3, 1, 1)
    return ((blurred + 0.25 * noise) / (blurred + 0.25 * noise).std()).to(dtype)


@functools.lru_cache(maxsize=4)
def big(name: str, side: int | None = None) -> nn.Module:
    """A torchvision network of the matrix with random weights and realistic statistics; shared: leave it as it is."""
    side = side or SIDE[name]
    torch.manual_seed(0)
    options = {"init_weights": False} if name == "inception_v3" else {}
    module = getattr(torchvision.models, name)(weights=None, num_classes=10, **options)
    if name == "vgg16":  # no batch norm: shrink the two large layers so that they fit a test's seconds
        module.avgpool = nn.AdaptiveAvgPool2d((2, 2))
        module.classifier[0] = nn.Linear(512 * 4, 256)
        module.classifier[3] = nn.Linear(256, 256)
        module.classifier[6] = nn.Linear(256, 10)
        _he(module)
    else:
        _he(module)
        _settle(module, side)
    return module.eval()


def whole(name: str, side: int) -> nn.Module:
    """The torchvision network as it comes (1000 classes, full VGG head), statistics settled: for the benchmark."""
    torch.manual_seed(0)
    options = {"init_weights": False} if name == "inception_v3" else {}
    module = getattr(torchvision.models, name)(weights=None, **options)
    if name != "vgg16":
        _settle(module, side)
    return module.eval()


def _he(module: nn.Module) -> None:
    generator = torch.Generator().manual_seed(3)
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            if layer.bias is not None:
                nn.init.normal_(layer.bias, 0.0, 0.1, generator=generator)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5, generator=generator)
            nn.init.normal_(layer.bias, 0.0, 0.2, generator=generator)


def _settle(module: nn.Module, side: int, batches: int = 3) -> None:
    norms = [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    module.eval()
    for norm in norms:  # only these train: no dropout, no auxiliary branch
        norm.momentum = 0.5
        norm.train()
    with torch.no_grad():
        for batch in range(batches):
            module(smooth(4, 3, side, side, seed=100 + batch))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()


# --- small networks ----------------------------------------------------------------------------------------

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
MAX_POOLS = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
AVERAGE_POOLS = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
ADAPTIVE_POOLS = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)


def randomised(module: nn.Module, seed: int = 0) -> nn.Module:
    """``module`` in eval mode with He-normal weights, biases and lively batch-norm statistics from ``seed``."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in list(module.named_parameters()) + list(module.named_buffers()):
        if not value.is_floating_point():
            continue
        with torch.no_grad():
            if name.endswith("running_var") or (name.endswith("weight") and value.ndim == 1):
                value.uniform_(0.5, 1.5, generator=generator)
            elif value.ndim <= 1:
                value.normal_(0.0, 0.2, generator=generator)
            else:
                value.normal_(0.0, (2.0 / value[0].numel()) ** 0.5, generator=generator)
    return module.eval()


class Plain(nn.Module):
    """Convolutions, ReLU, pooling of both kinds and a head, in one, two or three dimensions."""

    def __init__(self, dims: int = 2, channels: int = 3, labels: int = 4) -> None:
        super().__init__()
        conv = CONVOLUTIONS[dims - 1]
        self.features = nn.Sequential(
            conv(channels, 6, 3, padding=1),
            nn.ReLU(inplace=True),
            MAX_POOLS[dims - 1](2),
            conv(6, 8, 3, padding=1, stride=2),
            nn.ReLU(),
            AVERAGE_POOLS[dims - 1](2, stride=1),
        )
        self.pool = ADAPTIVE_POOLS[dims - 1](1)
        self.head = nn.Sequential(
            nn.Flatten(), nn.Linear(8, 7), nn.ReLU(inplace=True), nn.Dropout(), nn.Linear(7, labels)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.pool(self.features(x)))


class Residual(nn.Module):
    """Two blocks with batch norm: one adds in place to a sum, the other strides through a downsampling branch."""

    def __init__(self, dims: int = 2, channels: int = 3, labels: int = 4) -> None:
        super().__init__()
        conv, norm = CONVOLUTIONS[dims - 1], NORMS[dims - 1]
        self.stem, self.stem_norm = conv(channels, 6, 3, padding=1, bias=False), norm(6)
        self.conv1, self.norm1 = conv(6, 6, 3, padding=1, bias=False), norm(6)
        self.conv2, self.norm2 = conv(6, 6, 3, padding=1, bias=False), norm(6)
        self.conv3, self.norm3 = conv(6, 8, 3, padding=1, stride=2, bias=True), norm(8)
        self.down, self.down_norm = conv(6, 8, 1, stride=2, bias=False), norm(8)
        self.relu = nn.ReLU(inplace=True)
        self.pool = ADAPTIVE_POOLS[dims - 1](1)
        self.head = nn.Linear(8, labels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.stem_norm(self.stem(x)))
        branch = self.norm2(self.conv2(self.relu(self.norm1(self.conv1(x)))))
        branch += x
        x = self.relu(branch)
        x = self.relu(self.norm3(self.conv3(x)) + self.down_norm(self.down(x)))
        return self.head(torch.flatten(self.pool(x), 1))


class Dense(nn.Module):
    """DenseNet's order: batch norm, ReLU, convolution over a growing concatenation; average pooling of signs."""

    def __init__(self, dims: int = 2, channels: int = 3, labels: int = 4) -> None:
        super().__init__()
        conv, norm = CONVOLUTIONS[dims - 1], NORMS[dims - 1]
        self.stem = conv(channels, 5, 3, padding=1, bias=False)
        self.norm1, self.conv1 = norm(5), conv(5, 4, 3, padding=1, bias=False)
        self.norm2, self.conv2 = norm(9), conv(9, 4, 3, padding=1, bias=False)
        self.norm3, self.conv3 = norm(13), conv(13, 6, 1, bias=False)
        self.pool = AVERAGE_POOLS[dims - 1](2)
        self.norm4 = norm(6)
        self.head = nn.Linear(6, labels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = torch.cat([x, self.conv1(F.relu(self.norm1(x)))], 1)
        x = torch.cat([x, self.conv2(F.relu(self.norm2(x)))], 1)
        x = self.pool(self.conv3(F.relu(self.norm3(x))))
        x = F.relu(self.norm4(x), inplace=True)
        return self.head(x.flatten(2).mean(-1))


class Branches(nn.Module):
    """Inception's order: four branches of convolution, norm and functional ReLU, one pooled, concatenated."""

    def __init__(self, channels: int = 3, labels: int = 4) -> None:
        super().__init__()
        self.a, self.a_norm = nn.Conv2d(channels, 4, 1, bias=False), nn.BatchNorm2d(4, eps=0.001)
        self.b, self.b_norm = nn.Conv2d(channels, 4, (1, 3), padding=(0, 1), bias=False), nn.BatchNorm2d(4, eps=0.001)
        self.c, self.c_norm = nn.Conv2d(channels, 3, 1, bias=False), nn.BatchNorm2d(3, eps=0.001)
        self.last = nn.Conv2d(11 + channels, 6, 3, groups=1, dilation=2, padding=2)
        self.head = nn.Linear(6, labels)

    def forward(self, x: Tensor) -> Tensor:
        a = F.relu(self.a_norm(self.a(x)), inplace=True)
        b = F.relu(self.b_norm(self.b(x)), inplace=True)
        c = F.relu(self.c_norm(self.c(F.avg_pool2d(x, 3, 1, 1))), inplace=True)
        d = F.max_pool2d(x, 3, 1, 1)
        x = F.relu(self.last(torch.cat([a, b, c, d], 1)))
        return self.head(F.adaptive_avg_pool2d(x, (1, 1)).view(x.shape[0], -1))


class Gated(nn.Module):
    """Squeeze and excitation: a sigmoid gate, broadcast over space, multiplies the signal."""

    def __init__(self, channels: int = 3, labels: int = 4) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 6, 3, padding=1)
        self.squeeze = nn.Linear(6, 3)
        self.excite = nn.Linear(3, 6)
        self.after = nn.Conv2d(6, 5, 3)
        self.head = nn.Linear(5, labels)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.conv(x))
        gate = torch.sigmoid(self.excite(torch.relu(self.squeeze(x.mean((2, 3))))))
        x = torch.relu(self.after(x * gate[:, :, None, None]))
        return self.head(x.mean((2, 3)))


class PointWise(nn.Module):
    """ConvNeXt's block: fully connected layers on channels-last positions inside a residual sum, and a pooled head."""

    def __init__(self, channels: int = 3, labels: int = 4) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, 6, 2, stride=2)
        self.depthwise = nn.Conv2d(6, 6, 3, padding=1, groups=6)
        self.widen, self.narrow = nn.Linear(6, 9), nn.Linear(9, 6, bias=False)
        self.gelu = nn.GELU()
        self.hidden, self.head = nn.Linear(6, 5), nn.Linear(5, labels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        branch = self.depthwise(x).permute(0, 2, 3, 1)
        x = x + self.narrow(self.gelu(self.widen(branch))).permute(0, 3, 1, 2)
        return self.head(F.relu(self.hidden(F.relu(x).mean((2, 3)))))


class UNet(nn.Module):
    """One level down and up again, transposed convolution, skip by concatenation; (N, labels, *space) logits."""

    def __init__(self, dims: int = 2, channels: int = 1, labels: int = 2) -> None:
        super().__init__()
        conv, norm = CONVOLUTIONS[dims - 1], NORMS[dims - 1]
        self.enter, self.enter_norm = conv(channels, 4, 3, padding=1), norm(4)
        self.low = conv(4, 6, 3, padding=1)
        self.up = TRANSPOSED[dims - 1](6, 4, 2, stride=2)
        self.out = conv(8, labels, 1)
        self.pool = MAX_POOLS[dims - 1](2)

    def forward(self, x: Tensor) -> Tensor:
        x = F.leaky_relu(self.enter_norm(self.enter(x)), 0.2)
        low = F.relu(self.low(self.pool(x)))
        return self.out(torch.cat([x, self.up(low)], 1))


class PaddedUNet(nn.Module):
    """The U-Net of odd sizes, 3-D: unpadded convolutions, skips cropped to fit, ``F.pad`` back to the input's grid.

    Functional and in-place operations throughout, instance norm without statistics, a resize and no up-convolution.
    """

    def __init__(self, channels: int = 2, labels: int = 3) -> None:
        super().__init__()
        self.enter = nn.Conv3d(channels, 6, 3)
        self.low = nn.Conv3d(6, 8, 3, padding=1, bias=False)
        self.low_norm = nn.BatchNorm3d(8)
        self.join = nn.Conv3d(14, 6, (1, 3, 3), padding=(0, 1, 1))
        self.out = nn.Conv3d(6, labels, 1)

    def forward(self, x: Tensor) -> Tensor:
        space = x.shape[2:]
        x = F.leaky_relu_(F.instance_norm(self.enter(x)), 0.1)
        odd = [size % 2 for size in x.shape[2:]]
        even = F.pad(x, [0, odd[2], 0, odd[1], 0, odd[0]])
        low = F.elu(self.low_norm(self.low(F.max_pool3d(even, 2))), inplace=True)
        up = F.interpolate(low, scale_factor=2, mode="trilinear", align_corners=False)
        fitting = [slice(None), slice(None)] + [slice(0, size) for size in x.shape[2:]]
        x = torch.cat([x, up[tuple(fitting)]], dim=1)
        x = self.out(F.relu_(self.join(x)))
        missing = [whole - part for whole, part in zip(space, x.shape[2:], strict=True)]
        return F.pad(x, [side for gap in reversed(missing) for side in (gap // 2, gap - gap // 2)])


SMALL: dict[str, Callable[[], nn.Module]] = {
    "plain1d": lambda: Plain(1),
    "plain2d": lambda: Plain(2),
    "plain3d": lambda: Plain(3, channels=2),
    "residual2d": lambda: Residual(2),
    "residual3d": lambda: Residual(3, channels=2),
    "dense2d": lambda: Dense(2),
    "branches": lambda: Branches(),
    "gated": lambda: Gated(),
}
INPUT = {
    "plain1d": (2, 3, 17),
    "plain2d": (2, 3, 10, 9),
    "plain3d": (2, 2, 6, 7, 8),
    "residual2d": (2, 3, 8, 9),
    "residual3d": (2, 2, 5, 6, 7),
    "dense2d": (2, 3, 8, 10),
    "branches": (2, 3, 8, 7),
    "gated": (2, 3, 7, 8),
}


@functools.lru_cache(maxsize=32)
def small(name: str, dtype: torch.dtype = torch.float64, seed: int = 1) -> tuple[nn.Module, Tensor]:
    """A small network by name and an input for it; shared, so leave them as they are."""
    return randomised(SMALL[name](), seed).to(dtype), smooth(*INPUT[name], seed=seed + 50, dtype=dtype)
