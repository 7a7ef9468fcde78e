"""Classifiers of torchvision, for any number of input channels and labels. Built by the library, never copied."""

from __future__ import annotations

from typing import Any

from torch import nn

from xai_core.models.architectures import architecture
from xai_core.models.card import Card

FAMILY = ("resnet18", "resnet34", "resnet50", "densenet121", "densenet161", "vgg16", "inception_v3")


def _built(name: str, card: Card) -> nn.Module:
    import torchvision

    options: dict[str, Any] = {"init_weights": False} if name == "inception_v3" else {}
    network: nn.Module = getattr(torchvision.models, name)(weights=None, num_classes=len(card.labels), **options)
    return _with_channels(network, card.input.channels)


def _with_channels(network: nn.Module, channels: int) -> nn.Module:
    """``network`` with a first convolution for ``channels``."""
    path, first = next((name, part) for name, part in network.named_modules() if isinstance(part, nn.Conv2d))
    if first.in_channels != channels:
        parent, _, name = path.rpartition(".")
        fresh = nn.Conv2d(
            channels,
            first.out_channels,
            first.kernel_size,  # type: ignore[arg-type]
            first.stride,  # type: ignore[arg-type]
            first.padding,  # type: ignore[arg-type]
            bias=first.bias is not None,
        )
        setattr(network.get_submodule(parent), name, fresh)
    return network


for _name in FAMILY:
    architecture(_name)(lambda card, name=_name: _built(name, card))  # type: ignore[misc]
