"""What the grey values of a film tell before any network looks: few grey levels, cut ends, blur, noise, marks.

Everything is measured on samples as the file stores them (every n-th of a large film) and on a copy of ``SIDE`` pixels, so
that a film of three thousand pixels and one of two hundred are judged alike.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import cv2
import numpy as np
from numpy.typing import NDArray

from xai_core.case import Case, Region
from xai_core.preprocess import margined_box

SIDE = 256
MOST_SAMPLES = 512
"""Samples a side that are counted: of larger films every n-th one."""
THIN, RAISED = 9, 0.35
"""Letters and marks are thinner than this, pixels of the small copy, and raised by this share of the film's range."""


@dataclass(frozen=True)
class Pixels:
    """``levels``: different sample values in the middle 98 %; ``dark``, ``bright``: share of the samples around the lungs that lie
    at the film's least and greatest value; ``sharpness``: variance of the Laplacian by that of the image; ``kinship``: correlation of
    neighbouring pixels (white noise: 0); ``marks``: bright thin shapes within the box around the lungs; ``side``: the
    shorter side of that box, samples."""

    levels: float
    dark: float
    bright: float
    sharpness: float
    kinship: float
    marks: float
    side: float


MEASURES = tuple(field.name for field in fields(Pixels))


def pixels_of(case: Case, lungs: Region | None) -> Pixels:
    """Measure a film (1, H, W); without a lung field the whole film stands for the box around it."""
    film = case.pixels[0]
    edges = ((0.0, float(film.shape[0])), (0.0, float(film.shape[1])))
    if lungs is not None and lungs.mask.any():
        edges = margined_box(lungs.mask, 0.0)  # type: ignore[assignment]
    sides = [high - low for low, high in edges]
    rows, columns = (slice(int(low), int(np.ceil(high))) for low, high in edges)
    step = max(1, int(max(film.shape) // MOST_SAMPLES))
    samples = film[::step, ::step].astype(np.float32)
    inner = film[rows, columns][::step, ::step].astype(np.float32)
    small = reduced(film)
    scale = small.shape[0] / film.shape[0]
    near = tuple(slice(int(part.start * scale), int(np.ceil(part.stop * scale))) for part in (rows, columns))
    dark, bright = _at_the_ends(samples, inner)
    return Pixels(
        levels=float(_levels(samples)),
        dark=dark,
        bright=bright,
        sharpness=_sharpness(small[near]),
        kinship=_kinship(small),
        marks=float(_marks(small, near)),
        side=float(min(sides)),
    )


def reduced(film: NDArray[np.generic]) -> NDArray[np.float32]:
    """The film with its longest side at most ``SIDE`` pixels, 0..1 between its 0.5th and 99.5th percentile."""
    scale = SIDE / max(film.shape)
    small = film.astype(np.float32)
    if scale < 1:
        size = (max(1, round(film.shape[1] * scale)), max(1, round(film.shape[0] * scale)))
        small = np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_AREA), np.float32)
    low, high = np.percentile(small, (0.5, 99.5))
    return np.asarray(np.clip((small - low) / max(float(high - low), 1e-6), 0, 1), np.float32)


def _levels(samples: NDArray[np.float32]) -> int:
    low, high = np.percentile(samples, (1.0, 99.0))
    return len(np.unique(samples[(samples >= low) & (samples <= high)]))


def _at_the_ends(samples: NDArray[np.float32], inner: NDArray[np.float32]) -> tuple[float, float]:
    low, high = float(samples.min()), float(samples.max())
    if high <= low:
        return 1.0, 1.0
    near = 0.005 * (high - low)
    return float((inner <= low + near).mean()), float((inner >= high - near).mean())


def _sharpness(image: NDArray[np.float32]) -> float:
    if min(image.shape) < 3:
        return 0.0
    return float(cv2.Laplacian(image, cv2.CV_32F).var() / max(float(image.var()), 1e-6))


def _kinship(image: NDArray[np.float32]) -> float:
    pairs = [(image[1:], image[:-1]), (image[:, 1:], image[:, :-1])]
    spread = max(float(image.var()), 1e-6)
    apart = [float(((a - b) ** 2).mean()) if a.size else 0.0 for a, b in pairs]
    return 1.0 - max(apart) / (2 * spread)


def _marks(image: NDArray[np.float32], near: tuple[slice, ...]) -> int:
    """Bright shapes of a letter's size that a white top-hat leaves, with their centre in ``near``."""
    raised = cv2.morphologyEx(image, cv2.MORPH_TOPHAT, np.ones((THIN, THIN), np.uint8)) > RAISED
    _, _, boxes, centres = cv2.connectedComponentsWithStats(raised.astype(np.uint8), connectivity=8)
    rows, columns = near
    found = 0
    for (left, top, width, height, area), (x, y) in zip(boxes[1:], centres[1:], strict=True):
        is_whole = left > 1 and top > 1 and left + width < image.shape[1] - 1 and top + height < image.shape[0] - 1
        is_letter = area >= 8 and 5 <= height <= 30 and 3 <= width <= 40 and 4 * area > width * height
        is_near = rows.start <= y < rows.stop and columns.start <= x < columns.stop
        found += bool(is_whole and is_letter and is_near)
    return found
