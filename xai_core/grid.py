"""Where a network's input lies in its case: one affine per axis between pixel centres, read in both directions.

Both directions are separable matrices, so that what is added around or cut off is known to the pixel and a map never
drifts (the habit of torchio: every spatial step can be inverted).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Grid:
    """Where each input pixel lies in the case, centre to centre: along input axis k,
    ``case_index[order[k]] = offset[k] + scale[k] * input_index[k]``. A negative scale flips the axis; ``order`` () is 0, 1, 2.
    """

    scale: tuple[float, ...]
    offset: tuple[float, ...]
    case_shape: tuple[int, ...]
    input_shape: tuple[int, ...]
    order: tuple[int, ...] = ()

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
        turned = array.transpose(0, *(axis + 1 for axis in self.axes))
        return along_axes(turned, [self._forward(axis) for axis in range(len(self.scale))])

    def to_case(self, array: NDArray[np.generic]) -> Array:
        """(C, *input_shape) to (C, *case_shape) float32: each case pixel is the mean of the input pixels it covers,
        or the nearest one where the case is finer; zero outside what the input sees."""
        self._expect(array, self.input_shape, "input")
        laid = along_axes(array, [self._backward(axis) for axis in range(len(self.scale))])
        return np.ascontiguousarray(laid.transpose(0, *(axis + 1 for axis in np.argsort(self.axes))))

    def smooth_to_case(self, array: NDArray[np.generic], outside: Sequence[float] = (0.0,)) -> Array:
        """(C, *input_shape) to (C, *case_shape) float32: interpolated linearly, for values that are smooth (logits);
        ``outside`` (one a channel, or one for all) where the input does not see the case."""
        laid = self.back.to_input(array)
        if any(outside):
            laid[:, ~self.covered()] = np.asarray(outside, dtype=np.float32)[:, None]
        return laid

    @property
    def axes(self) -> tuple[int, ...]:
        """The case's axis of each input axis."""
        return self.order or tuple(range(len(self.scale)))

    @property
    def back(self) -> Grid:
        """The same affine read the other way, from case to input."""
        inverse = [int(axis) for axis in np.argsort(self.axes)]
        scale = tuple(1 / self.scale[axis] for axis in inverse)
        offset = tuple(-self.offset[axis] / self.scale[axis] for axis in inverse)
        return Grid(scale, offset, self.input_shape, self.case_shape, tuple(inverse) if self.order else ())

    def matrix(self) -> NDArray[np.float64]:
        """(n + 1, n + 1) float64 from input index to case index; a case's affine times it places the input in mm."""
        count = len(self.scale)
        found = np.eye(count + 1)
        found[:count] = 0.0
        for axis, (scale, offset) in enumerate(zip(self.scale, self.offset, strict=True)):
            found[self.axes[axis], axis] = scale
            found[self.axes[axis], count] = offset
        return found

    def covered(self) -> NDArray[np.bool_]:
        """(*case_shape) bool: the case's pixels whose centres the input sees."""
        seen = np.ones(self.case_shape, dtype=bool)
        for axis, of_case in enumerate(self.axes):
            seen &= self._seen(axis).reshape([-1 if k == of_case else 1 for k in range(len(self.scale))])
        return seen

    def inside(self) -> NDArray[np.bool_]:
        """(*input_shape) bool: the input's pixels whose centres lie on the case (the others are padding)."""
        held = np.ones(self.input_shape, dtype=bool)
        for axis, (scale, offset) in enumerate(zip(self.scale, self.offset, strict=True)):
            centres = offset + scale * np.arange(self.input_shape[axis])
            line = (centres > -0.5 - 1e-6) & (centres < self.case_shape[self.axes[axis]] - 0.5 + 1e-6)
            held &= line.reshape([-1 if k == axis else 1 for k in range(len(self.scale))])
        return held

    def _expect(self, array: NDArray[np.generic], shape: tuple[int, ...], name: str) -> None:
        if tuple(array.shape[1:]) != shape:
            raise ValueError(
                f"array of shape {array.shape} is not (C, {', '.join(map(str, shape))}) of the {name} grid"
            )

    def _forward(self, axis: int) -> Array:
        size, source = self.input_shape[axis], self.case_shape[self.axes[axis]]
        scale, offset = self.scale[axis], self.offset[axis]
        centres = offset + scale * np.arange(size, dtype=np.float64)
        width = max(abs(scale), 1.0)
        weights = np.maximum(0.0, 1.0 - np.abs(centres[:, None] - np.arange(source)[None, :]) / width)
        outside = (centres < -0.5 - 1e-6) | (centres > source - 0.5 + 1e-6)
        total = weights.sum(axis=1, keepdims=True)
        weights = np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)
        weights[outside] = 0.0
        return np.asarray(weights, dtype=np.float32)

    def _seen(self, axis: int) -> NDArray[np.bool_]:
        places = (np.arange(self.case_shape[self.axes[axis]]) - self.offset[axis]) / self.scale[axis]
        return np.asarray((places > -0.5 - 1e-6) & (places < self.input_shape[axis] - 0.5 + 1e-6))

    def _backward(self, axis: int) -> Array:
        size, target, scale = self.input_shape[axis], self.case_shape[self.axes[axis]], self.scale[axis]
        places = (np.arange(target, dtype=np.float64) - self.offset[axis]) / scale
        if abs(scale) >= 1.0:
            nearest = np.clip(np.floor(places + 0.5 - 1e-9).astype(int), 0, size - 1)
            weights = np.zeros((target, size))
            weights[np.arange(target), nearest] = 1.0
        else:
            half = 0.5 / abs(scale)
            low, high = (places - half)[:, None], (places + half)[:, None]
            pixels = np.arange(size)[None, :]
            weights = np.clip(np.minimum(high, pixels + 0.5) - np.maximum(low, pixels - 0.5), 0.0, None)
            total = weights.sum(axis=1, keepdims=True)
            weights = np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)
        weights[~self._seen(axis)] = 0.0
        return weights.astype(np.float32)


def along_axes(array: NDArray[np.generic], matrices: list[Array]) -> Array:
    """(C, *space) with each space axis taken through its matrix (new size, old size)."""
    result = np.asarray(array, dtype=np.float32)
    for axis, matrix in enumerate(matrices):
        if ((matrix == 0) | (matrix == 1)).all() and (matrix.sum(axis=1) <= 1).all():
            result = _picked(result, axis + 1, matrix)
        else:
            result = np.moveaxis(np.tensordot(matrix, result, axes=(1, axis + 1)), 0, axis + 1)
    return np.ascontiguousarray(result, dtype=np.float32)


def _picked(array: Array, axis: int, matrix: Array) -> Array:
    """The product with a matrix that only picks samples: as exact, and without the multiplications."""
    places, held = matrix.argmax(axis=1), matrix.any(axis=1)
    if held.all() and np.array_equal(places, np.arange(array.shape[axis])):
        return array
    picked: Array = np.take(array, places, axis=axis)
    picked[(slice(None),) * axis + (~held,)] = 0
    return picked
