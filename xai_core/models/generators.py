"""The two small generators of ``adversarial-generators`` (Charachon et al. 2020), one shape for both.

A generator gives the film plus a change, kept within the range of films. The change is a U-Net's, which looks at the film on
64 x 64 places whatever its size, and paints on 32 x 32, stretched smoothly: it can lay shadows and take them away, but not the fine
noise that fools networks, and what it learned on small films holds on large ones.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from xai_core.models.architectures import LungUNet, architecture
from xai_core.models.card import Card

WIDTHS = (24, 48, 80, 112)
GRID = 64
"""Places a side that a generator looks at."""


class Generator(nn.Module):
    """Film (N, 1, H, W) in [0, 1] to a film of the same shape and range; it starts as the identity."""

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        self.network = LungUNet(1, 1, widths)
        nn.init.zeros_(self.network.head.weight)
        if self.network.head.bias is not None:
            nn.init.zeros_(self.network.head.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        change = self.network(F.adaptive_avg_pool2d(x, GRID)).float()
        change = F.interpolate(change, size=x.shape[-2:], mode="bilinear", align_corners=False)
        return (x + change).clamp(0.0, 1.0)


class GeneratorPair(nn.Module):
    """``similar`` keeps the class a classifier gives a film, ``adversarial`` turns it; both (N, 1, H, W) in [0, 1]."""

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        self.similar = Generator(widths)
        self.adversarial = Generator(widths)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.similar(x), self.adversarial(x)


@architecture("generator-pair")
def _generator_pair(card: Card) -> nn.Module:
    return GeneratorPair()
