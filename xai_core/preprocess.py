"""From a case to the tensor a network eats, with the exact way back from its grid to the case's.

Every spatial step is one affine per axis between pixel centres, ``case_index = offset + scale * input_index``,
kept in a :class:`Grid`. Both directions are separable matrices, so that what is added around or cut off is
known to the pixel and a map never drifts (the habit of torchio: every spatial step can be inverted).
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

Array = NDArray[np.float32]


@dataclass(frozen=True)
class InputSpec:
    """What the network is fed.

    ``size``: (H, W) or (D, H, W) of the tensor. ``low``, ``high``: least and greatest value an input can
    take (the bounds of LRP's box rule). ``intensity``: name of the intensity recipe below.
    ``crop``: "lungs" (field found by ``cxr-lungs``), "study" (whole film, zero-padded square) or "none".
    ``margin``: share of the lung box added on each side. ``blur``: sigma in input pixels of the Gaussian that brings
    all films to one sharpness (0: none).
    """

    size: tuple[int, ...]
    channels: int = 1
    low: float = 0.0
    high: float = 1.0
    intensity: str = "percentile"
    crop: str = "none"
    margin: float = 0.0
    blur: float = 0.0


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
    return np.ascontiguousarray(abs(slope) * samples + intercept, dtype=np.float32)


@dataclass(frozen=True)
class Grid:
    """Where each input pixel lies in the case: ``case_index = offset + scale * input_index``, centre to centre."""

    scale: tuple[float, ...]
    offset: tuple[float, ...]
    case_shape: tuple[int, ...]
    input_shape: tuple[int, ...]

    @classmethod
    def over(
        cls, edges: tuple[tuple[float, float], ...], case_shape: tuple[int, ...], input_shape: tuple[int, ...]
    ) -> Grid:
        """The grid of ``input_shape`` laid over the box ``edges`` ((low, high) per axis, in case pixels, 0 at the first
        pixel's outer edge)."""
        scale = tuple((high - low) / size for (low, high), size in zip(edges, input_shape, strict=True))
        offset = tuple(low - 0.5 + step / 2 for (low, _), step in zip(edges, scale, strict=True))
        return cls(scale, offset, tuple(case_shape), tuple(input_shape))

    def to_input(self, array: NDArray[np.generic]) -> Array:
        """(C, *case_shape) to (C, *input_shape) float32: linear, with a filter as wide as the step where it shrinks;
        zero where the input reaches beyond the case."""
        self._expect(array, self.case_shape, "case")
        return _along_axes(array, [self._forward(axis) for axis in range(len(self.scale))])

    def to_case(self, array: NDArray[np.generic]) -> Array:
        """(C, *input_shape) to (C, *case_shape) float32: each case pixel is the mean of the input pixels it covers,
        or the nearest one where the case is finer; zero outside what the input sees."""
        self._expect(array, self.input_shape, "input")
        return _along_axes(array, [self._backward(axis) for axis in range(len(self.scale))])

    def covered(self) -> NDArray[np.bool_]:
        """(*case_shape) bool: the case's pixels whose centres the input sees."""
        seen = np.ones(self.case_shape, dtype=bool)
        for axis in range(len(self.scale)):
            line = self._seen(axis)
            seen &= line.reshape([-1 if k == axis else 1 for k in range(len(self.scale))])
        return seen

    def inside(self) -> NDArray[np.bool_]:
        """(*input_shape) bool: the input's pixels whose centres lie on the case (the others are padding)."""
        held = np.ones(self.input_shape, dtype=bool)
        for axis, (scale, offset) in enumerate(zip(self.scale, self.offset, strict=True)):
            centres = offset + scale * np.arange(self.input_shape[axis])
            line = (centres > -0.5 - 1e-6) & (centres < self.case_shape[axis] - 0.5 + 1e-6)
            held &= line.reshape([-1 if k == axis else 1 for k in range(len(self.scale))])
        return held

    def _expect(self, array: NDArray[np.generic], shape: tuple[int, ...], name: str) -> None:
        if tuple(array.shape[1:]) != shape:
            raise ValueError(
                f"array of shape {array.shape} is not (C, {', '.join(map(str, shape))}) of the {name} grid"
            )

    def _forward(self, axis: int) -> Array:
        size, source, scale, offset = self.input_shape[axis], self.case_shape[axis], self.scale[axis], self.offset[axis]
        centres = offset + scale * np.arange(size, dtype=np.float64)
        width = max(scale, 1.0)
        weights = np.maximum(0.0, 1.0 - np.abs(centres[:, None] - np.arange(source)[None, :]) / width)
        outside = (centres < -0.5 - 1e-6) | (centres > source - 0.5 + 1e-6)
        total = weights.sum(axis=1, keepdims=True)
        weights = np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)
        weights[outside] = 0.0
        return np.asarray(weights, dtype=np.float32)

    def _seen(self, axis: int) -> NDArray[np.bool_]:
        places = (np.arange(self.case_shape[axis]) - self.offset[axis]) / self.scale[axis]
        return np.asarray((places > -0.5 - 1e-6) & (places < self.input_shape[axis] - 0.5 + 1e-6))

    def _backward(self, axis: int) -> Array:
        size, target, scale = self.input_shape[axis], self.case_shape[axis], self.scale[axis]
        places = (np.arange(target, dtype=np.float64) - self.offset[axis]) / scale
        if scale >= 1.0:
            nearest = np.clip(np.floor(places + 0.5 - 1e-9).astype(int), 0, size - 1)
            weights = np.zeros((target, size))
            weights[np.arange(target), nearest] = 1.0
        else:
            half = 0.5 / scale
            low, high = (places - half)[:, None], (places + half)[:, None]
            pixels = np.arange(size)[None, :]
            weights = np.clip(np.minimum(high, pixels + 0.5) - np.maximum(low, pixels - 0.5), 0.0, None)
            total = weights.sum(axis=1, keepdims=True)
            weights = np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)
        weights[~self._seen(axis)] = 0.0
        return weights.astype(np.float32)


