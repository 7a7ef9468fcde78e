"""How networks of lesions are taught from few heads: what is known of each, who is left out, and one run.

Who is left out is left out in everything: as a head, as the look of lesions and as a mask to paint.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from xai_core.models.architectures import build
from xai_core.models.card import Card
from xai_core.preprocess import InputSpec
from xai_core.training import Option
from xai_core.training.lesion_card import predicted
from xai_core.training.lesion_painting import Look, look_of, tissue, white_matter
from xai_core.training.loop import Batch, Journal, Plan, fit
from xai_core.training.volume_batches import (
    Canvas,
    Mixture,
    batches,
    lesion_centres,
    overlap_loss,
)
from xai_core.training.volume_scores import dice_of
from xai_core.training.volumes import Anatomy, Subject, anatomy_of, mask_on

HEAD_INPUT = InputSpec(
    (0, 0, 0),
    channels=4,
    low=-6.0,
    high=6.0,
    intensity="head-zscore",
    crop="head",
    axes="HPL",
    spacing_mm=(1.5, 1.5, 1.5),
    multiple=8,
)
"""Four modalities of a skull-stripped head, whole, each with mean 0 and deviation 1 within it."""
VALIDATED_EVERY = 5
"""Rounds between two looks at who is left out. Nothing is chosen by them."""

LAYERS = ("encoder.3", "decoder.0", "decoder.1", "decoder.2")
"""Where class activation maps of the four levels are worth comparing: the bottleneck and the decoder's blocks."""


def schedule(epochs: int, painted: float) -> tuple[Option, ...]:
    """The options that all networks of lesions have, with a recipe's own defaults."""
    return (
        Option("epochs", epochs, "rounds of steps, each with a checkpoint"),
        Option("steps", 50, "batches a round"),
        Option("batch", 2, "patches a step"),
        Option("patch", 48, "side of a patch, voxels of 1.5 mm"),
        Option("width", 16, "channels of the finest level"),
        Option("painted", painted, "share of patches with painted lesions"),
        Option("learning_rate", 3e-3, "at the peak"),
    )


def drawing_of(options: Mapping[str, Any], seed: int) -> tuple[Mixture, Plan]:
    """What patches are drawn and how long is taught, by the options of :func:`schedule`."""
    mixture = Mixture(options["patch"], options["batch"], options["painted"])
    return mixture, Plan(options["epochs"], options["steps"], options["learning_rate"], average=0.99, seed=seed)


@dataclass(frozen=True)
class Room:
    """All there is to learn from: the network's ``card``, patients by name, on their own grid and on the network's, and for each
    anatomy every drawn mask, by its patient's name, on its grid: shares (R, D, H, W) of 255."""

    card: Card
    subjects: Mapping[str, Subject]
    anatomies: Mapping[str, Anatomy]
    masks: Mapping[str, Mapping[str, NDArray[np.uint8]]]


def room_of(
    card: Card, subjects: Mapping[str, Subject], masks: Mapping[str, Path], values: tuple[tuple[int, ...], ...]
) -> Room:
    """Subjects and masks on the grid of the card's input; ``values`` of a mask that mean each region, outer regions first."""
    anatomies = {name: anatomy_of(subject, card.channels, card.input) for name, subject in subjects.items()}
    drawn = {
        name: {other: (255 * mask_on(anatomy, path, values)).astype(np.uint8) for other, path in masks.items()}
        for name, anatomy in anatomies.items()
    }
    return Room(card, subjects, anatomies, drawn)


def lessons(room: Room, held: str) -> tuple[list[Canvas], list[Look]]:
    """What may be learned where ``held`` is left out: heads, each region's look and masks of the others."""
    bright, dark = room.card.channels.index("T1"), room.card.channels.index("FLAIR")
    left = {name: anatomy for name, anatomy in room.anatomies.items() if name != held}
    looks = [look_of(list(left.values()), bright, region) for region in range(len(room.card.labels))]
    canvases = []
    for name, anatomy in left.items():
        white = white_matter(anatomy, bright)
        masks = tuple(mask for other, mask in room.masks[name].items() if other != held)
        canvases.append(Canvas(anatomy, white, tissue(anatomy, dark, white), masks, lesion_centres(anatomy.regions)))
    return canvases, looks


def taught(
    room: Room, held: str, plan: Plan, mixture: Mixture, out: Path, journal: Journal, *, resume: bool
) -> nn.Module:
    """A network trained on all but ``held`` ("": on all), in eval mode."""
    canvases, looks = lessons(room, held)

    def batches_of(epoch: int) -> Iterator[Batch]:
        return batches(canvases, looks, mixture, plan.batches, np.random.default_rng((plan.seed, epoch)))

    def validate(module: nn.Module, epoch: int) -> str:
        if not held or ((epoch + 1) % VALIDATED_EVERY and epoch + 1 < plan.epochs):
            return ""
        subject = room.subjects[held]
        found = predicted(room.card, module, subject.case).probabilities >= 0.5
        return f"{held}: Dice {' '.join(f'{dice_of(*pair):.3f}' for pair in zip(found, subject.truth, strict=True))}"

    torch.manual_seed(plan.seed)
    name = f"without-{held}" if held else "all"
    return fit(
        build(room.card), plan, batches_of, overlap_loss, out, journal, resume=resume, validate=validate, name=name
    )
