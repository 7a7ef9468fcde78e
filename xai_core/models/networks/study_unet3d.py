"""The 3-D U-Net of the stroke study (Tjoa et al., arXiv 1911.08136), with the names of weights that its published code has.

Four levels of two convolutions each, with bias, batch norm and leaky ReLU of slope 0.2; max pools that round up; up-convolutions
without bias, whose surplus slice is cut off; at the end a 1x1x1 convolution, batch norm and ReLU: no output is below zero.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xai_core.models.architectures import architecture
from xai_core.models.card import Card

SLOPE = 0.2
LEVELS = 4


class StudyBlock(nn.Module):
    """Twice convolution, batch norm, leaky ReLU: (N, below, *space) to (N, above, *space), ``middle`` channels between."""

    def __init__(self, name: str, below: int, middle: int, above: int) -> None:
        super().__init__()
        self.parts = (f"{name}_0", f"{name}_1")
        for part, (enter, leave) in zip(self.parts, ((below, middle), (middle, above)), strict=True):
            self.add_module(f"conv_{part}", nn.Conv3d(enter, leave, 3, padding=1))
            self.add_module(f"bn3d_{part}", nn.BatchNorm3d(leave))

    def forward(self, x: Tensor) -> Tensor:
        for part in self.parts:
            norm, convolution = self.get_submodule(f"bn3d_{part}"), self.get_submodule(f"conv_{part}")
            x = F.leaky_relu(norm(convolution(x)), SLOPE)
        return x


class StudyUNet3d(nn.Module):
    """(N, channels, D, H, W) to (N, labels, D, H, W), any size of at least 8 a side. ``widths``: channels of each of four levels, the
    finest first; ``first``: of the very first convolution."""

    def __init__(self, channels: int, labels: int, widths: Sequence[int], first: int) -> None:
        super().__init__()
        if len(widths) != LEVELS:
            raise ValueError(f"the study's U-Net has {LEVELS} levels, not {len(widths)}")
        a, b, c, d = widths
        self.cblocks1, self.cblocks2 = StudyBlock("1", channels, first, a), StudyBlock("2", a, a, b)
        self.cblocks3, self.cblocks4 = StudyBlock("3", b, b, c), StudyBlock("4", c, c, d)
        self.deconv1, self.cblocks5 = _rise(d), StudyBlock("3b", c + d, c, c)
        self.deconv2, self.cblocks6 = _rise(c), StudyBlock("2b", b + c, b, b)
        self.deconv3, self.cblocks7 = _rise(b), StudyBlock("1b", a + b, a, a)
        self.convf, self.bn = nn.Conv3d(a, labels, 1), nn.BatchNorm3d(labels)
        self.pool = nn.MaxPool3d(2, stride=2, ceil_mode=True)

    def forward(self, x: Tensor) -> Tensor:
        fine = self.cblocks1(x)
        middle = self.cblocks2(self.pool(fine))
        coarse = self.cblocks3(self.pool(middle))
        found = self.cblocks4(self.pool(coarse))
        found = self.cblocks5(_joined(coarse, self.deconv1(found)))
        found = self.cblocks6(_joined(middle, self.deconv2(found)))
        found = self.cblocks7(_joined(fine, self.deconv3(found)))
        return torch.relu(self.bn(self.convf(found)))


def _rise(channels: int) -> nn.ConvTranspose3d:
    return nn.ConvTranspose3d(channels, channels, 2, stride=2, bias=False)


def _joined(skip: Tensor, risen: Tensor) -> Tensor:
    """Both along channels; what rounding up added to ``risen`` is cut off."""
    for axis in range(2, skip.ndim):
        if risen.shape[axis] != skip.shape[axis]:
            risen = risen.narrow(axis, 0, skip.shape[axis])
    return torch.cat([skip, risen], 1)


@architecture("study-unet3d")
def study_unet3d(card: Card) -> nn.Module:
    """Options: ``widths`` (four) and ``first`` (half of the first width where left out)."""
    widths = [int(width) for width in card.options["widths"]]
    first = int(card.options.get("first", max(widths[0] // 2, 1)))
    return StudyUNet3d(card.input.channels, len(card.labels), widths, first)
