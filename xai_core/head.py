"""What is particular to feeding a volume: its channels by name, the head in it, its axes turned, its spacing, its scale.

Axes are turned by whole quarter turns and flips only, to the nearest ones asked for; an oblique volume stays oblique, and
nothing is interpolated that need not be. Recipes of the scale, per channel within the head: "head-zscore", (x - mean) / standard
deviation, cut to the card's bounds, 0 outside (Isensee et al. 2021, nnU-Net, on skull-stripped volumes); "head-range", from the
least to the greatest value but for a few, the card's low outside (Tjoa et al. 2019 scale each modality to 0..1).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from xai_core.case import DIRECTIONS, Case, Geometry, Region
from xai_core.errors import ModelError
from xai_core.grid import Array, Grid
from xai_core.readers.names import canonical

# Air that was set to one value (skull-stripped, defaced) covers at least this share of a volume.
LEAST_AIR_SHARE = 0.02
THINNED = 500_000
# Percentiles that become the least and greatest input of "head-range": single voxels, of vessels or noise, set no scale.
RANGE_TAILS = (0.1, 99.9)
# Spacings this near to each other are the same; headers are rounded.
SAME_SPACING = 1e-3
UNKNOWN_AXES = "The file does not say how the head lies; the volume was given to the network as it is stored."
CUT_HEAD = "The head is larger than what the network reads; its rim was left out."


def with_channels(case: Case, names: Sequence[str]) -> Case:
    """``case`` with the channels ``names`` in this order, whatever the spelling ("t1ce" is T1post).

    Raises :class:`ModelError` naming those that are missing.
    """
    held = {canonical(name): place for place, name in enumerate(case.channels)}
    missing = [name for name in names if canonical(name) not in held]
    if missing:
        raise ModelError(
            f"This model needs {', '.join(names)}; the volume has no {', '.join(missing)}.",
            "Add the missing modalities.",
        )
    places = [held[canonical(name)] for name in names]
    if places == list(range(len(case.channels))):
        return case
    return replace(case, channels=tuple(case.channels[place] for place in places), pixels=case.pixels[places])


def head_of(image: Array) -> NDArray[np.bool_]:
    """(*space) bool of (C, *space), a volume or a slice: the greatest connected part above air in any channel, without holes.

    Air is the least value where that is frequent, else what lies below Otsu's threshold (Otsu 1979).
    """
    above = np.zeros(image.shape[1:], dtype=bool)
    for channel in image:
        above |= channel > _air(channel)
    parts, count = ndimage.label(above)
    if count > 1:
        above = parts == int(np.argmax(np.bincount(parts.ravel())[1:])) + 1
    outside, _ = ndimage.label(~above)
    rim = np.zeros(above.shape, dtype=bool)
    for axis in range(above.ndim):
        rim[tuple(slice(None) if k != axis else [0, -1] for k in range(above.ndim))] = True
    is_air = np.zeros(int(outside.max()) + 1, dtype=bool)
    is_air[np.unique(outside[rim])] = True
    is_air[0] = False
    return np.asarray(~is_air[outside])


def _air(channel: Array) -> float:
    from skimage.filters import threshold_otsu

    thinned = channel.reshape(-1)[:: max(1, channel.size // THINNED)]
    least = float(thinned.min())
    if float((thinned == least).mean()) >= LEAST_AIR_SHARE:
        return least
    return float(threshold_otsu(thinned))


def volume_grid(
    geometry: Geometry,
    space: tuple[int, ...],
    edges: tuple[tuple[float, float], ...],
    size: tuple[int, ...],
    axes: str = "",
    spacing_mm: tuple[float, ...] | None = None,
    multiple: int = 1,
) -> tuple[Grid, tuple[str, ...]]:
    """The grid of ``size`` laid over the box ``edges`` (per case axis, in voxels), and messages for the person.

    ``axes``: letters towards which the input's axes grow ("HPL"; '' as stored). Without ``spacing_mm`` the box is stretched to
    the size; with it the input has that spacing and is centred on the box, and a size of 0 is as large as the box needs, a
    multiple of ``multiple``. Raises :class:`ModelError` where a spacing is asked for and the case has none.
    """
    order, flips, messages = _turn(geometry, axes)
    if spacing_mm is not None and geometry.spacing_mm is None:
        raise ModelError(
            "This volume does not say how large its voxels are, and the model needs to know.", "Choose another file."
        )
    scale, offset, sizes = [], [], []
    for axis, (of_case, is_flipped) in enumerate(zip(order, flips, strict=True)):
        low, high = edges[of_case]
        count = size[axis]
        if spacing_mm is None:
            step = (high - low) / count
        else:
            assert geometry.spacing_mm is not None
            step = spacing_mm[axis] / geometry.spacing_mm[of_case]
            step = 1.0 if abs(step - 1.0) < SAME_SPACING else step
            count = count or multiple * math.ceil((high - low) / step / multiple - 1e-6)
            if count * step < high - low - 1.0:
                messages = (*messages, CUT_HEAD)
            low = (low + high - count * step) / 2
            low = math.floor(low + 0.5) if step == 1.0 else low
            high = low + count * step
        scale.append(-step if is_flipped else step)
        offset.append(high - 0.5 - step / 2 if is_flipped else low - 0.5 + step / 2)
        sizes.append(count)
    grid = Grid(tuple(scale), tuple(offset), tuple(space), tuple(sizes), order)
    return grid, tuple(dict.fromkeys(messages))


def _turn(geometry: Geometry, axes: str) -> tuple[tuple[int, ...], tuple[bool, ...], tuple[str, ...]]:
    """(case axis, whether it is flipped) for each letter of ``axes``, and messages."""
    if not axes:
        return (0, 1, 2), (False,) * 3, ()
    wanted = [_direction(letter) for letter in axes]
    if len(axes) != 3 or sorted(towards for towards, _ in wanted) != [0, 1, 2]:
        raise ModelError(
            f"The card asks for the axes '{axes}', which are none.", "Write three of L or R, P or A, H or F."
        )
    if geometry.affine is None:
        return (0, 1, 2), (False,) * 3, (UNKNOWN_AXES,)
    held = {towards: (axis, sign) for axis, (towards, sign) in enumerate(map(_direction, geometry.letters))}
    order = tuple(held[towards][0] for towards, _ in wanted)
    return order, tuple(held[towards][1] != sign for towards, sign in wanted), ()


def _direction(letter: str) -> tuple[int, int]:
    """(axis of LPS, 0 along or 1 against it) of a letter; (-1, 0) for another."""
    return next(((axis, pair.index(letter)) for axis, pair in enumerate(DIRECTIONS) if letter in pair), (-1, 0))


def standardised(sample: Array, grid: Grid, low: float, high: float, head: Region | None) -> Array:
    """(C, *input_shape) with mean 0 and standard deviation 1 within the head, per channel; 0 outside it."""
    held = _within(grid, head)
    scaled = np.zeros_like(sample)
    for row, channel in zip(scaled, sample, strict=True):
        within = channel[held]
        if within.size and (spread := float(within.std(dtype=np.float64))) > 0:
            row[held] = np.clip((within - np.float32(within.mean(dtype=np.float64))) / np.float32(spread), low, high)
    return scaled


def ranged(sample: Array, grid: Grid, low: float, high: float, head: Region | None) -> Array:
    """(C, *input_shape) in [low, high], per channel between :data:`RANGE_TAILS` within the head; ``low`` outside it."""
    held = _within(grid, head)
    scaled = np.full_like(sample, low)
    for row, channel in zip(scaled, sample, strict=True):
        within = channel[held]
        if not within.size:
            continue
        least, greatest = (float(end) for end in np.percentile(within, RANGE_TAILS))
        if greatest > least:
            row[held] = low + (high - low) * np.clip((within - least) / (greatest - least), 0, 1)
    return scaled


def _within(grid: Grid, head: Region | None) -> NDArray[np.bool_]:
    """(*input_shape) bool: on the case, and in the head where it is known."""
    held = grid.inside()
    if head is not None:
        held &= grid.to_input(head.mask[None].astype(np.float32))[0] >= 0.5
    return held


Scaling = Callable[[Array, Grid, float, float, Region | None], Array]
SCALINGS: Mapping[str, Scaling] = MappingProxyType({"head-zscore": standardised, "head-range": ranged})
