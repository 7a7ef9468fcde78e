"""The networks a card may name: builders by name, weights not included.

A new architecture is one decorated function here or in a module of ``networks``; ``card.architecture`` picks it.
All are plain ``nn.Module`` s of plain operations, so that every explainer has a rule for every step. Libraries of networks
are imported where they are used: each takes seconds.
"""

from __future__ import annotations

import importlib
import itertools
import pkgutil
from collections.abc import Callable
from typing import cast

import torch
import torch.nn.functional as F
from torch import nn

from xai_core.errors import ModelError
from xai_core.models.card import Card

Builder = Callable[[Card], nn.Module]
_BUILDERS: dict[str, Builder] = {}


def architecture(name: str) -> Callable[[Builder], Builder]:
    """Register the decorated ``builder(card) -> nn.Module`` under ``name``."""

    def add(builder: Builder) -> Builder:
        if name in _BUILDERS:
            raise ValueError(f"architecture {name} is registered twice")
        _BUILDERS[name] = builder
        return builder

    return add


def architectures() -> tuple[str, ...]:
    """Names of all registered architectures."""
    package = importlib.import_module("xai_core.models.networks")
    for found in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{found.name}")
    return tuple(_BUILDERS)


def build(card: Card) -> nn.Module:
    """The network of a card with fresh weights; raises :class:`ModelError` for a name nobody registered, or options that
    its builder does not understand."""
    known = architectures()
    if card.architecture not in known:
        raise ModelError(
            f"The card of '{card.name}' names the architecture '{card.architecture}', which is not known.",
            f"Known architectures: {', '.join(known)}.",
        )
    try:
        return _BUILDERS[card.architecture](card)
    except (TypeError, KeyError, ValueError, RuntimeError) as problem:
        raise ModelError(
            f"The network '{card.architecture}' of '{card.name}' cannot be built from its card: {problem}.",
            "Compare the card's labels, input and options with one that works.",
        ) from None


class _Pair(nn.Sequential):
    """Two 3x3 convolutions, each with batch norm and ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        )


class LungUNet(nn.Module):
    """A small U-Net (Ronneberger 2015): a stem that halves the grid, five levels, bilinear upsampling, one logit a label.

    Input (N, C, H, W) with H and W divisible by 32; output (N, L, H, W).
    """

    def __init__(self, channels: int, labels: int, widths: tuple[int, ...] = (24, 40, 64, 112, 160)) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(channels, 16, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()
        )
        self.down = nn.ModuleList(_Pair(a, b) for a, b in zip((16, *widths[:-1]), widths, strict=True))
        self.pool = nn.MaxPool2d(2)
        reverse = widths[::-1]
        self.up = nn.ModuleList(_Pair(a + b, b) for a, b in itertools.pairwise(reverse))
        self.head = nn.Conv2d(widths[0], labels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.decoded(self.encoded(x))

    def encoded(self, x: torch.Tensor) -> list[torch.Tensor]:
        """The maps of every level on the way down, the deepest last: (N, width, H / 2^k, W / 2^k), k = 1, 2, ..."""
        x = self.stem(x)
        levels = []
        for level, block in enumerate(self.down):
            x = block(self.pool(x) if level else x)
            levels.append(x)
        return levels

    def decoded(self, levels: list[torch.Tensor]) -> torch.Tensor:
        """Logits (N, L, H, W) from the maps of :meth:`encoded`."""
        x = levels[-1]
        for block, skip in zip(self.up, reversed(levels[:-1]), strict=True):
            x = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
            x = block(torch.cat([x, skip], dim=1))
        return F.interpolate(self.head(x), scale_factor=2.0, mode="bilinear", align_corners=False)


@architecture("lung-unet")
def _lung_unet(card: Card) -> nn.Module:
    return LungUNet(card.input.channels, len(card.labels))


@architecture("efficientnet-lite0")
def _efficientnet_lite0(card: Card) -> nn.Module:
    import timm

    labels, channels = len(card.labels), card.input.channels
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=labels, in_chans=channels)
    return cast(nn.Module, network)
