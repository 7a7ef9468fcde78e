"""MobileNet v2 (Sandler et al. 2018, arXiv 1801.04381) with squeeze and excitation in its later blocks, batch norm folded into
the convolutions, padding as TensorFlow does it ("SAME": the odd pixel at the end).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xai_core.models.architectures import architecture
from xai_core.models.card import Card

BLOCKS = (
    *((16, 1, False), (24, 2, False), (24, 1, False), (32, 2, False), (32, 1, False), (32, 1, False)),
    *((64, 2, False), (64, 1, False), (64, 1, False), (64, 1, False)),
    *((96, 1, True), (96, 1, True), (96, 1, True), (160, 2, True), (160, 1, True), (160, 1, True), (320, 1, True)),
)
"""Output channels, stride, and whether the block is gated."""
WIDENED = 6
SQUEEZED = 16


class Block(nn.Module):
    """Widen by 1x1, filter each channel by 3x3, gate it, narrow by 1x1; added to its input where the shapes allow it."""

    def __init__(self, below: int, above: int, stride: int, is_gated: bool) -> None:
        super().__init__()
        wide = WIDENED * below
        self.stride, self.is_added = stride, stride == 1 and below == above
        self.widen = nn.Conv2d(below, wide, 1)
        self.each = nn.Conv2d(wide, wide, 3, stride=stride, padding=1 if stride == 1 else 0, groups=wide)
        self.squeeze = nn.Linear(wide, wide // SQUEEZED) if is_gated else None
        self.excite = nn.Linear(wide // SQUEEZED, wide) if is_gated else None
        self.narrow = nn.Conv2d(wide, above, 1)

    def forward(self, x: Tensor) -> Tensor:
        wide = torch.relu(self.widen(x))
        wide = torch.relu(self.each(wide if self.stride == 1 else _same(wide)))
        if self.squeeze is not None and self.excite is not None:
            gate = torch.sigmoid(self.excite(torch.relu(self.squeeze(wide.mean((2, 3))))))
            wide = wide * gate[:, :, None, None]
        narrow: Tensor = self.narrow(wide)
        return narrow + x if self.is_added else narrow


class SEMobileNet(nn.Module):
    """(N, C, H, W) with even sides to (N, labels)."""

    def __init__(self, channels: int, labels: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, 32, 3, stride=2)
        self.blocks = nn.Sequential()
        below = 32
        for above, stride, is_gated in BLOCKS:
            self.blocks.append(Block(below, above, stride, is_gated))
            below = above
        self.last = nn.Conv2d(below, 1280, 1)
        self.head = nn.Linear(1280, labels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(torch.relu(self.stem(_same(x))))
        logits: Tensor = self.head(torch.relu(self.last(x)).mean((2, 3)))
        return logits


def _same(x: Tensor) -> Tensor:
    """One pixel more at the bottom and the right, as a stride of two needs it on even sides."""
    return F.pad(x, (0, 1, 0, 1))


@architecture("se-mobilenetv2")
def se_mobilenetv2(card: Card) -> nn.Module:
    return SEMobileNet(card.input.channels, len(card.labels))
