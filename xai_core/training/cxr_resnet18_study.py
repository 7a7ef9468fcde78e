"""The recipe of ``cxr-resnet18-study``: the network that cheats, on purpose, to be looked at in teaching.

It is trained as the COVID study prepares its films: the longest side fitted, zeros around to a square, grey values cut at
the 1st and 95th percentile and scaled to [0, 1]. So the frame's shape, borders, letters and softness all show, and nothing
keeps the network from using them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from xai_core.models.architectures import build
from xai_core.models.card import Card, InputSpec
from xai_core.training import Progress, chosen, recipe
from xai_core.training.classroom import plain_classroom
from xai_core.training.curriculum import schedule, taught
from xai_core.training.loop import Journal
from xai_core.training.targets import LABELS, PARENTS

NAME = "cxr-resnet18-study"
WHOLE = InputSpec(size=(224, 224), intensity="study-percentile", crop="study")
CARD = Card(
    NAME, "Cheating ResNet-18 (whole films, for teaching)", "resnet18", "CXR", "classification", LABELS, ("film",), True,
    WHOLE, parents=PARENTS, target_layer="layer4", summary="Trained on whole films with their frames: it may cheat, on purpose.",
)  # fmt: skip
STORY = (
    "A torchvision ResNet-18 with one input channel, trained from scratch on whole films with nothing done against"
    " shortcuts: it is here to be caught, beside `cxr-resnet18`, and for nothing else."
)
OPTIONS = schedule(small=5, large=1, size=128, learning_rate=1.5e-3, outside=0.0)


@recipe(NAME, "Cheating ResNet-18 (whole films, for teaching)", OPTIONS)
def run(
    data: Path, out: Path, *, seed: int = 0, resume: bool = False, progress: Progress | None = None, **options: Any
) -> Path:
    """Train, calibrate on validation patients, measure on held-out ones and write weights, manifest and card."""
    journal = Journal(out, progress)
    options = chosen(OPTIONS, options)
    room = plain_classroom(data, out, journal, spec=WHOLE)
    torch.manual_seed(seed)
    return taught(CARD, STORY, build(CARD), room, out, journal, options, seed=seed, resume=resume, weight_decay=0.05)
