"""What the samples of a brain volume tell before any network looks: how large the head is, how it lies, what each channel looks like.

Everything but grey levels is measured on a copy of about ``STEP_MM``, so that a volume of 1 mm and one of 2 mm are judged alike. Two
things tell the kinds of MR image apart and need no outline of tissues: where the image is smoothest there is white matter, and
what lies at the far end of the grey values in the middle of the head is the fluid of the ventricles.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from xai_core.case import DIRECTIONS, Case
from xai_core.head import head_of
from xai_core.preprocess import presented
from xai_core.readers.names import canonical

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]
STEP_MM = 2.0
MIDDLE_MM = 40.0
"""Radius of the middle of the head: the lateral ventricles and the white matter beside them."""
RIM_MM, RING_MM, DEEP_MM = 3.0, 15.0, 20.0
"""Depths below the surface: of the scalp, of the skull, and of what is brain in any head."""
EXTREME, SMOOTHEST = 0.03, 0.2
"""Share of the middle taken for fluid, and for white matter."""
LEAST_TAIL = 0.5
"""How much longer one end of the grey values is than the other (a logarithm) for fluid to be told by it."""
ENHANCING = ("T1post", "T1")


@dataclass(frozen=True)
class Channel:
    """``levels``: different sample values within the head; ``top``: share of the head at the greatest; ``cover``: share of the head
    above the least; ``fluid``, ``white``: share of the middle of the head that is darker than fluid and than white matter (0 the
    darkest, 1 the brightest; ``fluid`` nan where no channel shows any); ``tail``: by how much the bright end of the middle
    is longer than the dark one, a logarithm; ``kinship``: correlation of neighbouring voxels; ``dip``: how dark a ring below the surface is
    by what lies on both sides of it (1: no ring)."""

    levels: float
    top: float
    cover: float
    fluid: float
    white: float
    tail: float
    kinship: float
    dip: float


@dataclass(frozen=True)
class Measured:
    """``channels`` by name; ``head_ml``, ``head_share`` of the volume; ``air``: share of samples that are exactly the least value in every
    channel; ``side_mm``: the head's greatest side; ``likeness``: overlap (Dice) of the head with its own mirror image from side to side, less
    the greatest one along another axis (None where directions are unknown); ``least``: the least value; ``alike``: pairs of channels with
    one image; ``enhanced``: how much T1post outshines T1 at its brightest, less the reverse, in medians of the head (None without both)."""

    channels: Mapping[str, Channel]
    head_ml: float
    head_share: float
    air: float
    side_mm: float
    likeness: float | None
    least: float
    alike: tuple[tuple[str, str], ...]
    enhanced: float | None


def measured(case: Case, names: Sequence[str]) -> Measured:
    """Measure the channels ``names`` of a volume (C, D, H, W)."""
    places = [case.channels.index(name) for name in names]
    spacing = case.geometry.spacing_mm or (1.0, 1.0, 1.0)
    factors = tuple(
        max(1, min(round(STEP_MM / step), size // 8)) for step, size in zip(spacing, case.space, strict=True)
    )
    step = np.array(spacing) * factors
    grid = tuple(slice(0, size // factor * factor, factor) for size, factor in zip(case.space, factors, strict=True))
    picked, small = [], []
    for place in places:
        image = presented(replace(case, channels=(case.channels[place],), pixels=case.pixels[place : place + 1]))[0]
        picked.append(image[grid])
        small.append(_blocks(image, factors))
    copies, samples = np.stack(small), np.stack(picked)
    whole = head_of(copies)
    air = float((samples == samples.min(axis=(1, 2, 3), keepdims=True)).all(axis=0).mean())
    least = copies.min(axis=(1, 2, 3)), samples.max(axis=(1, 2, 3)), float(samples.min())
    box = tuple(slice(int(at.min()), int(at.max()) + 1) for at in np.nonzero(whole))
    head, copies, samples = whole[box], copies[:, *box], samples[:, *box]
    depth = ndimage.distance_transform_edt(np.pad(head, 1), sampling=step)[1:-1, 1:-1, 1:-1]
    middle = head & (_away(head, step) < MIDDLE_MM)
    tails = [_tail(copy[middle]) for copy in copies]
    fluid = _fluid(copies, middle, tails)
    return Measured(
        channels={
            name: Channel(
                levels=float(len(np.unique(samples[k][head]))),
                top=float((samples[k][head] >= least[1][k]).mean()),
                cover=float((copies[k][head] > least[0][k]).mean()),
                fluid=_rank(copies[k], middle, fluid),
                white=_rank(copies[k], middle, _smoothest(copies[k], middle)),
                tail=tails[k],
                kinship=_kinship(copies[k]),
                dip=_dip(copies[k] - least[0][k], depth),
            )
            for k, name in enumerate(names)
        },
        head_ml=float(head.sum() * _voxel_ml(case) * np.prod(factors)),
        head_share=float(whole.mean()),
        air=air,
        side_mm=float((np.array(head.shape) * step).max()),
        likeness=None if case.geometry.affine is None else _likeness(case.geometry.letters, head),
        least=least[2],
        alike=tuple(
            (names[a], names[b])
            for a, b in itertools.combinations(range(len(names)), 2)
            if np.array_equal(samples[a], samples[b])
        ),
        enhanced=_enhanced(dict(zip(map(canonical, names), copies, strict=True)), depth),
    )


def _voxel_ml(case: Case) -> float:
    """Volume of one sample, ml: of a sheared grid it is less than the product of its steps."""
    steps = np.diag(case.geometry.spacing_mm or (1.0, 1.0, 1.0))
    return float(abs(np.linalg.det(steps if case.geometry.affine is None else case.geometry.affine[:3, :3]))) / 1000


def _blocks(image: Array, factors: Sequence[int]) -> Array:
    """Means of blocks of ``factors`` samples; what is left over at the end is dropped."""
    kept = image[tuple(slice(0, size // factor * factor) for size, factor in zip(image.shape, factors, strict=True))]
    shape = [part for size, factor in zip(kept.shape, factors, strict=True) for part in (size // factor, factor)]
    return np.asarray(kept.reshape(shape).mean(axis=(1, 3, 5)), np.float32)


def _tail(values: Array) -> float:
    low, half, high = np.percentile(values, (1, 50, 99))
    least = max(float(high - low), 1e-6) * 1e-3
    return float(np.log(max(high - half, least) / max(half - low, least)))


def _fluid(copies: Array, middle: Mask, tails: Sequence[float]) -> Mask:
    """Voxels at the far end of the channel whose one end is the longest; none where no end is long."""
    clearest = int(np.argmax(np.abs(tails)))
    if abs(tails[clearest]) < LEAST_TAIL:
        return np.zeros_like(middle)
    turned = copies[clearest] * np.sign(tails[clearest])
    return np.asarray(middle & (turned >= np.quantile(turned[middle], 1 - EXTREME)))


def _smoothest(copy: Array, middle: Mask) -> Mask:
    mean = ndimage.uniform_filter(copy.astype(np.float64), 3)
    spread = ndimage.uniform_filter(copy.astype(np.float64) ** 2, 3) - mean**2
    return np.asarray(middle & (spread <= np.quantile(spread[middle], SMOOTHEST)))


def _rank(copy: Array, middle: Mask, part: Mask) -> float:
    """Share of ``middle`` darker than the median of ``part``; equal values count half."""
    if not part.any():
        return float("nan")
    level, values = np.median(copy[part]), copy[middle]
    return float((values < level).mean() + 0.5 * (values == level).mean())


def _kinship(copy: Array) -> float:
    spread = max(float(copy.var()), 1e-12)
    return max(1.0 - float((np.diff(copy, axis=axis) ** 2).mean()) / (2 * spread) for axis in range(3))


def _dip(copy: Array, depth: NDArray[np.float64]) -> float:
    """The darkest shell below the scalp, by the brighter of what lies outside it and, if that is darker, what lies within;
    ``copy`` with air at 0."""
    deep = copy[depth > DEEP_MM]
    shells = [copy[(depth > low) & (depth <= low + RIM_MM)] for low in np.arange(0.0, RING_MM + RIM_MM, RIM_MM)]
    if not deep.size or not all(shell.size for shell in shells):
        return 1.0
    profile = np.array([np.median(shell) for shell in shells])
    inner = max(float(np.median(deep)), 1e-6)
    found = [profile[k] / max(min(profile[:k].max(), inner), 1e-6) for k in range(1, len(profile))]
    return float(min(1.0, *found))


def _away(head: Mask, step: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of each voxel from the head's centre of mass, mm."""
    squared = np.zeros(head.shape)
    for axis, at in enumerate(np.argwhere(head).mean(axis=0)):
        line = ((np.arange(head.shape[axis]) - at) * step[axis]) ** 2
        squared += line.reshape([-1 if k == axis else 1 for k in range(3)])
    return np.sqrt(squared)


