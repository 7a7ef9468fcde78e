"""A volume brought onto another volume's grid: untouched, turned, or interpolated, whichever is the least that does it.

Grids are compared in millimetres, at their corners. Where one grid's steps are the other's in another order or direction,
samples are only moved about and keep their type and values; else they are interpolated linearly (after a blur as wide as
the step where the target is coarser, so that no detail is aliased) or, for masks, taken from the nearest centre.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from xai_core.case import Geometry

How = Literal["same", "turned", "resampled"]
# Two grids are one where their corners are nearer than this share of a voxel: headers are rounded.
ALIKE_SHARE = 0.05
# Rounding allowed at the outer faces of a volume, in voxels.
EDGE = 1e-4


def is_same_grid(one: Geometry, one_shape: tuple[int, ...], other: Geometry, other_shape: tuple[int, ...]) -> bool:
    """Whether two volumes have the same samples at the same places, to a twentieth of a voxel. Grids that do not say
    where they lie are the same where their shapes and spacings are."""
    if tuple(one_shape) != tuple(other_shape):
        return False
    if one.affine is None or other.affine is None:
        known = one.spacing_mm is not None and other.spacing_mm is not None
        return one.affine is other.affine and (not known or np.allclose(one.spacing_mm, other.spacing_mm, rtol=0.01))  # type: ignore[arg-type]
    corners = np.stack(np.meshgrid(*((0, size - 1) for size in one_shape), indexing="ij"), axis=-1).reshape(-1, 3)
    apart = np.linalg.norm(one.position(corners) - other.position(corners), axis=1).max()
    assert one.spacing_mm is not None
    return bool(apart < ALIKE_SHARE * min(one.spacing_mm))


def onto(
    samples: NDArray[Any], source: Geometry, target: Geometry, shape: tuple[int, ...], *, is_mask: bool = False
) -> tuple[NDArray[Any], How]:
    """``samples`` (D, H, W) of the grid ``source`` on the grid ``target`` of ``shape``, zero where the source does not
    reach, and what was done. Interpolated samples are float32, those of a mask keep their type.

    Both geometries must have an affine unless they are the same grid; else ValueError.
    """
    if is_same_grid(source, samples.shape, target, shape):
        return samples, "same"
    if source.affine is None or target.affine is None:
        raise ValueError("a grid that does not say where it lies cannot be resampled")
    matrix = np.asarray(np.linalg.solve(source.affine, target.affine), dtype=np.float64)
    turned = _turned(samples, matrix, shape)
    if turned is not None:
        return turned, "turned"
    return _interpolated(samples, matrix, shape, is_mask), "resampled"


def _turned(samples: NDArray[Any], matrix: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[Any] | None:
    """The samples in another order, where ``matrix`` (target index to source index) is one of whole steps; else None."""
    steps, start = np.rint(matrix[:3, :3]), np.rint(matrix[:3, 3])
    if not (
        np.array_equal(np.abs(steps).sum(axis=0), np.ones(3)) and np.array_equal(np.abs(steps).sum(axis=1), np.ones(3))
    ):
        return None
    farthest = np.abs(matrix[:3, :3] - steps) @ (np.asarray(shape) - 1) + np.abs(matrix[:3, 3] - start)
    if farthest.max() > ALIKE_SHARE:
        return None
    order = np.argmax(np.abs(steps), axis=0)
    turned = samples.transpose(*order)
    result = np.zeros(shape, dtype=samples.dtype)
    into, taken = [], []
    for axis, size in enumerate(shape):
        length, first = turned.shape[axis], int(start[order[axis]])
        if steps[order[axis], axis] < 0:
            turned = np.flip(turned, axis)
            first = length - 1 - first
        low, high = max(0, -first), min(size, length - first)
        into.append(slice(low, max(low, high)))
        taken.append(slice(low + first, max(low, high) + first))
    result[tuple(into)] = turned[tuple(taken)]
    return result


def _interpolated(
    samples: NDArray[Any], matrix: NDArray[np.float64], shape: tuple[int, ...], is_mask: bool
) -> NDArray[Any]:
    kept = samples if is_mask else np.asarray(samples, dtype=np.float32)
    if is_mask and kept.dtype == np.bool_:
        kept = kept.view(np.uint8)
    if not is_mask:
        steps = np.linalg.norm(matrix[:3, :3], axis=1)
        sigma = np.maximum(0.0, (steps - 1) / 2)
        if sigma.max() > 0:
            kept = ndimage.gaussian_filter(kept, sigma, mode="nearest", truncate=3.0)
    result = ndimage.affine_transform(
        kept, matrix[:3, :3], matrix[:3, 3], output_shape=shape, order=0 if is_mask else 1, mode="nearest"
    )
    result[~_reached(matrix, samples.shape, shape)] = 0
    return np.asarray(result.view(np.bool_) if samples.dtype == np.bool_ else result)


def _reached(matrix: NDArray[np.float64], source: tuple[int, ...], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """(*shape) bool: the target's samples whose centres lie within the source's voxels."""
    along = np.ogrid[tuple(slice(size) for size in shape)]
    inside = np.ones(shape, dtype=bool)
    for axis, size in enumerate(source):
        place = matrix[axis, 3] + sum(np.float32(matrix[axis, k]) * along[k] for k in range(3))
        inside &= (place > -0.5 - EDGE) & (place < size - 0.5 + EDGE)
    return inside
