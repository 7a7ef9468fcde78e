"""The U-Net of MONAI bundles (Kerfoot et al. 2019; Çiçek et al. 2016), in two or three dimensions, with MONAI's names of weights.

Every level is a residual unit (or one convolution) that strides down, and a transposed convolution that strides up again; the
level below stands between the two and its answer is joined to its input. Written after the layout of the state dict, so that
weights load as they are; MONAI itself is not needed.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from xai_core.models.architectures import architecture
from xai_core.models.card import Card

CONVOLUTIONS = {2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
NORMS = {
    ("instance", 2): nn.InstanceNorm2d,
    ("instance", 3): nn.InstanceNorm3d,
    ("batch", 2): nn.BatchNorm2d,
    ("batch", 3): nn.BatchNorm3d,
}
ACTIVATIONS = {"prelu": nn.PReLU, "relu": nn.ReLU, "leakyrelu": nn.LeakyReLU}


@dataclass(frozen=True)
class Kind:
    """What all units share: ``dims``, ``norm``, ``activation``, ``units`` in a residual unit (0: plain convolutions), and
    sides of the kernels going down and up."""

    dims: int
    norm: str
    activation: str
    units: int
    down: int = 3
    up: int = 3


def _closing(kind: Kind, channels: int) -> nn.Sequential:
    """Norm and activation, under the names "N" and "A"."""
    norm = NORMS[kind.norm, kind.dims](channels)
    return nn.Sequential(OrderedDict(N=norm, A=ACTIVATIONS[kind.activation]()))


def _convolution(kind: Kind, below: int, above: int, stride: int, is_bare: bool) -> nn.Sequential:
    convolution = CONVOLUTIONS[kind.dims](below, above, kind.down, stride, kind.down // 2)
    parts: OrderedDict[str, nn.Module] = OrderedDict(conv=convolution)
    if not is_bare:
        parts["adn"] = _closing(kind, above)
    return nn.Sequential(parts)


def _upwards(kind: Kind, below: int, above: int, stride: int, is_bare: bool) -> nn.Sequential:
    padding, rest = (kind.up - 1) // 2, stride - 1
    convolution = TRANSPOSED[kind.dims](below, above, kind.up, stride, padding, rest)
    parts: OrderedDict[str, nn.Module] = OrderedDict(conv=convolution)
    if not is_bare:
        parts["adn"] = _closing(kind, above)
    return nn.Sequential(parts)


class Residual(nn.Module):
    """Convolutions beside a shortcut, which is a convolution itself where size or channels change."""

    def __init__(self, kind: Kind, below: int, above: int, stride: int, units: int, is_last_bare: bool) -> None:
        super().__init__()
        self.conv = nn.Sequential()
        channels, step = below, stride
        for number in range(units):
            is_bare = is_last_bare and number == units - 1
            self.conv.add_module(f"unit{number}", _convolution(kind, channels, above, step, is_bare))
            channels, step = above, 1
        self.residual: nn.Module = nn.Identity()
        if stride != 1 or below != above:
            side = kind.down if stride != 1 else 1
            self.residual = CONVOLUTIONS[kind.dims](below, above, side, stride, side // 2)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.conv(x) + self.residual(x)
        return answer


class Skip(nn.Module):
    """The input joined to what lies below."""

    def __init__(self, submodule: nn.Module) -> None:
        super().__init__()
        self.submodule = submodule

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.submodule(x)], 1)


def _down(kind: Kind, below: int, above: int, stride: int) -> nn.Module:
    if kind.units:
        return Residual(kind, below, above, stride, kind.units, is_last_bare=False)
    return _convolution(kind, below, above, stride, is_bare=False)


def _up(kind: Kind, below: int, above: int, stride: int, is_top: bool) -> nn.Module:
    up = _upwards(kind, below, above, stride, is_bare=is_top and not kind.units)
    return nn.Sequential(up, Residual(kind, above, above, 1, 1, is_last_bare=is_top)) if kind.units else up


def _level(kind: Kind, below: int, out: int, widths: list[int], strides: list[int], is_top: bool) -> nn.Sequential:
    """One level and all that lies under it: (N, below, *space) to (N, out, *space)."""
    width, stride = widths[0], strides[0]
    if len(widths) > 2:
        inner: nn.Module = _level(kind, width, width, widths[1:], strides[1:], is_top=False)
        joined = 2 * width
    else:
        inner = _down(kind, width, widths[1], 1)
        joined = width + widths[1]
    return nn.Sequential(_down(kind, below, width, stride), Skip(inner), _up(kind, joined, out, stride, is_top))


@architecture("monai-unet")
def monai_unet(card: Card) -> nn.Module:
    """Options: ``widths`` (channels of each level), ``strides`` (one fewer), ``units``, ``norm`` "instance" or "batch",
    ``activation`` "prelu", "relu" or "leakyrelu", ``down`` and ``up`` (sides of the kernels)."""
    options = card.options
    widths, strides = [int(n) for n in options["widths"]], [int(n) for n in options["strides"]]
    if len(widths) < 2 or len(strides) != len(widths) - 1:
        raise ValueError("a U-Net needs two widths or more, and one stride fewer than widths")
    kind = Kind(
        len(card.input.size),
        str(options.get("norm", "instance")),
        str(options.get("activation", "prelu")),
        int(options.get("units", 0)),
        int(options.get("down", 3)),
        int(options.get("up", 3)),
    )
    body = _level(kind, card.input.channels, len(card.labels), widths, strides, is_top=True)
    return nn.Sequential(OrderedDict(model=body))
