"""The control beside every AUROC: a small network that is trained and tested with the lungs filled in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from xai_core.models.architectures import build
from xai_core.models.card import Card
from xai_core.training.classroom import Classroom, lesson_loss, logits_of
from xai_core.training.film_batches import batches
from xai_core.training.loop import Batch, Journal, Plan, fit
from xai_core.training.scores import auroc


def blind_control(room: Classroom, out: Path, journal: Journal, seed: int, resume: bool) -> float:
    """AUROC on the children's test part of a network trained and tested with the lungs filled in (96 pixels, 2 epochs)."""
    rows = room.rows("train", "kermany")
    plan = Plan(2, len(rows) // 32, 1.5e-3, weight_decay=0.05, average=0.99, seed=seed)

    def batches_of(epoch: int) -> Iterator[Batch]:
        dice = np.random.default_rng((seed, epoch, 1))
        return batches(room.lessons, dice.permutation(rows), 96, 32, dice, outside=0.0, hint_weight=0.0, is_filled=True)

    card = Card(
        "filled-control", "Lungs filled in", "resnet18", "CXR", "classification", room.labels, ("film",), False, room.spec
    )  # fmt: skip
    torch.manual_seed(seed)
    module = fit(build(card), plan, batches_of, lesson_loss, out, journal, resume=resume, name="filled-control")
    test = room.rows("test", "kermany")
    return auroc(room.lessons.targets[test, 1], logits_of(module, room, test, 96, is_filled=True)[:, 1])
