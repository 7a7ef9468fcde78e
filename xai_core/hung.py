"""A volume's map as its case is stored: axes in the case's order and direction, on the network's own grid, by the case's modalities.

A network may be fed turned and flipped (axes of its card) and may read some of the case's modalities only. What a page, a
picture or a report draws is the map brought back to the case's axes, still with the network's own cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.case import Case
from xai_core.explain import Explanation
from xai_core.readers.names import canonical


@dataclass(frozen=True)
class Hung:
    """``values`` (d, h, w), or (channels, d, h, w) with a map for every modality of the case, along the case's axes;
    case index = ``offset`` + ``scale`` * map index, ``scale`` above zero."""

    values: NDArray[np.float32]
    scale: tuple[float, float, float]
    offset: tuple[float, float, float]


def hung(explanation: Explanation, case: Case, channels: Sequence[str]) -> Hung:
    """The map of a volume along the axes of ``case``; ``channels``: the modalities that the network reads, in its order.

    One map for all where the method says the same of every modality (or there is only one), as shown; else one a modality
    of the case, zero where the network does not read it.
    """
    grid = explanation.grid
    raw = explanation.raw
    is_one = len(case.channels) == 1 or len(raw) == 1 or all(np.array_equal(raw[0], other) for other in raw[1:])
    values = explanation.shown if is_one else _by_modality(explanation, case, channels)
    axes = grid.axes
    back = [int(axis) for axis in np.argsort(axes)]
    lead = values.ndim - 3
    turned: NDArray[Any] = np.transpose(values, (*range(lead), *(lead + axis for axis in back)))
    scale, offset = [], []
    for place, axis in enumerate(back):
        step, start = grid.scale[axis], grid.offset[axis]
        if step < 0:
            turned = np.flip(turned, lead + place)
            step, start = -step, start + step * (grid.input_shape[axis] - 1)
        scale.append(step)
        offset.append(start)
    return Hung(
        np.ascontiguousarray(turned, dtype=np.float32),
        (scale[0], scale[1], scale[2]),
        (offset[0], offset[1], offset[2]),
    )


def _by_modality(explanation: Explanation, case: Case, channels: Sequence[str]) -> NDArray[np.float32]:
    places = {canonical(name): place for place, name in enumerate(channels)}
    values = np.zeros((len(case.channels), *explanation.raw.shape[1:]), dtype=np.float32)
    for row, name in zip(values, case.channels, strict=True):
        place = places.get(canonical(name))
        if place is not None:
            row[...] = explanation.raw[place] if explanation.is_signed else np.abs(explanation.raw[place])
    return values
