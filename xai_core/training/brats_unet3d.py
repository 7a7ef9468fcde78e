"""The recipe of ``brats-unet3d``: whole tumour, core and enhancing tumour of gliomas, taught as the lesions of MS are.

Five cases and 46 drawn masks of BraTS 2021. Its terms for weights are not settled, so what is trained here is not shipped: the
card alone says what was reached on a case left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from xai_core.models.card import Card
from xai_core.models.card_text import table_of, toml_table
from xai_core.training import Option, Progress, chosen, recipe
from xai_core.training.lesion_card import HEAD, fold_rows, predicted
from xai_core.training.lesion_school import HEAD_INPUT, LAYERS, Room, drawing_of, room_of, schedule, taught
from xai_core.training.loop import Journal
from xai_core.training.publishing import packed, rows_of
from xai_core.training.volume_scores import Outcome, outcome
from xai_core.training.volumes import mr_root, read_subject

NAME = "brats-unet3d"
FILES = {"FLAIR": "flair", "T1": "t1", "T1post": "t1ce", "T2": "t2"}
REGIONS = {"Whole tumour": (1, 2, 4), "Tumour core": (1, 4), "Enhancing tumour": (4,)}
"""Region to values of the masks (1 necrosis, 2 oedema, 4 enhancing), each inside the one before."""


OPTIONS = (
    *schedule(epochs=12, painted=0.5),
    Option("folds", 5, "how many cases are left out, one after another"),
)


@recipe(NAME, "Regions of gliomas in brain MR (3-D U-Net)", OPTIONS)
def run(
    data: Path, out: Path, *, seed: int = 0, resume: bool = False, progress: Progress | None = None, **options: Any
) -> Path:
    """Train with each of the first ``folds`` cases left out and write their Dice into a card; the last one's network stands in
    ``out/brats-unet3d``, a folder that ``load_model`` takes."""
    journal = Journal(out, progress)
    options = chosen(OPTIONS, options)
    room = read_room(data, options["width"])
    mixture, plan = drawing_of(options, seed)
    found: dict[str, list[Outcome]] = {label: [] for label in REGIONS}
    path = out / NAME / "weights.safetensors"
    for held in list(room.subjects)[: max(1, options["folds"])]:
        subject = room.subjects[held]
        module = taught(room, held, plan, mixture, out, journal, resume=resume)
        shares = predicted(room.card, module, subject.case).probabilities
        voxel_mm3 = float(np.prod(subject.case.geometry.spacing_mm or (1.0,)))
        for label, share, truth in zip(REGIONS, shares, subject.truth, strict=True):
            found[label].append(outcome(held, share >= 0.5, truth, voxel_mm3))
        sha256, size = packed(module, path)
        card = replace(room.card, sha256=sha256, bytes=size)
        (path.parent / "card.toml").write_text(toml_table("", table_of(card)), "utf-8")
    (out / "cards").mkdir(parents=True, exist_ok=True)
    (out / "cards" / f"{NAME}.md").write_text(_text(found, {"seed": seed, **options}), "utf-8")
    journal.write(1.0, f"{NAME}: {[round(row.dice, 3) for rows in found.values() for row in rows]}")
    return path


def card_of(width: int) -> Card:
    """What is known of the network before it is trained."""
    return Card(
        NAME, "Regions of gliomas in brain MR (3-D U-Net)", "unet3d", "MR", "segmentation", tuple(REGIONS), tuple(FILES),
        False, HEAD_INPUT, options={"width": width, "levels": 4}, target_layer="decoder.2", target_layers=LAYERS, skull="stripped",
    )  # fmt: skip


def read_room(data: Path, width: int = 16) -> Room:
    """Five cases and all drawn masks of ``mri/brats``."""
    root = mr_root(data, "brats")
    subjects = {}
    values = tuple(REGIONS.values())
    for mask in sorted(root.glob("*_seg.nii.gz")):
        stem = mask.name.removesuffix("_seg.nii.gz")
        files = {name: root / f"{stem}_{ending}.nii.gz" for name, ending in FILES.items()}
        subjects[number_of(stem)] = read_subject(number_of(stem), files, mask, values)
    drawn = {number_of(path.name): path for path in sorted((root / "masks").glob("brats*_seg.nii.gz"))}
    return room_of(card_of(width), subjects, drawn, values)


def number_of(file: str) -> str:
    """A case's number, "01657" of "brats01657_1p5mm_t1.nii.gz"."""
    return file.removeprefix("brats").split("_")[0]


def _text(found: Mapping[str, list[Outcome]], options: Mapping[str, object]) -> str:
    parts = [f"### {label}\n\n{rows_of([HEAD, *fold_rows(rows)])}" for label, rows in found.items()]
    tables = "\n\n".join(parts)
    count = len(next(iter(found.values())))
    return f"""# {NAME}: whole tumour, core and enhancing tumour of gliomas (not shipped)

The 3-D U-Net of `mri-lesion-unet3d` with three logits a voxel. Its weights are not shipped: the terms of BraTS 2021 for what is trained on it are not
settled. Train it yourself with the recipe below: it ends with a folder that can be loaded as a model of your own. Research and teaching only: not a medical device.

## How well it does

Cases left out, n = {count}, each by a network that never saw it, as a head, as a look or as a mask; threshold 0.5, nothing was chosen.

{tables}

With so few cases these are no figures of a method, only a sign that the recipe runs and learns.

## What it may have learned wrongly

- Skull-stripped brains in SRI24 space only, all four modalities. Gliomas only; every bright region on FLAIR may be called tumour.
- Painted tumours push nothing aside: mass effect is only that of the five real cases.

## Made from

Recipe: `python -m xai_core train {NAME} --data DIR`, options {options}. Cases and masks: RSNA-ASNR-MICCAI BraTS 2021 (Baid et al.,
arXiv 2107.02314).
"""
