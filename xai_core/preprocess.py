"""From a case to the tensor a network eats, with the exact way back from its grid to the case's.

Every spatial step is one affine per axis between pixel centres, kept in a :class:`~xai_core.grid.Grid`. What is particular
to volumes stands in :mod:`xai_core.head`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray

from xai_core.case import Case, Region
from xai_core.errors import ModelError
from xai_core.grid import Array, Grid, along_axes
from xai_core.head import SCALINGS, head_of, volume_grid


@dataclass(frozen=True)
class InputSpec:
    """What the network is fed.

    ``size``: (H, W) or (D, H, W) of the tensor; 0 along an axis of a volume that is as long as the case needs. ``low``, ``high``: least and greatest value an input can
    take (the bounds of LRP's box rule). ``intensity``: name of the intensity recipe below.
    ``crop``: "lungs" (field found by ``cxr-lungs``), "study" (whole film, zero-padded square), "centre" (the square in the
    film's middle), "head" (box around the head in a volume) or "none". ``margin``: share of that box added on each side
    (below zero: cut off). ``blur``: sigma in input pixels of the Gaussian that brings all films to one sharpness (0: none).
    ``clip``: whether what lies beyond the recipe's range is cut. ``repeat``: one grey channel is given to all channels.
    ``mean``, ``std``: one a channel, taken off and divided by after all else; empty: neither. Of volumes alone: ``axes``,
    the letters towards which (D, H, W) grow ("HPL": axial slices from the feet up, rows to the back, columns to the left;
    "": as stored), ``spacing_mm`` along them (None: the box is stretched to ``size``), and ``multiple``, of which a free
    size is one.
    """

    size: tuple[int, ...]
    channels: int = 1
    low: float = 0.0
    high: float = 1.0
    intensity: str = "percentile"
    crop: str = "none"
    margin: float = 0.0
    blur: float = 0.0
    axes: str = ""
    spacing_mm: tuple[float, ...] | None = None
    multiple: int = 1
    clip: bool = True
    repeat: bool = False
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    @property
    def bounds(self) -> tuple[float, float]:
        """Least and greatest value of the tensor in any channel."""
        ends = standardised(np.array([[self.low] * self.channels, [self.high] * self.channels], np.float32).T, self)
        return float(ends.min()), float(ends.max())


def standardised(sample: Array, spec: InputSpec) -> Array:
    """(C, ...) with the mean of each channel taken off and divided by its standard deviation, where ``spec`` names them."""
    if not spec.mean:
        return sample
    shape = (-1,) + (1,) * (sample.ndim - 1)
    mean, std = (np.asarray(values, np.float32).reshape(shape) for values in (spec.mean, spec.std))
    return np.asarray((sample - mean) / std, np.float32)


def presented(case: Case) -> Array:
    """The samples as the modality means them, (C, *space) float32: bright is high whatever the polarity of the file.

    Samples are turned over within the range of their bits where small ones are bright (MONOCHROME1, or a negative slope,
    but not both), then the size of the modality's slope and its intercept are applied: the turn has spent the sign.
    Windows and VOI tables are for eyes and are left out.
    """
    samples = np.asarray(case.pixels, dtype=np.float32)
    if case.is_inverted:
        bits = case.facts.get("bits")
        is_whole = bits is not None and np.issubdtype(case.pixels.dtype, np.unsignedinteger)
        turned = float(2 ** int(bits or 0) - 1) if is_whole else float(samples.min()) + float(samples.max())
        samples = turned - samples
    slope = float(case.facts.get("slope", 1.0) or 1.0)
    intercept = float(case.facts.get("intercept", 0.0) or 0.0)
    if (abs(slope), intercept) == (1.0, 0.0):
        return np.ascontiguousarray(samples)
    return np.ascontiguousarray(abs(slope) * samples + intercept, dtype=np.float32)


@dataclass(frozen=True)
class Prepared:
    """What the network is given: ``tensor`` (1, C, *size) float32, the ``grid`` back to the case, the lung ``field``
    (or the head in a volume) used, and ``messages`` for the person (say, that no lungs were found and the whole film was taken)."""

    tensor: torch.Tensor
    grid: Grid
    field: Region | None
    messages: tuple[str, ...] = ()


def prepare(case: Case, spec: InputSpec, field: Region | None) -> Prepared:
    """Crop, turn, resample and scale a case as ``spec`` says; ``field`` is the lung mask where the crop is "lungs", the head
    of a volume (found here where it is None).

    Raises :class:`ModelError` where the case has not the channels or dimensions of the network.
    """
    if len(case.space) != len(spec.size):
        kinds = {2: "a film", 3: "a volume"}
        raise ModelError(
            f"This model reads {kinds.get(len(spec.size), 'another kind of image')}, not {kinds.get(len(case.space), 'this')}.",
            "Choose a model of the image's kind.",
        )
    is_repeated = spec.repeat and case.pixels.shape[0] == 1
    if case.pixels.shape[0] != spec.channels and not is_repeated:
        raise ModelError(
            f"This model needs {spec.channels} channel(s), the image has {case.pixels.shape[0]}.",
            "Choose a model with the image's channels.",
        )
    image = presented(case)
    messages: tuple[str, ...] = ()
    if case.kind == "volume":
        if field is None and (spec.crop == "head" or spec.intensity in SCALINGS):
            field = Region(head_of(image), "head")
        edges = (
            margined_box(field.mask, spec.margin)
            if spec.crop == "head" and field is not None
            else whole_box(case.space)
        )
        layout = (spec.size, spec.axes, spec.spacing_mm, spec.multiple)
        grid, messages = volume_grid(case.geometry, case.space, edges, *layout)
    else:
        grid = grid_of(case.space, spec, field)
    sample = grid.to_input(image)
    scaled = scale_intensity(sample, grid, spec, field, span_of(case))
    if is_repeated:
        scaled = np.repeat(scaled, spec.channels, axis=0)
    return Prepared(torch.from_numpy(standardised(scaled, spec))[None], grid, field, messages)


def span_of(case: Case) -> tuple[float, float]:
    """The least and greatest value that a case's file can hold, as :func:`presented` gives them: by its bits where they are
    known and whole, else the least and greatest that it does hold."""
    bits = case.facts.get("bits")
    if bits is None or not np.issubdtype(case.pixels.dtype, np.unsignedinteger):
        image = presented(case)
        return float(image.min()), float(image.max())
    slope = abs(float(case.facts.get("slope", 1.0) or 1.0))
    intercept = float(case.facts.get("intercept", 0.0) or 0.0)
    return intercept, slope * float(2 ** int(bits) - 1) + intercept


def grid_of(space: tuple[int, ...], spec: InputSpec, field: Region | None) -> Grid:
    """The grid that ``spec`` lays over a case of size ``space``: the lung box with its margin, clipped to the film and
    brought to one size whatever its shape ("lungs"); the whole case centred on a square ("study"); or the whole case
    stretched ("none", and "lungs" where no field is known); or the square in its middle, as wide as its shorter side with
    ``margin`` ("centre")."""
    if spec.crop == "lungs" and field is not None and field.mask.any():
        return Grid.over(margined_box(field.mask, spec.margin), space, spec.size)
    if spec.crop == "study":
        side = float(max(space))
        return Grid.over(tuple(((n - side) / 2, (n + side) / 2) for n in space), space, spec.size)
    if spec.crop == "centre":
        half = min(space) * (0.5 + spec.margin)
        return Grid.over(tuple((n / 2 - half, n / 2 + half) for n in space), space, spec.size)
    return Grid.over(whole_box(space), space, spec.size)


def whole_box(space: tuple[int, ...]) -> tuple[tuple[float, float], ...]:
    """Edges (low, high) per axis of the whole case."""
    return tuple((0.0, float(size)) for size in space)


def margined_box(mask: NDArray[np.bool_], margin: float) -> tuple[tuple[float, float], ...]:
    """Edges (low, high) per axis of the box around a mask, with a share of its size added on each side, kept on the case."""
    edges = []
    for axis, size in enumerate(mask.shape):
        others = tuple(k for k in range(mask.ndim) if k != axis)
        held = np.flatnonzero(mask.any(axis=others))
        low, high = float(held[0]), float(held[-1] + 1)
        extra = margin * (high - low)
        edges.append((max(0.0, low - extra), min(float(size), high + extra)))
    return tuple(edges)


def scale_intensity(sample: Array, grid: Grid, spec: InputSpec, field: Region | None, span: Span = None) -> Array:
    """Bring (C, *size) into [low, high] by the recipe that ``spec.intensity`` names; padding stays at ``spec.low``, or where
    the recipe is a volume's at what it says of air. ``span``: the range of the file (:func:`span_of`), for recipes that go by it.
    """
    if spec.intensity in SCALINGS:
        return SCALINGS[spec.intensity](sample, grid, spec.low, spec.high, field)
    held = grid.inside()
    low, high = intensity_range(sample, grid, spec, field, span)
    share = (sample - low) / max(high - low, 1e-6 * max(abs(high), 1.0))
    if spec.clip:
        share = np.clip(share, 0.0, 1.0)
    if spec.blur > 0:
        share = softened(share, held, spec.blur)
    scaled = spec.low + (spec.high - spec.low) * share
    scaled[:, ~held] = spec.low
    return np.ascontiguousarray(scaled, dtype=np.float32)


def intensity_range(
    sample: Array, grid: Grid, spec: InputSpec, field: Region | None, span: Span = None
) -> tuple[float, float]:
    """The samples that become ``spec.low`` and ``spec.high``; raises :class:`ModelError` for an unknown recipe."""
    try:
        recipe = INTENSITIES[spec.intensity]
    except KeyError:
        raise ModelError(
            f"The card asks for the intensity recipe '{spec.intensity}', which does not exist.",
            f"Known recipes: {', '.join((*INTENSITIES, *SCALINGS))}.",
        ) from None
    return recipe(sample, grid.inside(), grid, field, span)


def softened(sample: Array, held: NDArray[np.bool_], sigma: float) -> Array:
    """Gaussian blur of (C, *size) by ``sigma`` pixels that takes nothing from the padding: one sharpness for all films."""
    matrices = [_blur_matrix(size, sigma) for size in held.shape]
    weight = along_axes(held[None].astype(np.float32), matrices)
    return np.divide(along_axes(sample * held, matrices), np.maximum(weight, 1e-6), dtype=np.float32)


def _blur_matrix(size: int, sigma: float) -> Array:
    reach = math.ceil(4 * sigma)
    apart = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))
    weights = np.where(apart <= reach, np.exp(-0.5 * (apart / sigma) ** 2), 0.0)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)


def _percentile(
    sample: Array, held: NDArray[np.bool_], grid: Grid, field: Region | None, span: Span
) -> tuple[float, float]:
    """1st and 99th percentile of what lies on the film."""
    low, high = np.percentile(sample[:, held], (1.0, 99.0))
    return float(low), float(high)


def _study_percentile(
    sample: Array, held: NDArray[np.bool_], grid: Grid, field: Region | None, span: Span
) -> tuple[float, float]:
    """1st and 95th percentile of what lies on the film, as the COVID study cuts them."""
    low, high = np.percentile(sample[:, held], (1.0, 95.0))
    return float(low), float(high)


def _eight_bit(
    sample: Array, held: NDArray[np.bool_], grid: Grid, field: Region | None, span: Span
) -> tuple[float, float]:
    """The whole range of 8 bits, whatever the image holds: one grey is one value in every image."""
    return 0.0, 255.0


def _lung_box_percentile(
    sample: Array, held: NDArray[np.bool_], grid: Grid, field: Region | None, span: Span
) -> tuple[float, float]:
    """1st and 99th percentile within the box around the lungs, so that borders and markers do not set the scale."""
    if field is None or not field.mask.any():
        return _percentile(sample, held, grid, None, span)
    box = np.zeros(sample.shape[1:], dtype=bool)
    spans = []
    for axis, (low_edge, high_edge) in enumerate(margined_box(field.mask, 0.0)):
        places = grid.offset[axis] + grid.scale[axis] * np.arange(sample.shape[axis + 1])
        inner = np.flatnonzero((places + 0.5 >= low_edge) & (places + 0.5 <= high_edge))
        spans.append(slice(int(inner[0]), int(inner[-1]) + 1) if inner.size else slice(None))
    box[tuple(spans)] = True
    return _percentile(sample, box & held, grid, None, span)


def _file_range(
    sample: Array, held: NDArray[np.bool_], grid: Grid, field: Region | None, span: Span
) -> tuple[float, float]:
    """What the file can hold: 0 and 255 of an 8-bit film, as networks expect it that divide by 255."""
    return span if span is not None else _minimum_maximum(sample, held, grid, field, span)


def _minimum_maximum(
    sample: Array, held: NDArray[np.bool_], grid: Grid, field: Region | None, span: Span
) -> tuple[float, float]:
    """The least and greatest sample there is."""
    seen = sample[:, held]
    return float(seen.min()), float(seen.max())


def _percentile_5_95(
    sample: Array, held: NDArray[np.bool_], grid: Grid, field: Region | None, span: Span
) -> tuple[float, float]:
    """5th and 95th percentile."""
    low, high = np.percentile(sample[:, held], (5.0, 95.0))
    return float(low), float(high)


Span = tuple[float, float] | None
Intensity = Callable[[Array, NDArray[np.bool_], Grid, Region | None, Span], tuple[float, float]]
INTENSITIES: Mapping[str, Intensity] = MappingProxyType(
    {
        "percentile": _percentile,
        "study-percentile": _study_percentile,
        "lung-box-percentile": _lung_box_percentile,
        "file-range": _file_range,
        "minimum-maximum": _minimum_maximum,
        "percentile-5-95": _percentile_5_95,
        "eight-bit": _eight_bit,
    }
)
