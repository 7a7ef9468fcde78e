"""Lesions that people drew on one head, painted into another: more places and sizes than a few patients have.

How a lesion looks is learned from the real ones, as its distance from normal white matter in every modality at once, with its
spread from lesion to lesion and from voxel to voxel. What is painted is soft at the edge, keeps the grain of the tissue below and stays
out of the fluid. The real lesions of a head remain and remain labelled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from xai_core.training.volumes import Anatomy, Truth, Values

# Fewer voxels than these say little of how a lesion looks.
LEAST_VOXELS = 4
WHITE_SHARE = 0.3
AWAY_VOXELS = 3
# Correlation of the texture within lesions, in voxels.
SMOOTHNESS = 1.2
# Lesions are more or less of what the look says.
STRENGTH = (0.75, 1.25)
TOUCHING = np.ones((3, 3, 3), dtype=bool)


@dataclass(frozen=True)
class Look:
    """How real lesions of one region look: ``offsets`` (lesions, C) from white matter, and ``texture`` (C, C), a factor of the
    covariance within lesions."""

    offsets: NDArray[np.float64]
    texture: NDArray[np.float64]


def white_matter(anatomy: Anatomy, bright: int) -> NDArray[np.float64]:
    """(C,) median of normal white matter: the brightest 30 % of the head in channel ``bright`` (T1), away from all regions."""
    away = anatomy.head & ~ndimage.binary_dilation(anatomy.regions.max(0) > 0, TOUCHING, AWAY_VOXELS)
    values = anatomy.image[:, away]
    chosen = values[bright] >= np.quantile(values[bright], 1 - WHITE_SHARE)
    return np.asarray(np.median(values[:, chosen], axis=1), dtype=np.float64)


def tissue(anatomy: Anatomy, dark: int, white: NDArray[np.float64]) -> Truth:
    """(D, H, W) bool: the head without fluid, which is darkest in channel ``dark`` (FLAIR)."""
    fluid = float(np.quantile(anatomy.image[dark][anatomy.head], 0.02))
    return np.asarray(anatomy.head & (anatomy.image[dark] > (fluid + white[dark]) / 2))


def look_of(anatomies: Sequence[Anatomy], bright: int, region: int = 0) -> Look:
    """What the lesions of all ``anatomies`` look like where they belong to ``region`` and to none of the later ones, which lie
    inside it. Raises ValueError where there are none."""
    offsets, residuals = [], []
    for anatomy in anatomies:
        white = white_matter(anatomy, bright)
        inner = anatomy.regions[region + 1 :].max(0, initial=0.0) > 0.5
        parts, _ = ndimage.label((anatomy.regions[region] > 0.5) & ~inner, TOUCHING)
        for place, box in enumerate(ndimage.find_objects(parts), start=1):
            values = anatomy.image[:, *box][:, parts[box] == place] - white[:, None]
            if values.shape[1] >= LEAST_VOXELS:
                offsets.append(values.mean(1))
                residuals.append(values - values.mean(1, keepdims=True))
    if not offsets:
        raise ValueError("no lesion is large enough to say how lesions look")
    together = np.concatenate(residuals, axis=1).astype(np.float64)
    spread = np.cov(together) + 1e-6 * np.eye(len(together))
    return Look(np.stack(offsets), np.asarray(np.linalg.cholesky(spread), dtype=np.float64))


def painted(image: Values, share: Values, look: Look, white: NDArray[np.float64], dice: np.random.Generator) -> Values:
    """(C, D, H, W) with a lesion wherever ``share`` (D, H, W) of a voxel is one; every connected lesion draws its own look."""
    if not share.any():
        return image
    parts, count = ndimage.label(share > 0, TOUCHING)
    drawn = look.offsets[dice.integers(len(look.offsets), size=count + 1)]
    drawn = drawn + 0.3 * dice.standard_normal(drawn.shape) @ look.texture.T
    strength = dice.uniform(*STRENGTH, count + 1)
    edge = dice.uniform(0.3, 0.8)
    noise = dice.standard_normal((len(image), *share.shape), dtype=np.float32)
    noise = np.stack([ndimage.gaussian_filter(row, SMOOTHNESS) for row in noise])
    noise /= noise.std(axis=(1, 2, 3), keepdims=True)
    texture = np.einsum("ij,jdhw->idhw", look.texture.astype(np.float32), noise)
    inner = (white[:, None] + drawn.T)[:, parts].astype(np.float32) + 0.8 * texture
    # blurred looks do not jump between neighbours; outside lesions the look of none is drawn, and weighs nothing
    weight = ndimage.gaussian_filter(np.asarray(share * strength[parts], np.float32), edge)
    grain = image - np.stack([ndimage.gaussian_filter(row, 1.0) for row in image])
    return np.asarray(image + weight * (inner + 0.5 * grain - image), dtype=np.float32)


def some_lesions(share: Values, keep: float, dice: np.random.Generator) -> Values:
    """(L, D, H, W) with each connected lesion (of all regions together) kept with the probability ``keep``."""
    parts, count = ndimage.label(share.max(0) > 0, TOUCHING)
    is_kept = dice.random(count + 1) < keep
    is_kept[0] = False
    return np.asarray(share * is_kept[parts], dtype=np.float32)
