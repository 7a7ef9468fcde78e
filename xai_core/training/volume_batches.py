"""Batches of patches cut from heads: a box about a lesion or anywhere, painted, turned and re-toned at random.

A box is cut with a rim, painted there, and one affine brings it to the patch, so that what turns in from the side is real.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor, nn

from xai_core.training.lesion_painting import TOUCHING, Look, painted, some_lesions
from xai_core.training.loop import Batch
from xai_core.training.volumes import Anatomy, Truth, Values

RIM = 6
# Drawn masks are moved by up to this many voxels along each axis: people's heads are not in one place either.
JITTER = 4


@dataclass(frozen=True)
class Canvas:
    """An anatomy to paint on: its ``white`` matter (C,), its ``tissue`` (where lesions can be), and ``masks``: shares
    (R, D, H, W) uint8 of 255, drawn on other heads. ``centres``: of its own lesions, (n, 3), one row a lesion."""

    anatomy: Anatomy
    white: NDArray[np.float64]
    tissue: Truth
    masks: tuple[NDArray[np.uint8], ...]
    centres: NDArray[np.int64]


@dataclass(frozen=True)
class Mixture:
    """What batches are made of: ``patch`` (side in voxels), patches a step, the share that is ``painted``, and of those that
    are centred on a ``lesion``."""

    patch: int
    batch: int
    painted: float = 0.65
    lesion: float = 0.7
    strength: float = 1.0


def lesion_centres(share: Values) -> NDArray[np.int64]:
    """(n, 3) voxels, one a connected lesion of (L, D, H, W): the one deepest inside it."""
    inside = share.max(0) > 0.5
    parts, count = ndimage.label(inside, TOUCHING)
    if not count:
        return np.zeros((0, 3), np.int64)
    depth = ndimage.distance_transform_edt(inside)
    return np.asarray(ndimage.maximum_position(depth, parts, range(1, count + 1)), dtype=np.int64).reshape(-1, 3)


def batches(
    canvases: Sequence[Canvas], looks: Sequence[Look], mixture: Mixture, count: int, dice: np.random.Generator
) -> Iterator[Batch]:
    """``count`` batches: image (N, C, S, S, S) and mask (N, R, S, S, S), shares of voxels."""
    for _ in range(count):
        drawn = [canvases[int(place)] for place in dice.integers(len(canvases), size=mixture.batch)]
        pairs = [patch_of(canvas, looks, mixture, dice) for canvas in drawn]
        image = torch.stack([image for image, _ in pairs]).contiguous(memory_format=torch.channels_last_3d)
        yield {"image": image, "mask": torch.stack([mask for _, mask in pairs])}


def patch_of(
    canvas: Canvas, looks: Sequence[Look], mixture: Mixture, dice: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """One augmented patch (C, S, S, S) and what lies in it (R, S, S, S)."""
    side = mixture.patch + 2 * RIM
    mask = shift = None
    if canvas.masks and dice.random() < mixture.painted:
        mask = canvas.masks[int(dice.integers(len(canvas.masks)))]
        shift = dice.integers(-JITTER, JITTER + 1, 3)
    centre = _centre(canvas, mask, shift, mixture.lesion, dice)
    start = centre - side // 2 + dice.integers(-mixture.patch // 4, mixture.patch // 4 + 1, 3)
    image = boxed(canvas.anatomy.image, start, side)
    regions = boxed(canvas.anatomy.regions, start, side)
    head = boxed(canvas.anatomy.head[None], start, side)
    if mask is not None and shift is not None:
        place = boxed(canvas.tissue[None], start, side) * (1 - regions.max(0, keepdims=True))
        drawn = boxed(mask, start - shift, side) / np.float32(255)
        if dice.random() < 0.5:
            drawn = some_lesions(drawn, float(dice.uniform(0.3, 1)), dice)
        drawn = drawn * place
        for layer, look in zip(drawn, looks, strict=True):
            image = painted(image, layer, look, canvas.white, dice)
        regions = np.maximum(regions, drawn)
    return augmented(image, regions, head, mixture, dice)


def _centre(
    canvas: Canvas,
    mask: NDArray[np.uint8] | None,
    shift: NDArray[np.int64] | None,
    lesion: float,
    dice: np.random.Generator,
) -> NDArray[np.int64]:
    """A voxel about which to cut: within a drawn mask or a lesion of the head's own, or anywhere in the head."""
    shape = np.asarray(canvas.anatomy.head.shape)
    if dice.random() < lesion:
        if mask is not None and shift is not None:
            places = np.argwhere(mask.max(0)[::2, ::2, ::2] > 127) * 2
            if len(places):
                return np.asarray(np.clip(places[dice.integers(len(places))] + shift, 0, shape - 1))
        if len(canvas.centres):
            return np.asarray(canvas.centres[dice.integers(len(canvas.centres))])
    places = np.argwhere(canvas.anatomy.head[::4, ::4, ::4]) * 4
    return np.asarray(places[dice.integers(len(places))])


