"""The recipe of ``perfusion-phantom-unet3d``: the stroke study's network taught on perfusion phantoms, for the packaged sample.

Phantoms are made while it runs (:mod:`xai_core.phantoms`), so that no data folder is read; training, validation and test have seeds of
their own, and the packaged sample's is in none of them. A network for teaching: it has never seen a patient.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from xai_core.models.card import Card
from xai_core.training import Option, Progress, chosen, recipe
from xai_core.training.lesion_cases import Lesson, lesson, phantom_cases
from xai_core.training.lesion_network import SIZES, asked, study_card, taught
from xai_core.training.loop import Journal
from xai_core.training.phantom_card import publish

NAME, TITLE = "perfusion-phantom-unet3d", "Stroke lesion in perfusion phantoms (3-D U-Net)"
TRAINING, VALIDATION, TEST = 10_000, 20_000, 30_000
"""Seeds of the first phantom of each part."""
WATCHED = 2
"""Validation phantoms that are looked at after every pass."""
OPTIONS = (
    Option("size", "B", "A, B, C or X of the study: 48, 96, 144 or 192 rows and columns"),
    Option("width", 16, "channels of the finest level"),
    Option("epochs", 10, "passes over the training phantoms"),
    Option("phantoms", 64, "to train on"),
    Option("validation", 6, "phantoms for threshold and temperature"),
    Option("test", 24, "phantoms to measure on"),
    Option("learning_rate", 3e-3, "at the peak"),
)


@recipe(NAME, TITLE, OPTIONS)
def run(
    data: Path, out: Path, *, seed: int = 0, resume: bool = False, progress: Progress | None = None, **options: Any
) -> Path:
    """Make phantoms, train, measure on others and write weights, manifest and card into ``out``; ``data`` is not read."""
    journal = Journal(out, progress)
    options = chosen(OPTIONS, options)
    card = study_card(NAME, TITLE, SIZES[options["size"]], options["width"])
    journal.write(0.0, f"{NAME}: making {options['phantoms']} phantoms")
    lessons = kept_lessons(card, range(TRAINING, TRAINING + options["phantoms"]), out / "lessons.safetensors", resume)
    held = list(phantom_cases(range(VALIDATION, VALIDATION + options["validation"])))

    def validate(module: nn.Module, epoch: int) -> str:
        rows = asked(card, module, held[:WATCHED])
        return f"Dice on {len(rows)} validation phantoms {np.mean([row['dice'] for row in rows]):.4f}"

    rate = options["learning_rate"]
    module = taught(
        card, lessons, options["epochs"], out, journal,
        name=NAME, seed=seed, resume=resume, learning_rate=rate, validate=validate,
    )  # fmt: skip
    tests = range(TEST, TEST + options["test"])
    return publish(card, module, held, tests, out, journal, {**options, "seed": seed})


def kept_lessons(card: Card, seeds: Iterable[int], path: Path, resume: bool) -> list[Lesson]:
    """The phantoms of ``seeds`` as the card's network is given them; kept in ``path``, and taken from there with ``resume``."""
    if resume and path.is_file():
        kept = load_file(path)
        return [Lesson(*pair) for pair in zip(kept["images"], kept["lesions"], strict=True)]
    lessons = [lesson(case, card) for case in phantom_cases(seeds)]
    save_file(
        {
            "images": torch.stack([of.image for of in lessons]),
            "lesions": torch.stack([of.lesion for of in lessons]),
        },
        path,
    )
    return lessons
