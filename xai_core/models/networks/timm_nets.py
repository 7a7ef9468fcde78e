"""Classifiers of timm that torchvision has not, for any number of input channels and labels."""

from __future__ import annotations

from typing import cast

from torch import nn

from xai_core.models.architectures import architecture
from xai_core.models.card import Card


@architecture("inception-resnet-v2")
def _inception_resnet_v2(card: Card) -> nn.Module:
    import timm

    labels, channels = len(card.labels), card.input.channels
    return cast(
        nn.Module, timm.create_model("inception_resnet_v2", pretrained=False, num_classes=labels, in_chans=channels)
    )