def boxed(array: NDArray[np.generic], start: NDArray[np.int64], side: int) -> NDArray[np.float32]:
    """The cube of (K, D, H, W) that begins at ``start``, zero where it reaches beyond; a copy."""
    cube = np.zeros((len(array), side, side, side), dtype=np.float32)
    into, taken = [], []
    for first, size in zip(start, array.shape[1:], strict=True):
        low, high = max(0, -int(first)), max(0, min(side, size - int(first)))
        into.append(slice(min(low, high), high))
        taken.append(slice(min(low, high) + int(first), high + int(first)))
    cube[:, *into] = array[:, *taken]
    return cube


def augmented(
    image: Values, regions: Values, head: Values, mixture: Mixture, dice: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """The cube turned, scaled and mirrored left to right (along its last axis) onto the patch, each modality re-toned."""
    side, reach = mixture.patch, image.shape[-1]
    grid = F.affine_grid(_turn(side / reach, mixture.strength, dice), [1, 1, side, side, side], align_corners=False)
    stack = torch.from_numpy(np.concatenate([image, regions, head]))[None]
    cut = F.grid_sample(stack, grid, mode="bilinear", padding_mode="zeros", align_corners=False)[0]
    channels = len(image)
    toned, mask, inside = cut[:channels], cut[channels:-1], cut[-1:] > 0.5
    return retoned(toned.numpy(), dice, mixture.strength) * inside, mask


def _turn(zoom: float, strength: float, dice: np.random.Generator) -> Tensor:
    """(1, 3, 4) for affine_grid: columns W, H, D; up to 12 degrees about each axis, 0.85 to 1.15 in size."""
    turn = np.eye(3)
    for axis, angle in enumerate(np.deg2rad(dice.uniform(-12, 12, 3) * strength)):
        plane = [k for k in range(3) if k != axis]
        step = np.eye(3)
        step[np.ix_(plane, plane)] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        turn = turn @ step
    turn *= zoom * np.exp(dice.uniform(np.log(0.87), np.log(1.15)) * strength)
    if dice.random() < 0.5:
        turn[:, 0] *= -1
    return torch.from_numpy(np.concatenate([turn, np.zeros((3, 1))], axis=1).astype(np.float32))[None]


def retoned(image: Values, dice: np.random.Generator, strength: float) -> Tensor:
    """(C, S, S, S): gain, offset, bend, blur, shading and noise of each modality for itself; at times one is missing (0)."""
    result = []
    for channel in image:
        if dice.random() < 0.4 * strength:
            channel = ndimage.gaussian_filter(channel, dice.uniform(0.3, 0.8))
        bend, gain = dice.normal(0, 0.06) * strength, np.exp(dice.normal(0, 0.12) * strength)
        channel = gain * (channel + bend * channel * np.abs(channel)) + dice.normal(0, 0.15) * strength
        if dice.random() < 0.3 * strength:
            slopes = dice.normal(0, 0.15, 3)
            ramps = np.ogrid[tuple(slice(-1, 1, complex(0, size)) for size in channel.shape)]
            channel = channel + sum(slope * ramp for slope, ramp in zip(slopes, ramps, strict=True))
        noise = dice.standard_normal(channel.shape, dtype=np.float32)
        result.append(channel + noise * np.float32(dice.uniform(0, 0.15) * strength))
    if dice.random() < 0.1 * strength:
        result[dice.integers(len(result))] = np.zeros_like(result[0])
    return torch.from_numpy(np.stack(result).astype(np.float32))


def overlap_loss(module: nn.Module, batch: Batch) -> Tensor:
    """Cross entropy of every voxel plus one minus the soft Dice of every region over the whole batch."""
    logits = module(batch["image"]).float()
    share, truth = torch.sigmoid(logits), batch["mask"]
    axes = (0, 2, 3, 4)
    dice = (2 * (share * truth).sum(axes) + 1) / (share.sum(axes) + truth.sum(axes) + 1)
    return F.binary_cross_entropy_with_logits(logits, truth) + (1 - dice).mean()
