"""The study's 3-D U-Net on six modalities, as a card and as a run of training (Tjoa et al., arXiv 1911.08136).

The study's batch of one and its network; the loss (cross entropy and soft Dice of the lesion) and the optimiser (loop.py: AdamW,
one cosine, averaged weights) are ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from xai_core.models.architectures import build
from xai_core.models.card import Card
from xai_core.models.model import Model
from xai_core.phantoms import MODALITIES
from xai_core.preprocess import InputSpec
from xai_core.training.lesion_cases import LesionCase, Lesson, dice_of, drawn
from xai_core.training.loop import Batch, Journal, Plan, fit

LABELS = ("Background", "Lesion")
ARCHITECTURE = "study-unet3d"
SLICES = 19
RARE = 0.01
"""The lesion's probability in every voxel before the first step: near its share, so that the mass of background does not drown it
(Lin et al. 2017, arXiv 1708.02002, section 3.3)."""
SIZES = {"A": 48, "B": 96, "C": 144, "X": 192}
"""Rows and columns of the study's inputs, all of 19 slices."""


def study_card(name: str, title: str, side: int, width: int) -> Card:
    """The card of the study's network on (6, 19, ``side``, ``side``), its finest level ``width`` channels wide."""
    spec = InputSpec((SLICES, side, side), len(MODALITIES), 0.0, 1.0, "head-range", axes="HPL")
    options = {"widths": [width * 2**level for level in range(4)]}
    return Card(
        name, title, ARCHITECTURE, "MR", "segmentation", LABELS, MODALITIES, True, spec, "softmax", options,
        target_layer="cblocks4",
        target_layers=("cblocks4", "cblocks5", "cblocks6", "cblocks7"),
        skull="stripped",
    )  # fmt: skip


def taught(
    card: Card,
    lessons: Sequence[Lesson] | Callable[[int], Sequence[Lesson]],
    epochs: int,
    out: Path,
    journal: Journal,
    *,
    name: str,
    seed: int = 0,
    resume: bool = False,
    learning_rate: float = 1e-3,
    varied: bool = True,
    validate: Callable[[nn.Module, int], str] | None = None,
) -> nn.Module:
    """The card's network trained from scratch for ``epochs`` passes, in eval mode. ``lessons``: the cases, or a function of the epoch
    that gives as many every time."""
    of_epoch = lessons if callable(lessons) else (lambda _: lessons)
    plan = Plan(epochs, len(of_epoch(0)), learning_rate, average=0.98, seed=seed)

    def batches_of(epoch: int) -> Iterator[Batch]:
        return drawn(of_epoch(epoch), np.random.default_rng((seed, epoch)), varied)

    torch.manual_seed(seed)
    module = build(card)
    with torch.no_grad():
        module.get_parameter("bn.bias")[0] = math.log(1 / RARE - 1)
    return fit(module, plan, batches_of, lesion_loss, out, journal, resume=resume, validate=validate, name=name)


def lesion_loss(module: nn.Module, batch: Batch) -> torch.Tensor:
    """Cross entropy of every voxel plus one minus the soft Dice of the lesion."""
    scores, lesion = module(batch["image"]).float(), batch["lesion"]
    share = scores.softmax(1)[:, 1]
    inside = (lesion == 1).float()
    overlap = (2 * (share * inside).sum() + 1) / (share.sum() + inside.sum() + 1)
    loss: torch.Tensor = F.cross_entropy(scores, lesion) + 1 - overlap
    return loss


def asked(card: Card, module: nn.Module, cases: Sequence[LesionCase]) -> list[dict[str, Any]]:
    """What the network outlines in each case, on the case's own grid: Dice, and volumes in ml of what it found and of the truth."""
    model = Model(card, module, "cpu", "")
    rows = []
    for of in cases:
        found = model.predict(of.case).probabilities[-1] >= card.thresholds.get(LABELS[-1], 0.5)
        voxel_ml = float(np.prod(of.case.geometry.spacing_mm or (1.0, 1.0, 1.0))) / 1000
        rows.append(
            {
                "case": of.name,
                "dice": dice_of(found, of.lesion),
                "found_ml": float(found.sum()) * voxel_ml,
                "lesion_ml": float(of.lesion.sum()) * voxel_ml,
            }
        )
    return rows


def grid_limit(card: Card, cases: Sequence[LesionCase]) -> float:
    """Mean Dice of the truth itself, brought to the network's grid and back as an outline is: what its size allows at most."""
    model = Model(card, nn.Identity(), "cpu", "")
    found = []
    for of in cases:
        grid = model.prepare(of.case).grid
        outline = (grid.to_input(of.lesion[None].astype(np.float32)) >= 0.5).astype(np.float32)
        found.append(dice_of(grid.smooth_to_case(outline)[0] >= 0.5, of.lesion))
    return float(np.mean(found))
