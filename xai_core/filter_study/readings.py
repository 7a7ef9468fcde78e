"""What is read of one filtered map, channel by channel.

Figure 5 of the study shows how the mean normalised signal is distributed, over the volume (D1) and within the true region (D2). Our
reading of it: the map divided by its greatest magnitude over all channels, then the mean over positions, with its sign.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.filter_study.bands import Band
from xai_core.metrics.inclusivity import BRIGHT, STRONG, inclusivity, strong

Values = NDArray[np.float64]
MEASURES: Mapping[str, str] = MappingProxyType(
    {
        "truth_inclusivity": "Ground-truth inclusivity",
        "input_inclusivity": "Input inclusivity",
        "lit": "Share of the volume that is strong",
        "signal": "D1: mean normalised relevance in the volume",
        "signal_in_truth": "D2: mean normalised relevance in the ground truth",
    }
)
"""What a reading holds, by the name of its field."""


@dataclass(frozen=True)
class Reading:
    """One map under one filter; arrays are (C,), ``nan`` where undefined.

    ``lit``: share of the channel's positions above half of its greatest magnitude, which a map that knows nothing of a region would
    take in of it. ``greatest``: the channel's greatest magnitude. ``picture``: a part of the map kept to be drawn, or None.
    """

    band: Band
    truth_inclusivity: Values
    input_inclusivity: Values
    lit: Values
    signal: Values
    signal_in_truth: Values
    greatest: Values
    picture: NDArray[np.float32] | None = None


def read(
    band: Band,
    relevance: NDArray[Any],
    given: NDArray[Any],
    truth: NDArray[np.bool_] | None,
    picture: NDArray[np.float32] | None = None,
) -> Reading:
    """A map (C, *space) against the input ``given`` (C, *space) and the true region (*space), where one is known."""
    channels = len(relevance)
    inside = strong(relevance, STRONG)
    unknown = np.full(channels, np.nan)
    magnitude = np.abs(relevance).reshape(channels, -1)
    greatest = float(magnitude.max())
    normalised = relevance.reshape(channels, -1).astype(np.float64) / greatest if greatest > 0 else None
    has_truth = truth is not None and bool(truth.any())
    return Reading(
        band,
        unknown if truth is None else inclusivity(inside, truth),
        inclusivity(inside, strong(given, BRIGHT)),
        inside.reshape(channels, -1).mean(1),
        unknown if normalised is None else normalised.mean(1),
        unknown if normalised is None or not has_truth else _within(normalised, truth),
        magnitude.max(1).astype(np.float64),
        picture,
    )


def _within(normalised: Values, truth: NDArray[np.bool_] | None) -> Values:
    assert truth is not None
    return np.asarray(normalised[:, truth.ravel()].mean(1))
