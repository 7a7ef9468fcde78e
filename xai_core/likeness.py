"""How alike two maps are: rank correlation and structural similarity of their magnitudes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from skimage.metrics import structural_similarity

WINDOW = 7
"""Side of the windows over which structures are compared, as Wang et al. 2004 (and skimage) have it for uniform windows."""

Array = NDArray[np.float32]


def rank_correlation(first: Array, second: Array) -> float:
    """Spearman's correlation of |first| and |second| where either holds something, -1 to 1; nan where one of them is constant there.

    Where both are exactly zero (padding, a black rim) there is nothing to rank, and those ties would pass for likeness.
    """
    a, b = np.abs(first).ravel(), np.abs(second).ravel()
    held = (a != 0) | (b != 0)
    if held.sum() < 2:
        return float("nan")
    ranks = [rankdata(side[held]) for side in (a, b)]
    if any(rank.min() == rank.max() for rank in ranks):
        return float("nan")
    return float(np.corrcoef(*ranks)[0, 1])


def structure(first: Array, second: Array) -> float:
    """SSIM (Wang et al. 2004) of |first| and |second|, each divided by its greatest value; nan for maps smaller than a window."""
    a, b = (np.abs(side).astype(np.float64) for side in (first, second))
    if a.ndim == 0 or min(a.shape) < WINDOW or a.max() == 0 or b.max() == 0:
        return float("nan")
    return float(structural_similarity(a / a.max(), b / b.max(), win_size=WINDOW, data_range=1.0))
