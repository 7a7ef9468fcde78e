"""The outline of a mask as straight runs along the edges between its pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def outline(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(n, 4) float32: x0, y0, x1, y1 of every run, in film indices (a pixel reaches from -0.5 to +0.5)."""
    plain = np.asarray(mask, dtype=bool).reshape(mask.shape[-2:])
    across = _runs(plain)
    down = _runs(plain.T)[:, [1, 0, 3, 2]]
    return np.ascontiguousarray(np.concatenate([across, down]), dtype=np.float32)


def _runs(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Horizontal runs: between row ``y - 1`` and row ``y``, wherever one is inside and the other is not."""
    padded = np.pad(mask, ((1, 1), (0, 0))).astype(np.int8)
    edges = np.pad(padded[1:] != padded[:-1], ((0, 0), (1, 1))).astype(np.int8)
    turns = np.diff(edges, axis=1)
    starts, ends = np.argwhere(turns == 1), np.argwhere(turns == -1)
    if not len(starts):
        return np.zeros((0, 4))
    level = starts[:, 0] - 0.5
    return np.stack([starts[:, 1] - 0.5, level, ends[:, 1] - 0.5, level], axis=1)
