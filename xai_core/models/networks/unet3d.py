"""The 3-D U-Net (Çiçek et al. 2016, arXiv 1606.06650): what a volume shows at several scales, joined on the way up.

Every level is two 3x3x3 convolutions, each with a norm and a ReLU. Going down, a max pool halves the grid and the channels
double; going up, a 2x2x2 up-convolution doubles it again, and the level's own map is joined in front of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from xai_core.models.architectures import architecture
from xai_core.models.card import Card

NORMS = {"batch": nn.BatchNorm3d, "instance": nn.InstanceNorm3d}


class Twice(nn.Sequential):
    """Two 3x3x3 convolutions, each with a norm and a ReLU: (N, below, *space) to (N, above, *space)."""

    def __init__(self, below: int, above: int, norm: str) -> None:
        super().__init__()
        for number, channels in enumerate((below, above)):
            self.add_module(f"conv{number}", nn.Conv3d(channels, above, 3, padding=1, bias=False))
            self.add_module(f"norm{number}", NORMS[norm](above, affine=True))
            self.add_module(f"relu{number}", nn.ReLU())


class UNet3d(nn.Module):
    """One logit a label and voxel: (N, channels, D, H, W) to (N, labels, D, H, W), each side a multiple of
    ``2 ** (len(widths) - 1)``. ``widths``: channels of each level, the finest first."""

    def __init__(self, channels: int, labels: int, widths: Sequence[int], norm: str = "batch") -> None:
        super().__init__()
        if len(widths) < 2:
            raise ValueError("a U-Net needs two levels or more")
        deeper = list(itertools.pairwise((channels, *widths)))
        higher = list(itertools.pairwise(widths[::-1]))
        self.encoder = nn.ModuleList(Twice(below, above, norm) for below, above in deeper)
        self.pool = nn.MaxPool3d(2)
        self.rise = nn.ModuleList(nn.ConvTranspose3d(below, above, 2, stride=2) for below, above in higher)
        self.decoder = nn.ModuleList(Twice(2 * above, above, norm) for _, above in higher)
        self.head = nn.Conv3d(widths[0], labels, 1)

    def forward(self, x: Tensor) -> Tensor:
        levels: list[Tensor] = []
        for block in self.encoder:
            levels.append(block(self.pool(levels[-1]) if levels else x))
        found = levels[-1]
        for rise, block, own in zip(self.rise, self.decoder, levels[-2::-1], strict=True):
            found = block(torch.cat([own, rise(found)], 1))
        answer: Tensor = self.head(found)
        return answer


@architecture("unet3d")
def unet3d(card: Card) -> nn.Module:
    """Options: ``width`` (channels of the finest level), ``levels`` (default 4), ``norm`` "batch" (default) or "instance"."""
    options = card.options
    widths = [int(options["width"]) * 2**level for level in range(int(options.get("levels", 4)))]
    return UNet3d(card.input.channels, len(card.labels), widths, str(options.get("norm", "batch")))
