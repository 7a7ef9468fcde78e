"""The recipe of ``cxr-lungs``: a small U-Net that outlines the lung field on chest films of any shape, age and source.

Masks: hand-drawn outlines of V7 Labs on the Kermany films and on the COVID films that may train shipped weights. The
outline runs over heart and diaphragm, so the field is two lungs of even shape. Films are scaled, turned, cut, framed and
re-toned hard, because children's films must teach a network that adults, landscape films and scans will meet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from xai_core.models.architectures import LungUNet
from xai_core.training import Option, Progress, chosen, recipe
from xai_core.training.films import film_root, films_table, read_grey, squared
from xai_core.training.loop import Batch, Journal, Plan, fit
from xai_core.training.lungs_card import publish

SIZE = 192
STORED = 256


@dataclass(frozen=True)
class Outlined:
    """Films and lung masks on black squares of STORED pixels, (N, S, S) uint8, with the table that names them."""

    films: NDArray[np.uint8]
    masks: NDArray[np.uint8]
    inside: NDArray[np.uint8]
    table: pd.DataFrame


OPTIONS = (
    Option("epochs", 9, "passes over the outlined films"),
    Option("gentle", 3, "last epochs, with mild augmentation"),
    Option("batch", 24, "films a step"),
)


@recipe("cxr-lungs", "Lung field of chest films (U-Net)", OPTIONS)
def run(
    data: Path, out: Path, *, seed: int = 0, resume: bool = False, progress: Progress | None = None, **options: Any
) -> Path:
    """Train, measure on held-out patients and write ``cxr-lungs.safetensors`` and its card into ``out``."""
    options = chosen(OPTIONS, options)
    epochs, batch = options["epochs"], options["batch"]
    torch.manual_seed(seed)
    journal = Journal(out, progress)
    outlined = read_outlined(data)
    train = np.flatnonzero((outlined.table["part"] == "train").to_numpy())
    held = np.flatnonzero((outlined.table["part"] == "val").to_numpy())[:200]
    plan = Plan(epochs, len(train) // batch, learning_rate=3e-3, seed=seed)

    def batches_of(epoch: int) -> Iterator[Batch]:
        dice = np.random.default_rng((seed, epoch))
        order = dice.permutation(train)
        for start in range(0, plan.batches * batch, batch):
            strength = 1.0 if epoch < epochs - options["gentle"] else 0.3
            yield drawn_batch(outlined, order[start : start + batch], dice, strength)

    def validate(module: nn.Module, epoch: int) -> str:
        return f"IoU on {len(held)} validation films {np.mean(overlap(module, outlined, held)):.4f}"

    module = fit(
        LungUNet(1, 1), plan, batches_of, lung_loss, out, journal, resume=resume, validate=validate, name="cxr-lungs"
    )
    return publish(module, data, out, journal, {"seed": seed, **options})


def read_outlined(data: Path) -> Outlined:
    """Every film with a lung mask made by people that may train shipped weights."""
    root = film_root(data)
    masks = pd.read_csv(root / "masks.csv", dtype=str).fillna("")
    masks = masks[masks["kind"].isin(["lungs_kermany", "lungs_covid"]) & (masks["train_ok"] == "yes")]
    table = masks.merge(films_table(data), left_on="film", right_on="path", suffixes=("_mask", ""))
    table = table.drop_duplicates("film").reset_index(drop=True)
    films, outlines, inside = [], [], []
    for film, mask in zip(table["film"], table["path_mask"], strict=True):
        image = read_grey(root / film)
        films.append(squared(image, STORED))
        outlines.append(squared(read_grey(root / mask), STORED))
        inside.append(squared(np.full_like(image, 255), STORED))
    return Outlined(np.stack(films), np.stack(outlines), np.stack(inside), table)


def drawn_batch(outlined: Outlined, rows: NDArray[np.int64], dice: np.random.Generator, strength: float = 1.0) -> Batch:
    """Augmented films (N, 1, SIZE, SIZE) in [0, 1] and their masks."""
    pairs = [_drawn(outlined.films[row], outlined.masks[row], outlined.inside[row], dice, strength) for row in rows]
    images = torch.from_numpy(np.stack([image for image, _ in pairs]))[:, None]
    masks = torch.from_numpy(np.stack([mask for _, mask in pairs]))[:, None]
    return {"image": images.contiguous(memory_format=torch.channels_last), "mask": masks}


def lung_loss(module: nn.Module, batch: Batch) -> torch.Tensor:
    """Cross entropy of every pixel plus one minus the soft Dice of every film."""
    logits = module(batch["image"]).float()
    share, mask = torch.sigmoid(logits), batch["mask"]
    dice = (2 * (share * mask).sum((1, 2, 3)) + 1) / (share.sum((1, 2, 3)) + mask.sum((1, 2, 3)) + 1)
    return F.binary_cross_entropy_with_logits(logits, mask) + (1 - dice).mean()


@torch.no_grad()
def overlap(module: nn.Module, outlined: Outlined, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """IoU of each film's mask and the network's, on the network's grid without augmentation."""
    found = []
    for row in rows:
        image, mask = _placed(
            outlined.films[row], outlined.masks[row], outlined.inside[row], np.eye(2, 3), SIZE / STORED
        )
        low, high = np.percentile(image[0][image[1] > 0.5], (1, 99))
        tensor = torch.from_numpy(np.clip((image[0] - low) / max(high - low, 1), 0, 1) * (image[1] > 0.5))[None, None]
        guess = (module(tensor.float())[0, 0] > 0).numpy()
        truth = mask > 0.5
        found.append((guess & truth).sum() / max((guess | truth).sum(), 1))
    return np.asarray(found)