def _along_axes(array: NDArray[np.generic], matrices: list[Array]) -> Array:
    result = np.asarray(array, dtype=np.float32)
    for axis, matrix in enumerate(matrices):
        result = np.moveaxis(np.tensordot(matrix, result, axes=(1, axis + 1)), 0, axis + 1)
    return np.ascontiguousarray(result, dtype=np.float32)


@dataclass(frozen=True)
class Prepared:
    """What the network is given: ``tensor`` (1, C, *size) float32, the ``grid`` back to the case, the lung ``field``
    used, and ``messages`` for the person (say, that no lungs were found and the whole film was taken)."""

    tensor: torch.Tensor
    grid: Grid
    field: Region | None
    messages: tuple[str, ...] = ()


def prepare(case: Case, spec: InputSpec, field: Region | None) -> Prepared:
    """Crop, resample and scale a case as ``spec`` says; ``field`` is the lung mask where the crop is "lungs".

    Raises :class:`ModelError` where the case has not the channels or dimensions of the network.
    """
    if len(case.space) != len(spec.size):
        kinds = {2: "a film", 3: "a volume"}
        raise ModelError(
            f"This model reads {kinds.get(len(spec.size), 'another kind of image')}, not {kinds.get(len(case.space), 'this')}.",
            "Choose a model of the image's kind.",
        )
    if case.pixels.shape[0] != spec.channels:
        raise ModelError(
            f"This model needs {spec.channels} channel(s), the image has {case.pixels.shape[0]}.",
            "Choose a model with the image's channels.",
        )
    image = presented(case)
    grid = grid_of(case.space, spec, field)
    sample = grid.to_input(image)
    scaled = scale_intensity(sample, grid, spec, field)
    return Prepared(torch.from_numpy(scaled)[None], grid, field)


def grid_of(space: tuple[int, ...], spec: InputSpec, field: Region | None) -> Grid:
    """The grid that ``spec`` lays over a case of size ``space``: the lung box with its margin, clipped to the film and
    brought to one size whatever its shape ("lungs"); the whole case centred on a square ("study"); or the whole case
    stretched ("none", and "lungs" where no field is known)."""
    if spec.crop == "lungs" and field is not None and field.mask.any():
        return Grid.over(margined_box(field.mask, spec.margin), space, spec.size)
    if spec.crop == "study":
        side = float(max(space))
        return Grid.over(tuple(((n - side) / 2, (n + side) / 2) for n in space), space, spec.size)
    return Grid.over(tuple((0.0, float(n)) for n in space), space, spec.size)


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


