"""The study's text against its published code: the same network, input and filter, walked both ways.

The code takes the skip's relevance from the wrong half of every cut, halves where branches meet, and has a first layer of its own
(reference data ``unet3d_filters``). How far that changes maps and figures is measured, not argued.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.errors import LightboxError
from xai_core.filter_study.readings import Reading, Values
from xai_core.steps import Recording

CODE = "published-code"
NOT_ITS_NETWORK = "The published code cuts every skip in two equal halves, and this network's skips are no such pairs."


@dataclass(frozen=True)
class Published:
    """The code's map beside the text's, under one filter: its ``reading``, and Pearson's correlation of the two maps by
    channel (C,) and over all; ``nan`` where one is constant."""

    reading: Reading
    correlation: Values
    correlation_of_all: float


def beside(text: NDArray[Any], code: NDArray[Any], reading: Reading) -> Published:
    """The two maps (C, *space) of one filter compared."""
    by_channel = np.array([pearson(one, other) for one, other in zip(text, code, strict=True)])
    return Published(reading, by_channel, pearson(text, code))


def pearson(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Correlation of two arrays of one shape in float64; ``nan`` where one is constant."""
    a, b = (np.asarray(side, np.float64).ravel() - float(np.mean(side, dtype=np.float64)) for side in (first, second))
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size > 0 else float("nan")


def refuse_other_networks(recording: Recording) -> None:
    """Raise :class:`LightboxError` where the code's cut has no meaning: a concatenation not of two, or an up half with fewer channels."""
    for step in recording.steps:
        if step.operation != "cat":
            continue
        halves = step.arguments[0]
        if len(halves) != 2 or halves[1].shape[1] < halves[0].shape[1]:
            raise LightboxError(NOT_ITS_NETWORK, "Look at the text's variant alone.")
