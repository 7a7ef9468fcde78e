"""What the classifiers of chest films learn from and are measured on: lung crops, lessons, soft targets, controls.

Labels no source can know are masked out of the loss. Adults whom no reader saw get soft ``Lung Opacity`` targets: of a
regression on ImageNet features (``teacher``) and the words of reports, or of a trained teacher (:func:`taught_by`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from xai_core.models.shelf import furnished, shelved
from xai_core.preprocess import InputSpec
from xai_core.training.crops import Crops, read_crops
from xai_core.training.film_batches import Lessons, plain_images, softened_crops
from xai_core.training.films import films_table
from xai_core.training.loop import Batch, Journal
from xai_core.training.scores import auroc
from xai_core.training.targets import LABELS, OPAQUE, reader_classes, targets_of
from xai_core.training.teacher import features_of, hints_of, soft_opacity

INPUT = InputSpec(size=(224, 224), intensity="lung-box-percentile", crop="lungs", margin=0.08, blur=1.5)


@dataclass(frozen=True)
class Classroom:
    """Everything a run needs: crops at one sharpness, lessons, and the teacher's soft Lung Opacity (N,)."""

    crops: Crops
    lessons: Lessons
    soft: NDArray[np.float64]

    def rows(self, part: str, source: str = "") -> NDArray[np.int64]:
        """Rows of one part (and source)."""
        table = self.crops.table
        chosen = (table["part"] == part) & ((table["source"] == source) | (source == ""))
        return np.flatnonzero(chosen.to_numpy())


def classroom(data: Path, out: Path, journal: Journal) -> Classroom:
    """Crops, targets, hints and soft targets of all films that may train shipped weights."""
    table = films_table(data)
    table = table[table["trainable"]].reset_index(drop=True)
    lungs, _ = furnished(*shelved("cxr-lungs"))
    crops = read_crops(data, table, lungs, INPUT, journal, out / "crops.npz")
    features = features_of(crops, journal, out / "features.npy")
    train = np.flatnonzero((table["part"] == "train").to_numpy())
    soft = soft_opacity(features, table)
    targets, weights = targets_of(table)
    column = LABELS.index("Lung Opacity")
    unread = (table["source"] == "nih").to_numpy() & np.isnan(reader_classes(table))
    said, trust = targets[unread, column], weights[unread, column]
    targets[unread, column] = (trust * said + 0.6 * soft[unread]) / (trust + 0.6)
    weights[unread, column] = trust + 0.6
    softened = softened_crops(crops, INPUT.blur, INPUT.size[0])
    return Classroom(
        replace(crops, films=softened),
        Lessons(softened, crops.lungs, targets, weights, hints_of(features, train)),
        soft,
    )


def lesson_loss(module: nn.Module, batch: Batch) -> torch.Tensor:
    """Weighted cross entropy of the labels a film knows, and the squared distance to the teacher's hints where they are guessed."""
    answer = module(batch["image"])
    logits, hints = answer if isinstance(answer, tuple) else (answer, None)
    losses = F.binary_cross_entropy_with_logits(logits.float(), batch["target"], reduction="none")
    labelled = (losses * batch["weight"]).sum() / batch["weight"].sum().clamp(min=1.0)
    return labelled if hints is None else labelled + batch["hint_weight"] * F.mse_loss(hints.float(), batch["hint"])


def taught_by(room: Classroom, module: nn.Module, temperatures: Mapping[str, float], journal: Journal) -> Classroom:
    """The same room with every target leaning on a trained teacher (Hinton et al. 2015): what people said counts 0.6, its
    calibrated probability 0.4; what nobody can know of a film it alone says, at a weight of 0.3; mined words are left out."""
    journal.write(0.0, "the teacher looks at all films")
    logits = logits_of(module, room, np.arange(len(room.crops.films)), INPUT.size[0])
    soft = 1 / (1 + np.exp(-logits / np.asarray([temperatures[label] for label in LABELS])))
    said, weights = targets_of(room.crops.table)
    is_mined = ((room.crops.table["source"] == "nih") & (room.crops.table["rsna_class"] == "")).to_numpy()
    is_known = (weights > 0) & ~is_mined[:, None]
    lessons = replace(
        room.lessons,
        targets=np.where(is_known, 0.6 * said + 0.4 * soft, soft).astype(np.float32),
        weights=np.where(is_known, weights, 0.3).astype(np.float32),
    )
    lessons.weights[:, LABELS.index("Lung Opacity")] = np.maximum(lessons.weights[:, LABELS.index("Lung Opacity")], 0.6)
    return replace(room, lessons=lessons, soft=soft[:, LABELS.index("Lung Opacity")])


@torch.no_grad()
def logits_of(
    module: nn.Module, room: Classroom, rows: NDArray[np.int64], size: int, is_filled: bool = False
) -> NDArray[np.float32]:
    """(rows, labels) logits of crops as they are, or with the lungs filled in."""
    found = []
    for start in range(0, len(rows), 64):
        part = rows[start : start + 64]
        images = plain_images(room.crops.films[part], room.crops.lungs[part], size, is_filled)
        with torch.autocast("cpu", torch.bfloat16):
            answer = module(images)
        found.append((answer[0] if isinstance(answer, tuple) else answer).float().numpy())
    return np.concatenate(found)


def validated(module: nn.Module, room: Classroom, size: int) -> str:
    """One line on validation patients: AUROC of Pneumonia in children, the same with lungs filled in, and adults."""
    children, adults = room.rows("val", "kermany"), room.rows("val", "nih")
    truth = room.lessons.targets[children, 1]
    seen = logits_of(module, room, children, size)[:, 1]
    blind = logits_of(module, room, children, size, is_filled=True)[:, 1]
    table = room.crops.table.iloc[adults]
    opaque = logits_of(module, room, adults, size)[:, LABELS.index("Lung Opacity")]
    read = reader_classes(table)
    text = table["labels"].map(lambda s: bool(OPAQUE.search(s))).to_numpy()
    is_read = ~np.isnan(read)
    return (
        f"children {auroc(truth, seen):.4f}, lungs filled {auroc(truth, blind):.4f}, "
        f"adults by readers {auroc(read[is_read], opaque[is_read]):.3f} ({is_read.sum()}), by text {auroc(text, opaque):.3f}"
    )
