"""The recipe of ``mri-lesion-unet3d``: lesions of multiple sclerosis in four modalities, learned from three patients.

Three heads are few, so 30 drawn masks of as many patients are painted into them (lesion_painting.py). What that is worth is
measured by leaving one patient out: head, lesions' looks and mask. The shipped network has seen all three.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from xai_core.models.architectures import build
from xai_core.models.card import Card
from xai_core.preprocess import InputSpec
from xai_core.training import Option, Progress, recipe
from xai_core.training.lesion_card import Fold, predicted, publish
from xai_core.training.lesion_painting import Look, look_of, tissue, white_matter
from xai_core.training.loop import Batch, Journal, Plan, fit
from xai_core.training.mri_lesion_text import TEXTS
from xai_core.training.volume_batches import Canvas, Drawn, Mixture, batches, drawn_of, lesion_centres, overlap_loss
from xai_core.training.volume_scores import dice_of
from xai_core.training.volumes import Anatomy, Subject, anatomy_of, mask_on, mr_root, read_subject

NAME = "mri-lesion-unet3d"
CHANNELS = ("FLAIR", "T1", "T1post", "T2")
LABEL = "MS lesion"
INPUT = InputSpec(
    (0, 0, 0),
    channels=len(CHANNELS),
    low=-6.0,
    high=6.0,
    intensity="head-zscore",
    crop="head",
    axes="HPL",
    spacing_mm=(1.5, 1.5, 1.5),
    multiple=8,
)
SUMMARY = (
    "Outlines lesions of multiple sclerosis in four modalities of a skull-stripped brain; learned from three patients."
)
DRAWN = ((1,),)
BRIGHT, DARK = CHANNELS.index("T1"), CHANNELS.index("FLAIR")


@dataclass(frozen=True)
class Room:
    """All there is to learn from: patients by number, on their own grid and on the network's, and every drawn mask (by
    its patient's number) on the network's grid of each anatomy."""

    subjects: Mapping[str, Subject]
    anatomies: Mapping[str, Anatomy]
    masks: Mapping[str, Mapping[str, Drawn]]


@recipe(
    NAME,
    "Lesions of multiple sclerosis in brain MR (3-D U-Net)",
    (
        Option("epochs", 14, "rounds of steps, each with a checkpoint"),
        Option("steps", 50, "batches a round"),
        Option("batch", 2, "patches a step"),
        Option("patch", 48, "side of a patch, voxels of 1.5 mm"),
        Option("width", 16, "channels of the finest level"),
        Option("painted", 0.65, "share of patches with painted lesions"),
        Option("learning_rate", 3e-3, "at the peak"),
    ),
)
def run(
    data: Path,
    out: Path,
    *,
    seed: int = 0,
    resume: bool = False,
    progress: Progress | None = None,
    epochs: int = 14,
    steps: int = 50,
    batch: int = 2,
    patch: int = 48,
    width: int = 16,
    painted: float = 0.65,
    learning_rate: float = 3e-3,
) -> Path:
    """Train with each patient left out and with all, measure, and write ``mri-lesion-unet3d.safetensors`` and its card."""
    journal = Journal(out, progress)
    room = read_room(data)
    mixture = Mixture(patch, batch, painted)
    plan = Plan(epochs, steps, learning_rate, average=0.99, seed=seed)
    folds = []
    for held in room.subjects:
        module = taught(room, held, width, plan, mixture, out, journal, resume)
        folds.append(Fold(room.subjects[held], predicted(card_of(width), module, room.subjects[held].case)))
    module = taught(room, "", width, plan, mixture, out, journal, resume)
    options = {
        "seed": seed, "epochs": epochs, "steps": steps, "batch": batch, "patch": patch, "width": width,
        "painted": painted, "learning_rate": learning_rate,
    }  # fmt: skip
    return publish(card_of(width), module, folds, TEXTS, out, journal, options)


def card_of(width: int) -> Card:
    """What is known of the network before it is trained."""
    return Card(
        NAME, "MS lesions in brain MR (3-D U-Net)", "unet3d", "MR", "segmentation", (LABEL,), CHANNELS, True, INPUT,
        options={"width": width, "levels": 4}, target_layer="decoder.2", licence="CC BY", summary=SUMMARY,
        training_data=("Lesjak et al. 2017, MS patients of Ljubljana (CC BY)",),
    )  # fmt: skip


def read_room(data: Path) -> Room:
    """Three patients and all drawn masks of ``mri/ms``."""
    root = mr_root(data, "ms")
    subjects = {}
    for flair in sorted(root.glob("*_FLAIR.nii.gz")):
        stem = flair.name.removesuffix("_FLAIR.nii.gz")
        files = {name: root / f"{stem}_{name.upper()}.nii.gz" for name in CHANNELS}
        places = (root / f"{stem}_lesions.nii.gz", root / "masks" / f"{stem}_lesions.nii.gz")
        number = number_of(stem)
        subjects[number] = read_subject(number, files, next(place for place in places if place.is_file()), DRAWN)
    anatomies = {number: anatomy_of(subject, CHANNELS, INPUT) for number, subject in subjects.items()}
    drawn = {number_of(path.name): path for path in sorted((root / "masks").glob("ms*_lesions.nii.gz"))}
    masks = {
        name: {number: drawn_of(mask_on(anatomy, path, DRAWN)) for number, path in drawn.items()}
        for name, anatomy in anatomies.items()
    }
    return Room(subjects, anatomies, masks)


def number_of(file: str) -> str:
    """A patient's number, "07" of "ms07_1p5mm_FLAIR.nii.gz"."""
    return file.removeprefix("ms")[:2]


def taught(
    room: Room, held: str, width: int, plan: Plan, mixture: Mixture, out: Path, journal: Journal, resume: bool
) -> nn.Module:
    """A network trained on all patients but ``held`` ("": on all), in eval mode."""
    canvases, looks = lessons(room, held)

    def batches_of(epoch: int) -> Iterator[Batch]:
        return batches(canvases, looks, mixture, plan.batches, np.random.default_rng((plan.seed, epoch)))

    def validate(module: nn.Module, epoch: int) -> str:
        told = []
        is_due = epoch % 5 == 4 or epoch == plan.epochs - 1
        for number, subject in room.subjects.items():
            if is_due and number == held:
                share = predicted(card_of(width), module, subject.case).probabilities[0]
                told.append(f"{number}: Dice {dice_of(share >= 0.5, subject.truth[0]):.3f}")
        return ", ".join(told)

    name = f"without-{held}" if held else "all"
    torch.manual_seed(plan.seed)
    module = build(card_of(width))
    return fit(module, plan, batches_of, overlap_loss, out, journal, resume=resume, validate=validate, name=name)


def lessons(room: Room, held: str) -> tuple[list[Canvas], list[Look]]:
    """What may be learned where the patient ``held`` is left out: heads, lesions' looks and masks of the others."""
    left = {number: anatomy for number, anatomy in room.anatomies.items() if number != held}
    looks = [look_of(list(left.values()), BRIGHT)]
    canvases = []
    for name, anatomy in left.items():
        white = white_matter(anatomy, BRIGHT)
        masks = tuple(mask for number, mask in room.masks[name].items() if number != held)
        canvases.append(Canvas(anatomy, white, tissue(anatomy, DARK, white), masks, lesion_centres(anatomy.regions)))
    return canvases, looks
