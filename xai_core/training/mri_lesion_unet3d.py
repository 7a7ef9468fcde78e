"""The recipe of ``mri-lesion-unet3d``: lesions of multiple sclerosis in four modalities, learned from three patients.

Three heads are few, so 30 drawn masks of as many patients are painted into them (lesion_painting.py). What that is worth is
measured by leaving one patient out: head, lesions' looks and mask. The shipped network has seen all three.
"""

from __future__ import annotations

from pathlib import Path

from xai_core.models.card import Card
from xai_core.preprocess import InputSpec
from xai_core.training import Option, Progress, recipe
from xai_core.training.lesion_card import Fold, predicted, publish
from xai_core.training.lesion_school import LAYERS, Room, room_of, taught
from xai_core.training.loop import Journal, Plan
from xai_core.training.mri_lesion_text import TEXTS
from xai_core.training.volume_batches import Mixture
from xai_core.training.volumes import mr_root, read_subject

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


@recipe(
    NAME,
    "Lesions of multiple sclerosis in brain MR (3-D U-Net)",
    (
        Option("epochs", 18, "rounds of steps, each with a checkpoint"),
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
    epochs: int = 18,
    steps: int = 50,
    batch: int = 2,
    patch: int = 48,
    width: int = 16,
    painted: float = 0.65,
    learning_rate: float = 3e-3,
) -> Path:
    """Train with each patient left out and with all, measure, and write ``mri-lesion-unet3d.safetensors`` and its card."""
    journal = Journal(out, progress)
    room = read_room(data, width)
    mixture = Mixture(patch, batch, painted)
    plan = Plan(epochs, steps, learning_rate, average=0.99, seed=seed)
    folds = []
    for held, subject in room.subjects.items():
        module = taught(room, held, plan, mixture, out, journal, resume=resume)
        folds.append(Fold(subject, predicted(room.card, module, subject.case)))
    module = taught(room, "", plan, mixture, out, journal, resume=resume)
    options = {
        "seed": seed, "epochs": epochs, "steps": steps, "batch": batch, "patch": patch, "width": width,
        "painted": painted, "learning_rate": learning_rate,
    }  # fmt: skip
    return publish(room.card, module, folds, TEXTS, out, journal, options)


def card_of(width: int) -> Card:
    """What is known of the network before it is trained."""
    return Card(
        NAME, "MS lesions in brain MR (3-D U-Net)", "unet3d", "MR", "segmentation", (LABEL,), CHANNELS, True, INPUT,
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
