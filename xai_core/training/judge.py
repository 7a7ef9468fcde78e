"""A frozen classifier as the judge of generated films, and what it says to those of a pair of generators."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from xai_core.models.card import Card
from xai_core.models.shelf import furnished


@dataclass(frozen=True)
class Judge:
    """A frozen classifier asked for one label: images to calibrated logits, at least 0 where its card says yes."""

    module: nn.Module
    column: int
    temperature: float
    cut: float

    def __call__(self, images: Tensor) -> Tensor:
        logits: Tensor = self.module(images)
        return (logits[:, self.column].float() - self.cut) / self.temperature


def judge_of(card: Card, weights: Path, label: str) -> tuple[Judge, str]:
    """The judge a card describes, and the SHA-256 of its weights."""
    module, digest = furnished(card, weights)
    module = module.to(memory_format=torch.channels_last)
    temperature = card.temperatures.get(label, 1.0)
    return Judge(module, card.labels.index(label), temperature, card.decision_logit(label)), digest


@dataclass(frozen=True)
class Outcome:
    """Film by film (N,): what was ``said`` of the film and by which ``margin`` (calibrated logits from the threshold), whether that was
    turned and kept, and mean absolute differences in grey value (0..1)."""

    said: NDArray[np.bool_]
    margin: NDArray[np.float32]
    turned: NDArray[np.bool_]
    kept: NDArray[np.bool_]
    moved: NDArray[np.float32]
    apart: NDArray[np.float32]
    maps: NDArray[np.float32]


@torch.no_grad()
def outcome(module: nn.Module, judge: Judge, images: Tensor, step: int = 32) -> Outcome:
    """What the pair makes of films (N, 1, H, W), and what the judge says to it; ``maps`` (N, H, W) are the explanations."""
    found: list[tuple[Tensor, ...]] = []
    for part in torch.split(images, step):
        similar, adversarial = module(part)
        answer = judge(part)
        said, same, other = answer >= 0, judge(similar) >= 0, judge(adversarial) >= 0
        maps = (similar - adversarial).abs()[:, 0]
        moved, apart = (similar - part).abs().mean((1, 2, 3)), maps.mean((1, 2))
        found.append((said, answer.abs(), other != said, same == said, moved, apart, maps))
    return Outcome(*(torch.cat(parts).numpy() for parts in zip(*found, strict=True)))