def scale_intensity(sample: Array, grid: Grid, spec: InputSpec, field: Region | None) -> Array:
    """Bring (C, *size) into [low, high] by the recipe that ``spec.intensity`` names; padding stays at ``spec.low``."""
    held = grid.inside()
    low, high = intensity_range(sample, grid, spec, field)
    share = np.clip((sample - low) / max(high - low, 1e-6 * max(abs(high), 1.0)), 0.0, 1.0)
    if spec.blur > 0:
        share = softened(share, held, spec.blur)
    scaled = spec.low + (spec.high - spec.low) * share
    scaled[:, ~held] = spec.low
    return np.ascontiguousarray(scaled, dtype=np.float32)


def intensity_range(sample: Array, grid: Grid, spec: InputSpec, field: Region | None) -> tuple[float, float]:
    """The samples that become ``spec.low`` and ``spec.high``; raises :class:`ModelError` for an unknown recipe."""
    try:
        recipe = INTENSITIES[spec.intensity]
    except KeyError:
        raise ModelError(
            f"The card asks for the intensity recipe '{spec.intensity}', which does not exist.",
            f"Known recipes: {', '.join(INTENSITIES)}.",
        ) from None
    return recipe(sample, grid.inside(), grid, field)


def softened(sample: Array, held: NDArray[np.bool_], sigma: float) -> Array:
    """Gaussian blur of (C, *size) by ``sigma`` pixels that takes nothing from the padding: one sharpness for all films."""
    matrices = [_blur_matrix(size, sigma) for size in held.shape]
    weight = _along_axes(held[None].astype(np.float32), matrices)
    return np.divide(_along_axes(sample * held, matrices), np.maximum(weight, 1e-6), dtype=np.float32)


def _blur_matrix(size: int, sigma: float) -> Array:
    reach = math.ceil(4 * sigma)
    apart = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))
    weights = np.where(apart <= reach, np.exp(-0.5 * (apart / sigma) ** 2), 0.0)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)


def _percentile(sample: Array, held: NDArray[np.bool_], grid: Grid, field: Region | None) -> tuple[float, float]:
    """1st and 99th percentile of what lies on the film."""
    low, high = np.percentile(sample[:, held], (1.0, 99.0))
    return float(low), float(high)


def _study_percentile(sample: Array, held: NDArray[np.bool_], grid: Grid, field: Region | None) -> tuple[float, float]:
    """1st and 95th percentile of what lies on the film, as the COVID study cuts them."""
    low, high = np.percentile(sample[:, held], (1.0, 95.0))
    return float(low), float(high)


def _eight_bit(sample: Array, held: NDArray[np.bool_], grid: Grid, field: Region | None) -> tuple[float, float]:
    """The whole range of 8 bits, whatever the image holds: one grey is one value in every image."""
    return 0.0, 255.0


def _lung_box_percentile(
    sample: Array, held: NDArray[np.bool_], grid: Grid, field: Region | None
) -> tuple[float, float]:
    """1st and 99th percentile within the box around the lungs, so that borders and markers do not set the scale."""
    if field is None or not field.mask.any():
        return _percentile(sample, held, grid, None)
    box = np.zeros(sample.shape[1:], dtype=bool)
    spans = []
    for axis, (low_edge, high_edge) in enumerate(margined_box(field.mask, 0.0)):
        places = grid.offset[axis] + grid.scale[axis] * np.arange(sample.shape[axis + 1])
        inner = np.flatnonzero((places + 0.5 >= low_edge) & (places + 0.5 <= high_edge))
        spans.append(slice(int(inner[0]), int(inner[-1]) + 1) if inner.size else slice(None))
    box[tuple(spans)] = True
    return _percentile(sample, box & held, grid, None)


Intensity = Callable[[Array, NDArray[np.bool_], Grid, Region | None], tuple[float, float]]
INTENSITIES: Mapping[str, Intensity] = MappingProxyType(
    {
        "percentile": _percentile,
        "study-percentile": _study_percentile,
        "lung-box-percentile": _lung_box_percentile,
        "eight-bit": _eight_bit,
    }
)