def _drawn(
    film: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    inside: NDArray[np.uint8],
    dice: np.random.Generator,
    strength: float,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    angle = dice.normal(0, 6) * strength
    zoom = np.exp(dice.uniform(np.log(0.6), np.log(1.4)) * strength)
    stretch = np.exp(dice.normal(0, 0.12) * strength)
    turn = cv2.getRotationMatrix2D((STORED / 2, STORED / 2), angle, 1.0)
    turn[0] *= zoom * stretch
    turn[1] *= zoom / stretch
    centre = turn @ np.array([STORED / 2, STORED / 2, 1.0])
    turn[:, 2] += STORED / 2 - centre + dice.uniform(-0.14, 0.14, 2) * STORED * strength
    if dice.random() < 0.5:
        film, mask, inside = film[:, ::-1], mask[:, ::-1], inside[:, ::-1]
    (image, held), target = _placed(film, mask, inside, turn, SIZE / STORED)
    if dice.random() < 0.5 * strength:
        image = cv2.GaussianBlur(image, (0, 0), dice.uniform(0.3, 1.6))
    if dice.random() < strength:
        held = _framed(held, dice)
    seen: NDArray[np.bool_] = held > 0.5
    if seen.sum() < 100:
        seen = np.ones_like(seen)
    low, high = np.percentile(image[seen], (dice.uniform(0, 3), dice.uniform(96, 100)))
    image = np.clip((image - low) / max(high - low, 1.0), 0, 1) ** np.exp(dice.normal(0, 0.35) * strength)
    if dice.random() < 0.3 * strength:
        image = _shaded(image, dice)
    if dice.random() < 0.4 * strength:
        image = np.clip(image + dice.normal(0, dice.uniform(0, 0.06), image.shape), 0, 1)
    if dice.random() < 0.3 * strength:
        image = _marked(image, dice)
    if dice.random() < 0.15 * strength:
        image = _clouded(image, target, dice)
    return (image * seen).astype(np.float32), target


def _placed(
    film: NDArray[np.uint8], mask: NDArray[np.uint8], inside: NDArray[np.uint8], turn: NDArray[np.float64], scale: float
) -> tuple[tuple[NDArray[np.float32], NDArray[np.float32]], NDArray[np.float32]]:
    matrix = turn * scale
    matrix[:, 2] += (scale - 1) / 2
    size = (SIZE, SIZE)
    image = cv2.warpAffine(film.astype(np.float32), matrix, size, flags=cv2.INTER_LINEAR)
    target = cv2.warpAffine(mask.astype(np.float32) / 255, matrix, size, flags=cv2.INTER_LINEAR)
    held = cv2.warpAffine(inside.astype(np.float32) / 255, matrix, size, flags=cv2.INTER_LINEAR)
    return (image, held), (target > 0.5).astype(np.float32)


def _framed(held: NDArray[np.float32], dice: np.random.Generator) -> NDArray[np.float32]:
    """Sometimes the film ends earlier on one side, as a cut or a collimator would have it."""
    if dice.random() < 0.35:
        held = np.rot90(held, side := int(dice.integers(4))).copy()
        held[: int(dice.uniform(0.02, 0.14) * SIZE)] = 0
        held = np.rot90(held, -side)
    return held


def _shaded(image: NDArray[np.float32], dice: np.random.Generator) -> NDArray[np.float32]:
    """An uneven exposure: a smooth ramp over the film."""
    small = dice.uniform(-0.35, 0.35, (3, 3)).astype(np.float32)
    return np.asarray(np.clip(image + cv2.resize(small, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC), 0, 1), np.float32)


def _marked(image: NDArray[np.float32], dice: np.random.Generator) -> NDArray[np.float32]:
    """A bright or dark label, or a line like a tube."""
    image = np.ascontiguousarray(image, dtype=np.float32)
    tone = float(dice.choice([0.0, 1.0]))
    corner = dice.integers(0, SIZE, 4)
    if dice.random() < 0.5:
        x, y, width, height = int(corner[0]), int(corner[1]), int(corner[2]) // 6 + 3, int(corner[3]) // 10 + 3
        cv2.rectangle(image, (x, y), (x + width, y + height), tone, -1)
    else:
        cv2.line(
            image, (int(corner[0]), int(corner[1])), (int(corner[2]), int(corner[3])), tone, int(dice.integers(1, 3))
        )
    return image


def _clouded(image: NDArray[np.float32], mask: NDArray[np.float32], dice: np.random.Generator) -> NDArray[np.float32]:
    """A soft opacity within the lungs: the outline has to run on where the lung is white."""
    places = np.argwhere(mask > 0.5)
    if len(places) == 0:
        return image
    row, column = places[dice.integers(len(places))]
    cloud = np.zeros_like(mask)
    axes = (int(dice.uniform(6, 36)), int(dice.uniform(6, 36)))
    cv2.ellipse(cloud, (int(column), int(row)), axes, float(dice.uniform(0, 180)), 0, 360, 1.0, -1)
    cloud = cv2.GaussianBlur(cloud, (0, 0), dice.uniform(3, 10)) * cv2.GaussianBlur(mask, (0, 0), 2)
    return np.asarray(np.clip(image + cloud * dice.uniform(0.2, 0.7) * (1 - image), 0, 1), np.float32)
