"""Batches of lung crops for a classifier that must look at lungs: one sharpness, and a random world outside the lungs.

In the Kermany films what lies outside the lungs gives the class away, so in two films of three it is taken from another
film, made flat or made noise, with an outline that is widened and bent at random, so that its exact course tells less.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from xai_core.training.crops import STORED, Crops
from xai_core.training.loop import Batch

GREY = 0.5


@dataclass(frozen=True)
class Lessons:
    """Crops with what they teach: ``targets`` and ``weights`` (N, labels), ``hints`` (N, H) of the teacher."""

    films: NDArray[np.uint8]
    lungs: NDArray[np.uint8]
    targets: NDArray[np.float32]
    weights: NDArray[np.float32]
    hints: NDArray[np.float32]


def softened_crops(crops: Crops, blur: float, size: int) -> NDArray[np.uint8]:
    """Crops blurred as the card's ``blur`` (pixels of a ``size`` input) would: all films at one sharpness."""
    sigma = blur * STORED / size
    return np.stack([cv2.GaussianBlur(film, (0, 0), sigma) for film in crops.films])


def batches(
    lessons: Lessons,
    rows: NDArray[np.int64],
    size: int,
    batch: int,
    dice: np.random.Generator,
    *,
    outside: float,
    hint_weight: float,
    is_filled: bool = False,
) -> Iterator[Batch]:
    """Shuffled batches of augmented films (N, 1, size, size) in [0, 1]; ``outside``: share of films whose outside is random;
    ``is_filled``: the lungs are grey instead (the control that never sees them)."""
    for start in range(0, len(rows) - batch + 1, batch):
        chosen = rows[start : start + batch]
        others = dice.permutation(rows)[:batch]
        images = np.empty((batch, 1, size, size), np.float32)
        for k, (row, other) in enumerate(zip(chosen, others, strict=True)):
            film, lungs = placed(lessons.films[row], lessons.lungs[row], size, dice)
            if is_filled:
                film = filled(film, lungs)
            elif dice.random() < outside and lungs.max() > 0.5:
                film = _elsewhere(film, lungs, lessons.films[other], size, dice)
            images[k, 0] = _toned(film, dice)
        yield {
            "image": torch.from_numpy(images).contiguous(memory_format=torch.channels_last),
            "target": torch.from_numpy(lessons.targets[chosen]),
            "weight": torch.from_numpy(lessons.weights[chosen]),
            "hint": torch.from_numpy(lessons.hints[chosen]),
            "hint_weight": torch.tensor(hint_weight),
        }


def placed(
    film: NDArray[np.uint8], lungs: NDArray[np.uint8], size: int, dice: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A crop and its field, turned, stretched and moved at random, at ``size``, both in [0, 1]."""
    turn = cv2.getRotationMatrix2D((0.0, 0.0), dice.normal(0, 5), 1.0)[:, :2]
    stretch = np.exp(dice.normal(0, 0.07, 2)) * size / STORED
    matrix = np.diag(stretch) @ turn @ np.array([[1, dice.normal(0, 0.04)], [0, 1]])
    if dice.random() < 0.5:
        matrix[:, 0] *= -1
    shift = (size - 1) / 2 + dice.normal(0, 0.03, 2) * size - matrix @ np.full(2, (STORED - 1) / 2)
    affine = np.column_stack([matrix, shift])
    image = cv2.warpAffine(film, affine, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    field = cv2.warpAffine(lungs, affine, (size, size), flags=cv2.INTER_LINEAR)
    return image.astype(np.float32) / 255, field.astype(np.float32) / 255


def filled(film: NDArray[np.float32], lungs: NDArray[np.float32]) -> NDArray[np.float32]:
    """The film with its lungs filled in with flat grey."""
    return np.where(lungs > 0.5, np.float32(GREY), film)


def plain_images(
    films: NDArray[np.uint8], lungs: NDArray[np.uint8], size: int, is_filled: bool = False
) -> torch.Tensor:
    """Crops as they are, (N, 1, size, size) in [0, 1]: what ``prepare`` gives, or with the lungs filled in."""
    kept = []
    for film, field in zip(films, lungs, strict=True):
        small = cv2.resize(film, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        inside = cv2.resize(field, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        kept.append(filled(small, inside) if is_filled else small)
    return torch.from_numpy(np.stack(kept))[:, None].contiguous(memory_format=torch.channels_last)


def _elsewhere(
    film: NDArray[np.float32],
    lungs: NDArray[np.float32],
    other: NDArray[np.uint8],
    size: int,
    dice: np.random.Generator,
) -> NDArray[np.float32]:
    soft = cv2.GaussianBlur(lungs, (0, 0), dice.uniform(0.012, 0.07) * size)
    bend = cv2.resize(dice.normal(0, 0.14, (6, 6)).astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC)
    share = np.clip((soft + bend - dice.uniform(0.1, 0.6)) * dice.uniform(3, 20) + 0.5, 0, 1)
    kind = dice.random()
    if kind < 0.55:
        world, _ = placed(other, other, size, dice)
    elif kind < 0.8:
        world = np.full_like(film, dice.uniform(0, 1))
    else:
        coarse = int(dice.integers(2, max(size // 3, 3)))
        noise = dice.uniform(0, 1, (coarse, coarse)).astype(np.float32)
        world = np.clip(cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC), 0, 1)
    return np.asarray(share * film + (1 - share) * world, dtype=np.float32)


def _toned(film: NDArray[np.float32], dice: np.random.Generator) -> NDArray[np.float32]:
    if dice.random() < 0.5:
        film = cv2.GaussianBlur(film, (0, 0), dice.uniform(0.2, 1.2) * film.shape[0] / 224)
    film = np.clip(film * np.exp(dice.normal(0, 0.12)) + dice.normal(0, 0.06), 0, 1) ** np.exp(dice.normal(0, 0.2))
    return np.asarray(film + dice.normal(0, dice.uniform(0, 0.025), film.shape), dtype=np.float32).clip(0, 1)
