"""The recipe of ``cxr-resnet18``: a ResNet-18 from scratch on lung crops, with hints and soft targets for adults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from xai_core.models.architectures import build
from xai_core.models.card import Card
from xai_core.training import Option, Progress, chosen, recipe
from xai_core.training.classroom import INPUT, classroom, names_in, said, taught_by
from xai_core.training.curriculum import SUMMARY, schedule, taught
from xai_core.training.loop import Journal
from xai_core.training.targets import LABELS, PARENTS
from xai_core.training.teacher import HINTS

NAME = "cxr-resnet18"
CARD = Card(
    NAME, "Chest film findings (ResNet-18)", "resnet18", "CXR", "classification", LABELS, ("film",), True, INPUT,
    parents=PARENTS, target_layer="layer4", summary=SUMMARY,
)  # fmt: skip
STORY = (
    "A torchvision ResNet-18 with one input channel, trained from scratch on people's labels and on soft targets of {}, "
    "with principal components of ImageNet features as a hint beside them."
)
OPTIONS = (
    *schedule(small=11, large=3, size=128, learning_rate=1.5e-3),
    Option("teachers", "", "shelved models whose soft targets are learned too, with commas between; empty: none"),
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
    data: Path, out: Path, *, seed: int = 0, resume: bool = False, progress: Progress | None = None, **options: Any
) -> Path:
    """Train, calibrate on validation patients, measure on held-out ones and write weights, manifest and card."""
    journal = Journal(out, progress)
    room = classroom(data, out, journal)
    options = chosen(OPTIONS, options)
    teachers = names_in(options["teachers"])
    if teachers:
        room = taught_by(room, teachers, out, journal)
    story = STORY.format(said(teachers) or "report words mixed with a regression on ImageNet features")
    torch.manual_seed(seed)
    return taught(
        CARD, story, Student(build(CARD)), room, out, journal, options,
        seed=seed, resume=resume, weight_decay=0.05, hint_weights=(0.3, 0.1),
    )  # fmt: skip
