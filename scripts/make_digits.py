"""Draw the packaged digits: two of each class from strokes of our own, as a sheet of 28 x 28 cells.

    python scripts/make_digits.py

A digit is one or two strokes through a few points, smoothed by a Catmull-Rom spline, slanted, stretched and shaken at random, drawn
with a round pen and laid as MNIST lays its own: 20 pixels high or wide at most, its centre of mass in the middle of the cell
(LeCun et al. 1998, Proc. IEEE 86). No digit of MNIST is copied.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from xai_core.samples.digits import SHEET, SIDE

FINE = 16  # drawn pixels a pixel of the cell
BOX = 20
SEED = 28
Points = Sequence[tuple[float, float]]

# Strokes as (x, y) in a box one wide and one high, y downwards; two ways to write each digit.
STROKES: dict[int, tuple[tuple[Points, ...], tuple[Points, ...]]] = {
    0: (
        ([(0.5, 0.0), (0.15, 0.2), (0.05, 0.55), (0.25, 0.95), (0.55, 1.0), (0.85, 0.75), (0.9, 0.35), (0.7, 0.05), (0.5, 0.0)],),
        ([(0.6, 0.02), (0.25, 0.15), (0.1, 0.5), (0.2, 0.88), (0.5, 1.0), (0.8, 0.8), (0.88, 0.45), (0.78, 0.12), (0.55, 0.03)],),
    ),
    1: (
        ([(0.5, 0.0), (0.5, 0.5), (0.5, 1.0)],),
        ([(0.62, 0.0), (0.55, 0.4), (0.48, 0.7), (0.42, 1.0)],),
    ),
    2: (
        ([(0.1, 0.25), (0.3, 0.03), (0.65, 0.02), (0.82, 0.25), (0.65, 0.55), (0.35, 0.8), (0.1, 0.98)], [(0.1, 0.98), (0.5, 0.97), (0.9, 0.97)]),
        ([(0.12, 0.2), (0.4, 0.0), (0.75, 0.12), (0.75, 0.4), (0.45, 0.7), (0.12, 0.95)], [(0.12, 0.95), (0.4, 0.93), (0.92, 0.95)]),
    ),
    3: (
        ([(0.15, 0.12), (0.45, 0.0), (0.78, 0.12), (0.75, 0.36), (0.42, 0.47)], [(0.42, 0.47), (0.8, 0.6), (0.85, 0.85), (0.5, 1.0), (0.12, 0.9)]),
        ([(0.12, 0.08), (0.55, 0.0), (0.8, 0.2), (0.62, 0.42), (0.35, 0.48)], [(0.35, 0.48), (0.72, 0.55), (0.85, 0.78), (0.6, 0.98), (0.15, 0.95)]),
    ),
    4: (
        ([(0.25, 0.0), (0.15, 0.3), (0.1, 0.55)], [(0.1, 0.55), (0.45, 0.56), (0.82, 0.52)], [(0.78, 0.0), (0.74, 0.5), (0.7, 1.0)]),
        ([(0.2, 0.03), (0.16, 0.3), (0.2, 0.5), (0.5, 0.52), (0.8, 0.42)], [(0.84, 0.0), (0.78, 0.45), (0.74, 1.0)]),
    ),
    5: (
        ([(0.85, 0.02), (0.5, 0.03), (0.25, 0.05)], [(0.25, 0.05), (0.2, 0.25), (0.18, 0.45)], [(0.18, 0.45), (0.5, 0.38), (0.82, 0.58), (0.78, 0.88), (0.45, 1.0), (0.1, 0.9)]),
        ([(0.9, 0.0), (0.6, 0.02), (0.32, 0.06)], [(0.32, 0.06), (0.26, 0.25), (0.22, 0.42)], [(0.22, 0.42), (0.55, 0.42), (0.78, 0.62), (0.68, 0.9), (0.4, 1.0), (0.08, 0.92)]),
    ),
    6: (
        ([(0.7, 0.0), (0.4, 0.2), (0.2, 0.5), (0.18, 0.8), (0.42, 1.0), (0.72, 0.92), (0.78, 0.68), (0.55, 0.52), (0.22, 0.68)],),
        ([(0.62, 0.0), (0.32, 0.28), (0.18, 0.65), (0.3, 0.95), (0.6, 1.0), (0.8, 0.82), (0.68, 0.6), (0.4, 0.6), (0.2, 0.78)],),
    ),
    7: (
        ([(0.1, 0.06), (0.5, 0.04), (0.88, 0.04)], [(0.88, 0.04), (0.68, 0.4), (0.5, 0.7), (0.4, 1.0)]),
        ([(0.12, 0.1), (0.45, 0.08), (0.85, 0.02)], [(0.85, 0.02), (0.72, 0.35), (0.58, 0.65), (0.52, 1.0)]),
    ),
    8: (
        ([(0.75, 0.12), (0.5, 0.0), (0.25, 0.12), (0.3, 0.33), (0.6, 0.55), (0.78, 0.8), (0.5, 1.0), (0.22, 0.82), (0.4, 0.55), (0.68, 0.35), (0.75, 0.12)],),
        ([(0.8, 0.1), (0.5, 0.02), (0.28, 0.2), (0.48, 0.45), (0.7, 0.7), (0.55, 0.98), (0.28, 0.9), (0.32, 0.65), (0.6, 0.42), (0.8, 0.1)],),
    ),
    9: (
        ([(0.78, 0.2), (0.55, 0.02), (0.25, 0.12), (0.2, 0.38), (0.48, 0.5), (0.78, 0.22)], [(0.78, 0.2), (0.74, 0.6), (0.66, 1.0)]),
        ([(0.75, 0.15), (0.45, 0.0), (0.18, 0.22), (0.3, 0.45), (0.6, 0.42), (0.78, 0.15)], [(0.78, 0.15), (0.7, 0.5), (0.5, 1.0)]),
    ),
}  # fmt: skip


def spline(points: Points, steps: int = 24) -> NDArray[np.float64]:
    """A Catmull-Rom spline through ``points``, (n, 2)."""
    p = np.asarray([points[0], *points, points[-1]], dtype=np.float64)
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    parts = [
        0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
        for a, b, c, d in zip(p[:-3], p[1:-2], p[2:-1], p[3:], strict=True)
    ]
    return np.concatenate([*parts, p[-2:-1]])


def drawn(strokes: Sequence[Points], dice: np.random.Generator) -> NDArray[np.uint8]:
    """One digit as a cell (28, 28) uint8, white on black."""
    slant, width, pen = dice.uniform(-0.05, 0.3), dice.uniform(0.6, 0.8), dice.uniform(1.9, 2.9)
    lines = [spline([(x + dice.normal(0, 0.012), y + dice.normal(0, 0.012)) for x, y in points]) for points in strokes]
    lines = [np.stack([width * line[:, 0] + slant * (1 - line[:, 1]), line[:, 1]], axis=1) for line in lines]
    every = np.concatenate(lines)
    size = (BOX - pen) / np.ptp(every, axis=0).max()
    canvas = np.zeros((2 * SIDE * FINE,) * 2, np.uint8)
    middle = (every.max(axis=0) + every.min(axis=0)) / 2
    for line in lines:
        course = np.rint(((line - middle) * size + SIDE) * FINE).astype(np.int32)
        cv2.polylines(canvas, [course], False, 255, round(pen * FINE), cv2.LINE_AA)
    rows, columns = np.indices(canvas.shape)
    shift = [canvas.shape[0] / 2 - np.average(axis + 0.5, weights=canvas) for axis in (columns, rows)]
    moved = cv2.warpAffine(canvas, np.asarray([[1, 0, shift[0]], [0, 1, shift[1]]]), canvas.shape[::-1])
    inner = moved[SIDE * FINE // 2 : -SIDE * FINE // 2, SIDE * FINE // 2 : -SIDE * FINE // 2]
    return np.asarray(cv2.resize(inner, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def sheet(seed: int = SEED) -> NDArray[np.uint8]:
    """Two rows of ten cells, (56, 280): both ways to write 0 to 9."""
    dice = np.random.default_rng(seed)
    return np.vstack([np.hstack([drawn(STROKES[digit][way], dice) for digit in range(10)]) for way in (0, 1)])


if __name__ == "__main__":
    cv2.imwrite(str(SHEET), sheet())
