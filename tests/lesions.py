"""A lesion for the small volumes of :mod:`tests.volumes`."""

from __future__ import annotations

import numpy as np

from tests.volumes import SPACE
from xai_core.case import Region


def lesion(space: tuple[int, ...] = SPACE) -> Region:
    """A box of three slices, the middle one (slice 4) the largest."""
    mask = np.zeros(space, bool)
    mask[3:6, 4:7, 3:6] = True
    mask[4, 4:8, 3:7] = True
    return Region(mask, "lesion")
