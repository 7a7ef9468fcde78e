"""The recipe of ``cxr-resnet18``: a ResNet-18 from scratch on lung crops of children and adults, at growing sizes.

Adults, few and read by radiologists even fewer, come twice an epoch and are helped by soft targets and hints
(``teacher``), or by the soft targets of a shelved network. The controls with the lungs filled in are measured
beside every AUROC; the recipe's ways against them are in ``film_batches``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from xai_core.models.architectures import build
from xai_core.models.card import Card
from xai_core.models.shelf import furnished, shelved
from xai_core.training import Option, Progress, recipe
from xai_core.training.blind_control import blind_control
from xai_core.training.classroom import INPUT, classroom, lesson_loss, taught_by, validated
from xai_core.training.film_batches import batches
from xai_core.training.film_card import publish
from xai_core.training.loop import Batch, Journal, Plan, fit
from xai_core.training.targets import LABELS, PARENTS
from xai_core.training.teacher import HINTS

NAME = "cxr-resnet18"
CARD = Card(
    NAME, "Chest film findings (ResNet-18)", "resnet18", "CXR", "classification", LABELS, ("film",), True, INPUT,
    parents=PARENTS, target_layer="layer4",
)  # fmt: skip
STORY = (
    "A torchvision ResNet-18 with one input channel, trained from scratch on people's labels and on soft targets of {}, "
    "with principal components of ImageNet features as a hint beside them."
)
OPTIONS = (
    Option("small", 11, "epochs at the small size"),
    Option("large", 3, "last epochs at 224 pixels"),
    Option("size", 128, "the small size, pixels"),
    Option("batch", 32, "films a step"),
    Option("outside", 0.72, "share of films whose outside is random"),
    Option("learning_rate", 1.5e-3, "at the peak"),
    Option("teacher", "", "shelved model whose soft targets are learned too; empty: none"),
)


class Student(nn.Module):
    """A ResNet that also guesses the teacher's hints from its pooled features: (N, labels) logits and (N, HINTS)."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network
        self.hint = nn.Linear(network.fc.in_features, HINTS)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        net = self.network
        x = net.maxpool(net.relu(net.bn1(net.conv1(x))))
        pooled = net.avgpool(net.layer4(net.layer3(net.layer2(net.layer1(x))))).flatten(1)
        return net.fc(pooled), self.hint(pooled)


@recipe(NAME, "Chest film findings (ResNet-18)", OPTIONS)
def run(
    data: Path,
    out: Path,
    *,
    seed: int = 0,
    resume: bool = False,
    progress: Progress | None = None,
    small: int = 11,
    large: int = 3,
    size: int = 128,
    batch: int = 32,
    outside: float = 0.72,
    learning_rate: float = 1.5e-3,
    teacher: str = "",
) -> Path:
    """Train, calibrate on validation patients, measure on held-out ones and write weights, manifest and card."""
    journal = Journal(out, progress)
    room = classroom(data, out, journal)
    if teacher:
        card, weights = shelved(teacher)
        room = taught_by(room, furnished(card, weights)[0], card.temperatures, journal)
    epoch_rows = np.concatenate([room.rows("train"), room.rows("train", "nih")])
    plan = Plan(small + large, len(epoch_rows) // batch, learning_rate, weight_decay=0.05, average=0.997, seed=seed)

    def batches_of(epoch: int) -> Iterator[Batch]:
        dice = np.random.default_rng((seed, epoch))
        pixels = size if epoch < small else INPUT.size[0]
        weight = 0.3 if epoch < small // 2 else 0.1
        return batches(
            room.lessons, dice.permutation(epoch_rows), pixels, batch, dice, outside=outside, hint_weight=weight
        )

    def validate(module: nn.Module, epoch: int) -> str:
        return validated(module, room, size if epoch < small else INPUT.size[0])

    torch.manual_seed(seed)
    student = Student(build(CARD))
    fit(student, plan, batches_of, lesson_loss, out, journal, resume=resume, validate=validate, name=NAME)
    options = {
        "seed": seed, "small": small, "large": large, "size": size, "batch": batch, "outside": outside,
        "learning_rate": learning_rate, "teacher": teacher,
    }  # fmt: skip
    story = STORY.format(f"`{teacher}`" if teacher else "report words mixed with a regression on ImageNet features")
    blind = blind_control(room, out, journal, seed, resume)
    return publish(CARD, story, student.network, room, blind, out, journal, options)
