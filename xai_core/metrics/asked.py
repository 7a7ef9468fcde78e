"""What a metric is asked: a map, and the region, model and case that belong to it, each on the grid it is needed on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.case import Case, Region
from xai_core.errors import ParameterError, RegionError
from xai_core.explain import Explanation
from xai_core.metrics.registry import Measured, MetricInfo, Need, metrics
from xai_core.models import Ensemble, Model

Mask = NDArray[np.bool_]
_REMEDIES: Mapping[Need, str] = {
    "region": "Give region=, a mask or box of the finding.",
    "model": "Give model=, the one that the map explains.",
    "case": "Give case=, the one that the map explains.",
}


@dataclass(frozen=True)
class Asked:
    """One question: ``explanation`` and what was given with it. What the metric needs is there."""

    explanation: Explanation
    region: Region | None = None
    model: Model | None = None
    case: Case | None = None

    @property
    def mask(self) -> Mask:
        """The region on the case's grid, (*space)."""
        assert self.region is not None
        return self.region.mask

    @cached_property
    def mask_of_input(self) -> Mask:
        """The region on the network's grid: where it fills at least half of a sample."""
        return np.asarray(self.explanation.grid.to_input(self.mask[None].astype(np.float32))[0] >= 0.5)

    @cached_property
    def input(self) -> NDArray[np.float32]:
        """What the network was given, (C, *input space)."""
        assert self.model is not None
        assert self.case is not None
        found: NDArray[np.float32] = self.model.prepare(self.case).tensor[0].numpy()
        return found

    @cached_property
    def shown(self) -> NDArray[np.float64]:
        """The map on the case's grid, (*space): the sum of its channels."""
        return np.asarray(self.explanation.map.sum(0, dtype=np.float64))

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the map's channels on the network's grid."""
        count = len(self.explanation.raw)
        for named in (self.model.card.channels if self.model else (), self.case.channels if self.case else ()):
            if len(named) == count:
                return tuple(named)
        return tuple(f"channel {number}" for number in range(1, count + 1))


def measure(
    explanation: Explanation,
    metric: str,
    *,
    region: Region | None = None,
    model: Model | None = None,
    case: Case | None = None,
    **options: Any,
) -> Measured:
    """What ``metric`` says of a map: a value (``nan`` with a reason where undefined), and one a channel where it has them.

    ``region``: on the case's grid. ``options``: the metric's own (:func:`metrics`). Raises :class:`ParameterError` for a metric,
    an option or a need that is not known or not given, or a case or model of another map, and :class:`RegionError` for a region of another grid.
    """
    known = metrics()
    if metric not in known:
        raise ParameterError(f"There is no metric '{metric}'.", f"Known metrics: {', '.join(known)}.")
    info = known[metric]
    checked = info.checked(options)
    asked = Asked(explanation, region, model, case)
    _refuse(info, asked)
    return info.run(asked, checked)


def missing(asked: Asked, needs: tuple[Need, ...]) -> list[Need]:
    """What of ``needs`` was not given."""
    return [need for need in needs if getattr(asked, need) is None]


def refuse_missing(name: str, asked: Asked, needs: tuple[Need, ...]) -> None:
    """Raise :class:`ParameterError` for the first of ``needs`` that was not given."""
    for need in missing(asked, needs):
        raise ParameterError(f"The metric '{name}' needs a {need}.", _REMEDIES[need])


def _refuse(info: MetricInfo, asked: Asked) -> None:
    explanation, region = asked.explanation, asked.region
    refuse_missing(info.name, asked, info.needs)
    if asked.case is not None and asked.case.digest != explanation.case_digest:
        raise ParameterError("The map is of another case.", _REMEDIES["case"])
    if isinstance(asked.model, Ensemble):
        raise ParameterError(
            "The members of an ensemble are fed each in its own way.", "Measure the map of each member."
        )
    if asked.model is not None and asked.model.card.name != explanation.model:
        raise ParameterError(f"The map is of the model '{explanation.model}'.", _REMEDIES["model"])
    if region is not None and region.mask.shape != explanation.map.shape[1:]:
        raise RegionError(
            f"The region has the shape {region.mask.shape}, the map's case {explanation.map.shape[1:]}.",
            "Read the region for this very case.",
        )
