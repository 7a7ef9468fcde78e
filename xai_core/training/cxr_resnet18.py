"""The recipe of ``cxr-resnet18``: a ResNet-18 from scratch on lung crops of children and adults, at growing sizes.

Labels no source can know are masked out of the loss; adults, few and read by radiologists even fewer, come twice an
epoch and are helped by a teacher's soft targets and hints (``teacher``). The controls with the lungs filled in are
measured beside every AUROC; the recipe's ways against them are in ``film_batches``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from xai_core.models.architectures import build
from xai_core.models.card import Card
from xai_core.models.shelf import furnished, shelved
from xai_core.preprocess import InputSpec
from xai_core.training import Option, Progress, recipe
from xai_core.training.crops import Crops, read_crops
from xai_core.training.film_batches import Lessons, batches, plain_images, softened_crops
from xai_core.training.films import films_table
from xai_core.training.loop import Batch, Journal, Plan, fit
from xai_core.training.scores import auroc
from xai_core.training.targets import LABELS, OPAQUE, PARENTS, reader_classes, targets_of
from xai_core.training.teacher import HINTS, features_of, hints_of, soft_opacity

NAME = "cxr-resnet18"
INPUT = InputSpec(size=(224, 224), intensity="lung-box-percentile", crop="lungs", margin=0.08, blur=1.5)
CARD = Card(
    NAME, "Chest film findings (ResNet-18)", "resnet18", "CXR", "classification", LABELS, ("film",), True, INPUT,
    parents=PARENTS, target_layer="layer4",
)  # fmt: skip
OPTIONS = (
    Option("small", 11, "epochs at the small size"),
    Option("large", 3, "last epochs at 224 pixels"),
    Option("size", 128, "the small size, pixels"),
    Option("batch", 32, "films a step"),
    Option("outside", 0.72, "share of films whose outside is random"),
    Option("learning_rate", 1.5e-3, "at the peak"),
)


class Student(nn.Module):
    """A ResNet that also guesses the teacher's hints from its pooled features: (N, labels) logits and (N, HINTS)."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network
        self.hint = nn.Linear(network.fc.in_features, HINTS)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        net = self.network
        x = net.maxpool(net.relu(net.bn1(net.conv1(x))))
        pooled = net.avgpool(net.layer4(net.layer3(net.layer2(net.layer1(x))))).flatten(1)
        return net.fc(pooled), self.hint(pooled)


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


@recipe(NAME, "Chest film findings (ResNet-18)", OPTIONS)
def run(
    data: Path,
    out: Path,
    *,
    seed: int = 0,
    resume: bool = False,
    progress: Progress | None = None,
    small: int = 11,
    large: int = 3,
    size: int = 128,
    batch: int = 32,
    outside: float = 0.72,
    learning_rate: float = 1.5e-3,
) -> Path:
    """Train, calibrate on validation patients, measure on held-out ones and write weights, manifest and card."""
    from xai_core.training.resnet_card import publish

    journal = Journal(out, progress)
    room = classroom(data, out, journal)
    epoch_rows = np.concatenate([room.rows("train"), room.rows("train", "nih")])
    plan = Plan(small + large, len(epoch_rows) // batch, learning_rate, weight_decay=0.05, average=0.997, seed=seed)

    def batches_of(epoch: int) -> Iterator[Batch]:
        dice = np.random.default_rng((seed, epoch))
        pixels = size if epoch < small else INPUT.size[0]
        weight = 0.3 if epoch < small // 2 else 0.1
        return batches(
            room.lessons, dice.permutation(epoch_rows), pixels, batch, dice, outside=outside, hint_weight=weight
        )

    def validate(module: nn.Module, epoch: int) -> str:
        return validated(module, room, size if epoch < small else INPUT.size[0])

    torch.manual_seed(seed)
    student = Student(build(CARD))
    fit(student, plan, batches_of, lesson_loss, out, journal, resume=resume, validate=validate, name=NAME)
    options = {
        "seed": seed, "small": small, "large": large, "size": size, "batch": batch, "outside": outside,
        "learning_rate": learning_rate,
    }  # fmt: skip
    blind = blind_control(room, out, journal, seed, resume)
    return publish(student.network, room, blind, data, out, journal, options)


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
    """Weighted cross entropy of the labels a film knows, and the squared distance to the teacher's hints."""
    logits, hints = module(batch["image"])
    losses = F.binary_cross_entropy_with_logits(logits.float(), batch["target"], reduction="none")
    labelled = (losses * batch["weight"]).sum() / batch["weight"].sum().clamp(min=1.0)
    return labelled + batch["hint_weight"] * F.mse_loss(hints.float(), batch["hint"])


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


def blind_control(room: Classroom, out: Path, journal: Journal, seed: int, resume: bool) -> float:
    """AUROC on the children's test part of a network trained and tested with the lungs filled in (96 pixels, 2 epochs)."""
    rows = room.rows("train", "kermany")
    plan = Plan(2, len(rows) // 32, 1.5e-3, weight_decay=0.05, average=0.99, seed=seed)

    def batches_of(epoch: int) -> Iterator[Batch]:
        dice = np.random.default_rng((seed, epoch, 1))
        return batches(room.lessons, dice.permutation(rows), 96, 32, dice, outside=0.0, hint_weight=0.0, is_filled=True)

    torch.manual_seed(seed)
    module = fit(
        Student(build(CARD)), plan, batches_of, lesson_loss, out, journal, resume=resume, name="filled-control"
    )
    test = room.rows("test", "kermany")
    return auroc(room.lessons.targets[test, 1], logits_of(module, room, test, 96, is_filled=True)[:, 1])
