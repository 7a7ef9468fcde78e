"""Three small classifiers as their authors published them: keys and order of layers are theirs."""

from __future__ import annotations

import itertools
from collections import OrderedDict

from torch import nn

from xai_core.models.architectures import architecture
from xai_core.models.card import Card


def _stage(below: int, above: int) -> tuple[nn.Module, nn.Module, nn.Module]:
    return nn.Conv2d(below, above, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)


@architecture("brain-cnn4")
def brain_cnn4(card: Card) -> nn.Module:
    """Two convolutions and two fully connected layers on 64 x 64 (github sania-2912/Brain-Tumor-Detector)."""
    body = nn.Sequential(*_stage(card.input.channels, 16), *_stage(16, 32))
    head = nn.Sequential(nn.Flatten(), nn.Linear(8192, 64), nn.ReLU(), nn.Linear(64, len(card.labels)))
    return nn.Sequential(OrderedDict(conv_layers=body, fc_layers=head))


@architecture("tiny-vgg")
def tiny_vgg(card: Card) -> nn.Module:
    """Two pairs of convolutions and one fully connected layer on 64 x 64 (github Umar123-git/Pneumonia-Detection-Model)."""

    def pair(below: int) -> nn.Sequential:
        first, relu, _ = _stage(below, 10)
        return nn.Sequential(first, relu, *_stage(10, 10))

    head = nn.Sequential(nn.Flatten(), nn.Linear(2560, len(card.labels)))
    return nn.Sequential(OrderedDict(conv_block_1=pair(card.input.channels), conv_block_2=pair(10), classifier=head))


@architecture("vgg-bn5")
def vgg_bn5(card: Card) -> nn.Module:
    """Five convolutions with batch norm and three fully connected layers on 150 x 150 (github ansh-ankul/Pneumonia-detection);
    its closing sigmoid is left off, so that the output is the logit."""
    stages: list[nn.Module] = []
    for below, above in itertools.pairwise((card.input.channels, 8, 8, 8, 16, 16)):
        convolution, relu, pool = _stage(below, above)
        stages += [convolution, nn.BatchNorm2d(above), relu, pool]
    head = nn.Sequential(
        nn.Flatten(),
        *(nn.Linear(256, 64), nn.ReLU(), nn.Dropout()),
        *(nn.Linear(64, 32), nn.ReLU(), nn.Dropout()),
        nn.Linear(32, len(card.labels)),
    )
    return nn.Sequential(OrderedDict(conv_layers=nn.Sequential(*stages), fc_layers=head))
