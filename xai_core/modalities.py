"""How much of a map lies on each modality."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def shares(relevance: NDArray[Any]) -> NDArray[np.float64]:
    """Each channel's share of the sum of magnitudes of a map (C, *space): (C,), together 1; ``nan`` where the map is zero
    everywhere, for then no modality has a share."""
    sums = np.abs(np.asarray(relevance, np.float64)).reshape(len(relevance), -1).sum(1)
    whole = sums.sum()
    return sums / whole if whole > 0 else np.full(len(sums), np.nan)
