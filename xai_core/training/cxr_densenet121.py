"""The recipe of ``cxr-densenet121``: a DenseNet-121 from scratch on lung crops, taught by people, words and two networks.

Beside the labels of the other classifiers it has NIH's findings, of which only words mined from reports are known; those
that reach no AUROC of 0.6 on held-out patients are off by default.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from xai_core.models.architectures import build
from xai_core.models.card import Card
from xai_core.training import Option, Progress, chosen, recipe
from xai_core.training.classroom import INPUT, names_in, plain_classroom, said, taught_by
from xai_core.training.curriculum import SUMMARY, schedule, taught
from xai_core.training.loop import Journal
from xai_core.training.targets import FINDINGS, LABELS, PARENTS

NAME = "cxr-densenet121"
CARD = Card(
    NAME, "Chest film findings (DenseNet-121)", "densenet121", "CXR", "classification", (*LABELS, *FINDINGS), ("film",),
    True, INPUT, parents=PARENTS, target_layer="features.norm5", summary=SUMMARY,
)  # fmt: skip
STORY = "A torchvision DenseNet-121 with one input channel, trained from scratch on people's labels and on soft targets of {}."
OPTIONS = (
    *schedule(small=8, large=2, size=128, learning_rate=1.2e-3),
    Option("teachers", "cxr-efficientnet-lite0,cxr-resnet18", "shelved models whose soft targets are learned too"),
)


@recipe(NAME, "Chest film findings (DenseNet-121)", OPTIONS)
def run(
    data: Path, out: Path, *, seed: int = 0, resume: bool = False, progress: Progress | None = None, **options: Any
) -> Path:
    """Train, calibrate on validation patients, measure on held-out ones and write weights, manifest and card."""
    journal = Journal(out, progress)
    options = chosen(OPTIONS, options)
    teachers = names_in(options["teachers"])
    room = taught_by(plain_classroom(data, out, journal, labels=CARD.labels), teachers, out, journal)
    torch.manual_seed(seed)
    return taught(
        CARD, STORY.format(said(teachers)), build(CARD), room, out, journal, options,
        seed=seed, resume=resume, weight_decay=0.05,
    )  # fmt: skip