def _likeness(letters: Sequence[str], head: Mask) -> float:
    """By the shape alone: a lesion on one side takes nothing from it. Mirrored about the centre of mass."""
    centre = np.argwhere(head).mean(axis=0)
    found = []
    for axis, size in enumerate(head.shape):
        places = np.round(2 * centre[axis] - np.arange(size)).astype(int)
        is_held = ((places >= 0) & (places < size)).reshape([-1 if k == axis else 1 for k in range(3)])
        mirrored = np.take(head, np.clip(places, 0, size - 1), axis=axis) & is_held
        found.append(float(2 * (head & mirrored).sum() / (head.sum() + mirrored.sum())))
    sideways = next(axis for axis, letter in enumerate(letters) if letter in DIRECTIONS[0])
    return found[sideways] - max(share for axis, share in enumerate(found) if axis != sideways)


def _enhanced(copies: Mapping[str, Array], depth: NDArray[np.float64]) -> float | None:
    """Both ends of the difference of T1post and T1, each by its median: above zero where T1post has what shines in it alone."""
    if not set(ENHANCING) <= set(copies):
        return None
    first, second = (copies[name] / max(float(np.median(copies[name][depth > 0])), 1e-6) for name in ENHANCING)
    apart = (first - second)[depth > RIM_MM]
    low, high = np.percentile(apart, (0.5, 99.5)) if apart.size else (0.0, 0.0)
    return float(low + high)
