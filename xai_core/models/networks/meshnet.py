"""MeshNet: dilated 3-D convolutions in a row, every one as fine as the volume (Fedorov et al. 2017, arXiv 1612.00940)."""

from __future__ import annotations

from torch import nn

from xai_core.models.architectures import architecture
from xai_core.models.card import Card

ACTIVATIONS = {"relu": nn.ReLU, "elu": nn.ELU}
DILATIONS = (1, 2, 4, 8, 16, 8, 4, 2, 1)
"""Of the 3x3x3 layers of most published networks; a 1x1x1 layer follows."""


@architecture("meshnet")
def meshnet(card: Card) -> nn.Module:
    """(N, 1, D, H, W) to (N, labels, D, H, W). Options: ``width`` (channels), ``activation`` and ``dilations``."""
    width = int(card.options["width"])
    activation = ACTIVATIONS[card.options["activation"]]
    dilations = tuple(int(step) for step in card.options.get("dilations", DILATIONS))
    network = nn.Sequential()
    below = card.input.channels
    for number, step in enumerate(dilations):
        network.add_module(f"conv{number}", nn.Conv3d(below, width, 3, padding=step, dilation=step))
        network.add_module(f"activation{number}", activation())
        below = width
    network.add_module(f"conv{len(dilations)}", nn.Conv3d(below, len(card.labels), 1))
    return network
