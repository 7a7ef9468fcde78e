"""Multilayer perceptrons on small pictures, as Bach et al. 2015 train them on MNIST: three hidden layers of one width.

Architectures by name: ``mlp-400x3-tanh`` (experiment I), ``mlp-1296x3-tanh`` and ``mlp-1296x3-relu`` (experiment II).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import nn

from xai_core.models.architectures import architecture
from xai_core.models.card import Card

ACTIVATIONS: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "relu": nn.ReLU}


class Perceptron(nn.Module):
    """(N, C, H, W) or (N, inputs) to logits (N, labels); ``hidden``: widths of the layers between, each with its activation."""

    def __init__(self, inputs: int, hidden: Sequence[int], labels: int, activation: type[nn.Module]) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten()]
        for enter, leave in itertools.pairwise((inputs, *hidden)):
            layers += [nn.Linear(enter, leave), activation()]
        self.layers = nn.Sequential(*layers, nn.Linear((inputs, *hidden)[-1], labels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.layers(x)
        return logits


def named(width: int, activation: str) -> str:
    """The architecture's name for three hidden layers of ``width``."""
    return f"mlp-{width}x3-{activation}"


def _register(width: int, activation: str) -> None:
    @architecture(named(width, activation))
    def _built(card: Card) -> nn.Module:
        inputs = card.input.channels * math.prod(card.input.size)
        return Perceptron(inputs, (width,) * 3, len(card.labels), ACTIVATIONS[activation])


for _width, _activation in ((400, "tanh"), (1296, "tanh"), (1296, "relu")):
    _register(_width, _activation)
