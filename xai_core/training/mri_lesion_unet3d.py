"""The recipe of ``mri-lesion-unet3d``: lesions of multiple sclerosis in four modalities, learned from three patients.

Three heads are few, so 30 drawn masks of as many patients are painted into them (lesion_painting.py). What that is worth is
measured by leaving one patient out: head, lesions' looks and mask. The shipped network has seen all three.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from xai_core.models.card import Card
from xai_core.training import Progress, chosen, recipe
from xai_core.training.lesion_card import Fold, predicted, publish
from xai_core.training.lesion_school import HEAD_INPUT, LAYERS, Room, drawing_of, room_of, schedule, taught
from xai_core.training.loop import Journal
from xai_core.training.mri_lesion_text import TEXTS
from xai_core.training.volumes import mr_root, read_subject

NAME = "mri-lesion-unet3d"
CHANNELS = ("FLAIR", "T1", "T1post", "T2")
LABEL = "MS lesion"
SUMMARY = (
    "Outlines lesions of multiple sclerosis in four modalities of a skull-stripped brain; learned from three patients."
)
DRAWN = ((1,),)


OPTIONS = schedule(epochs=18, painted=0.65)


@recipe(NAME, "Lesions of multiple sclerosis in brain MR (3-D U-Net)", OPTIONS)
def run(
    data: Path, out: Path, *, seed: int = 0, resume: bool = False, progress: Progress | None = None, **options: Any
) -> Path:
    """Train with each patient left out and with all, measure, and write ``mri-lesion-unet3d.safetensors`` and its card."""
    journal = Journal(out, progress)
    options = chosen(OPTIONS, options)
    room = read_room(data, options["width"])
    mixture, plan = drawing_of(options, seed)
    folds = []
    for held, subject in room.subjects.items():
        module = taught(room, held, plan, mixture, out, journal, resume=resume)
        folds.append(Fold(subject, predicted(room.card, module, subject.case)))
    module = taught(room, "", plan, mixture, out, journal, resume=resume)
    return publish(room.card, module, folds, TEXTS, out, journal, {"seed": seed, **options})


def card_of(width: int) -> Card:
    """What is known of the network before it is trained."""
    return Card(
        NAME, "MS lesions in brain MR (3-D U-Net)", "unet3d", "MR", "segmentation", (LABEL,), CHANNELS, True, HEAD_INPUT,
        options={"width": width, "levels": 4}, target_layer="decoder.2", target_layers=LAYERS, skull="stripped", licence="CC BY", summary=SUMMARY,
        training_data=("Lesjak et al. 2017, MS patients of Ljubljana (CC BY)",),
    )  # fmt: skip


def read_room(data: Path, width: int = 16) -> Room:
    """Three patients and all drawn masks of ``mri/ms``."""
    root = mr_root(data, "ms")
    subjects = {}
    for flair in sorted(root.glob("*_FLAIR.nii.gz")):
        stem = flair.name.removesuffix("_FLAIR.nii.gz")
        files = {name: root / f"{stem}_{name.upper()}.nii.gz" for name in CHANNELS}
        places = (root / f"{stem}_lesions.nii.gz", root / "masks" / f"{stem}_lesions.nii.gz")
        number = number_of(stem)
        subjects[number] = read_subject(number, files, next(place for place in places if place.is_file()), DRAWN)
    drawn = {number_of(path.name): path for path in sorted((root / "masks").glob("ms*_lesions.nii.gz"))}
    return room_of(card_of(width), subjects, drawn, DRAWN)


def number_of(file: str) -> str:
    """A patient's number, "07" of "ms07_1p5mm_FLAIR.nii.gz"."""
    return file.removeprefix("ms")[:2]
