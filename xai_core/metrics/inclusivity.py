"""Inclusivity: how much of a picture, or of the true region, the strong part of a map takes in (Tjoa et al., arXiv 1911.08136).

    D(a, b) = |a and b| / |b|

per channel, where a is the map's strong part, [ |R| > t max|R| ], and b the input's bright part, [ |x| > u max|x| ], or the true
region. As the study's code has it: strict comparisons, no smoothing constant, t = 0.5, u = 0.1, maxima of each channel.

What it tells: whether strong relevance reaches all of b.

What it cannot tell: whether it stays there. A map that is strong everywhere has the value 1; look at the share of the volume that
is strong, which is what a map without any knowledge of b would reach.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.metrics.asked import Asked
from xai_core.metrics.registry import Measured, metric
from xai_core.parameters import Parameter

SOURCE = "Tjoa et al., arXiv 1911.08136"
STRONG, BRIGHT = 0.5, 0.1
Mask = NDArray[np.bool_]
_STRONG = Parameter("strong", "float", STRONG, "Share of a channel's greatest relevance above which it counts.", 0, 1)
_BRIGHT = Parameter("bright", "float", BRIGHT, "Share of a channel's greatest value above which it counts.", 0, 1)


def strong(values: NDArray[Any], share: float) -> Mask:
    """Where magnitudes exceed ``share`` of the greatest of their channel: (C, *space) to bool of the same shape."""
    magnitude = np.abs(values)
    greatest = magnitude.reshape(len(values), -1).max(1).reshape((-1,) + (1,) * (values.ndim - 1))
    return np.asarray(magnitude > share * greatest)


def inclusivity(inside: Mask, of: Mask) -> NDArray[np.float64]:
    """|inside and of| / |of| of every channel: (C, *space), (C, *space) or (*space) to (C,); ``nan`` where ``of`` is empty."""
    whole = np.broadcast_to(of, inside.shape).reshape(len(inside), -1)
    both = (inside.reshape(len(inside), -1) & whole).sum(1)
    count = whole.sum(1)
    return np.where(count > 0, both / np.maximum(count, 1), np.nan)


@metric(
    name="input-inclusivity",
    title="Input inclusivity",
    family="localisation",
    direction="neither",
    range=(0.0, 1.0),
    needs=("model", "case"),
    summary="How much of the picture the strong part of the map takes in.",
    source=SOURCE,
    parameters=(_STRONG, _BRIGHT),
)
def input_inclusivity(asked: Asked, options: Mapping[str, Any]) -> Measured:
    """The mean over channels, and each channel's own."""
    bright = strong(asked.input, options["bright"])
    found = inclusivity(strong(asked.explanation.raw, options["strong"]), bright)
    return _measured("input-inclusivity", asked, found, "the input is zero everywhere in")


@metric(
    name="truth-inclusivity",
    title="Ground-truth inclusivity",
    family="localisation",
    direction="higher",
    range=(0.0, 1.0),
    needs=("region",),
    summary="How much of the true region the strong part of the map takes in.",
    source=SOURCE,
    parameters=(_STRONG,),
)
def truth_inclusivity(asked: Asked, options: Mapping[str, Any]) -> Measured:
    """The mean over channels, and each channel's own; the region lies on the network's grid."""
    found = inclusivity(strong(asked.explanation.raw, options["strong"]), asked.mask_of_input)
    return _measured("truth-inclusivity", asked, found, "the region fills no sample that the network sees of")


def _measured(name: str, asked: Asked, found: NDArray[np.float64], empty: str) -> Measured:
    by_channel = dict(zip(asked.channels, found.tolist(), strict=True))
    lacking = [channel for channel, value in by_channel.items() if value != value]
    value = float(np.nanmean(found)) if len(lacking) < len(found) else float("nan")
    reason = f"Not defined, for {empty} {', '.join(lacking)}." if lacking else ""
    return Measured(name, value, by_channel, reason)
