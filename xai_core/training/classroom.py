"""What the classifiers of chest films learn from and are measured on: crops, lessons, soft targets.

Labels no source can know are masked out of the loss. Adults whom no reader saw get soft ``Lung Opacity`` targets: of a
regression on ImageNet features (``teacher``) and the words of reports, or of trained teachers (:func:`taught_by`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.special import expit
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
    """Everything a run needs: crops as ``spec`` makes them, lessons on ``labels`` (those of ``LABELS`` stand first), and
    the soft Lung Opacity (N,) that was learned from, or None."""

    spec: InputSpec
    labels: tuple[str, ...]
    crops: Crops
    lessons: Lessons
    soft: NDArray[np.float64] | None

    def rows(self, part: str, source: str = "") -> NDArray[np.int64]:
        """Rows of one part (and source)."""
        table = self.crops.table
        chosen = (table["part"] == part) & ((table["source"] == source) | (source == ""))
        return np.flatnonzero(chosen.to_numpy())


def plain_classroom(
    data: Path, out: Path, journal: Journal, spec: InputSpec = INPUT, labels: tuple[str, ...] = LABELS
) -> Classroom:
    """All films that may train shipped weights, prepared as ``spec`` says, with what people and reports say of them."""
    table = films_table(data)
    table = table[table["trainable"]].reset_index(drop=True)
    lungs, _ = furnished(*shelved("cxr-lungs"))
    crops = read_crops(data, table, lungs, spec, journal, out / "crops.npz")
    targets, weights = targets_of(table, labels)
    softened = softened_crops(crops, spec.blur, spec.size[0]) if spec.blur else crops.films
    no_hints = np.zeros((len(table), 0), np.float32)
    lessons = Lessons(softened, crops.lungs, targets, weights, no_hints)
    return Classroom(spec, labels, crops, lessons, None)


def classroom(data: Path, out: Path, journal: Journal) -> Classroom:
    """The plain classroom of lung crops with the hints and soft targets of ImageNet features (``teacher``)."""
    room = plain_classroom(data, out, journal)
    table = room.crops.table
    features = features_of(room.crops, journal, out / "features.npy")
    soft = soft_opacity(features, table)
    targets, weights = room.lessons.targets, room.lessons.weights
    column = LABELS.index("Lung Opacity")
    unread = (table["source"] == "nih").to_numpy() & np.isnan(reader_classes(table))
    said, trust = targets[unread, column], weights[unread, column]
    targets[unread, column] = (trust * said + 0.6 * soft[unread]) / (trust + 0.6)
    weights[unread, column] = trust + 0.6
    lessons = replace(room.lessons, hints=hints_of(features, room.rows("train")))
    return replace(room, lessons=lessons, soft=soft)


def lesson_loss(module: nn.Module, batch: Batch) -> torch.Tensor:
    """Weighted cross entropy of the labels a film knows, and the squared distance to the teacher's hints where they are guessed."""
    answer = module(batch["image"])
    logits, hints = answer if isinstance(answer, tuple) else (answer, None)
    losses = F.binary_cross_entropy_with_logits(logits.float(), batch["target"], reduction="none")
    labelled = (losses * batch["weight"]).sum() / batch["weight"].sum().clamp(min=1.0)
    return labelled if hints is None else labelled + batch["hint_weight"] * F.mse_loss(hints.float(), batch["hint"])


def taught_by(room: Classroom, teachers: Sequence[str], out: Path, journal: Journal) -> Classroom:
    """The same room with every label of ``LABELS`` leaning on the mean of shelved teachers (Hinton et al. 2015).

    What people said counts 0.6, the teachers' mean of calibrated probabilities over both mirror images 0.4; what nobody
    can know of a film they alone say, at a weight of 0.3; mined words give way to them.
    """
    soft = _opinions(room, teachers, out / "opinions.npz", journal)
    said, weights = targets_of(room.crops.table)
    is_mined = ((room.crops.table["source"] == "nih") & (room.crops.table["rsna_class"] == "")).to_numpy()
    is_known = (weights > 0) & ~is_mined[:, None]
    targets, trusts, known = room.lessons.targets.copy(), room.lessons.weights.copy(), len(LABELS)
    targets[:, :known] = np.where(is_known, 0.6 * said + 0.4 * soft, soft)
    trusts[:, :known] = np.where(is_known, weights, 0.3)
    column = LABELS.index("Lung Opacity")
    trusts[:, column] = np.maximum(trusts[:, column], 0.6)
    return replace(room, lessons=replace(room.lessons, targets=targets, weights=trusts), soft=soft[:, column])


def _opinions(room: Classroom, teachers: Sequence[str], kept: Path, journal: Journal) -> NDArray[np.float64]:
    """(N, LABELS) mean probability of the teachers; read from ``kept`` where the same teachers are in it."""
    shelf = [shelved(name) for name in teachers]
    digests = [card.sha256 for card, _ in shelf]
    if kept.is_file():
        held = np.load(kept)
        if list(held["digests"]) == digests and len(held["soft"]) == len(room.lessons.films):
            return np.asarray(held["soft"], dtype=np.float64)
    rows = np.arange(len(room.lessons.films))
    soft = np.zeros((len(rows), len(LABELS)))
    for card, weights in shelf:
        module, _ = furnished(card, weights)
        module = module.to(memory_format=torch.channels_last)
        heat = np.asarray([card.temperatures[label] for label in LABELS])
        for is_mirrored in (False, True):
            journal.write(0.0, f"{card.name} looks at all films{', mirrored' if is_mirrored else ''}")
            logits = logits_of(module, room, rows, room.spec.size[0], is_mirrored=is_mirrored)
            soft += expit(logits / heat) / (2 * len(shelf))
    np.savez(kept, soft=soft, digests=np.asarray(digests))
    return soft


def names_in(listed: str) -> tuple[str, ...]:
    """Names of a list with commas."""
    return tuple(name.strip() for name in listed.split(",") if name.strip())


def said(teachers: Sequence[str]) -> str:
    """Teachers as a card names them."""
    return " and ".join(f"`{name}`" for name in teachers)


@torch.no_grad()
def logits_of(
    module: nn.Module,
    room: Classroom,
    rows: NDArray[np.int64],
    size: int,
    is_filled: bool = False,
    is_mirrored: bool = False,
) -> NDArray[np.float32]:
    """(rows, labels) logits of crops as they are, or with the lungs filled in, or their mirror images."""
    found = []
    for start in range(0, len(rows), 64):
        part = rows[start : start + 64]
        images = plain_images(room.lessons.films[part], room.lessons.lungs[part], size, is_filled)
        images = images.flip(-1) if is_mirrored else images
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
