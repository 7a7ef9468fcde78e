"""Half resolution: a volume, maps and regions with every 2 x 2 x 2 samples as one. An odd last one is repeated."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.case import Case


def halved_samples(case: Case) -> Case:
    """The means, rounded for integers; the affine's origin moves to the middle of the first eight samples."""
    means = np.stack([_blocks(channel).mean(axis=0, dtype=np.float64) for channel in case.pixels])
    pixels = np.floor(means + 0.5) if np.issubdtype(case.pixels.dtype, np.integer) else means
    geometry = case.geometry
    affine = geometry.affine
    if affine is not None:
        wider = affine.copy()
        wider[:3, 3] += affine[:3, :3].sum(axis=1) / 2
        wider[:3, :3] *= 2
        affine = wider
    spacing = geometry.spacing_mm and tuple(2 * step for step in geometry.spacing_mm)
    dtype = case.pixels.dtype if case.pixels.dtype != np.bool_ else np.uint8
    return replace(case, pixels=pixels.astype(dtype), geometry=replace(geometry, affine=affine, spacing_mm=spacing))


def strongest(values: NDArray[Any], times: int) -> NDArray[np.float32]:
    """Of every eight cells the value of greatest magnitude, ``times`` over; NaN where none has one."""
    found = np.asarray(values, dtype=np.float32)
    for _ in range(times):
        cells = _blocks(found)
        sizes = np.where(np.isnan(cells), -1.0, np.abs(cells))
        found = np.take_along_axis(cells, np.argmax(sizes, axis=0)[None], axis=0)[0]
    return found


def halved_mask(mask: NDArray[np.bool_], times: int) -> NDArray[np.bool_]:
    """Where any of the eight is inside."""
    found = np.asarray(mask, dtype=bool)
    for _ in range(times):
        found = _blocks(found).any(axis=0)
    return found


def _blocks(values: NDArray[Any]) -> NDArray[Any]:
    """(8, d, h, w): the eight samples of every block of ``values`` (D, H, W)."""
    even = np.pad(values, [(0, count % 2) for count in values.shape], mode="edge")
    return np.stack([even[d::2, h::2, w::2] for d in (0, 1) for h in (0, 1) for w in (0, 1)])
