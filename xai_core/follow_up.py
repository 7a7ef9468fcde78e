"""Films of one patient over days: in order of their dates, and laid over each other by their lungs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

import numpy as np
from numpy.typing import NDArray

from xai_core.case import Case, Region
from xai_core.explain import Explanation
from xai_core.render import Overlay, View
from xai_core.report import drawn

LUNGS_FILL = 0.8
"""Share of a picture's side that the lungs' box takes."""


@dataclass(frozen=True)
class Visit:
    """One film of a series: ``name`` as shown, ``day`` since the first film (None where a film has no date)."""

    name: str
    case: Case
    day: int | None = None

    @property
    def title(self) -> str:
        """The day, or the film's name where no day is known."""
        return self.name if self.day is None else f"day {self.day}"


def in_order(visits: Sequence[Visit]) -> list[Visit]:
    """Films by date with their days counted from the first; by name (numbers as numbers) where any film has no date."""
    dates = [_date(visit.case) for visit in visits]
    known = [when for when in dates if when is not None]
    if len(known) < len(visits):
        return [replace(visit, day=None) for visit in sorted(visits, key=lambda visit: _by_number(visit.name))]
    first = min(known)
    dated = [replace(visit, day=(when - first).days) for visit, when in zip(visits, known, strict=True)]
    return sorted(dated, key=lambda visit: (visit.day or 0, _by_number(visit.name)))


def is_one_patient(visits: Sequence[Visit]) -> bool:
    """Whether no two films name different patients."""
    return len({visit.case.patient.get("id", "") for visit in visits} - {""}) <= 1


def aligned(
    case: Case, lungs: Region | None, explanation: Explanation | None, overlay: Overlay, side: int = 384
) -> NDArray[np.uint8]:
    """(side, side, 3) RGB of a film, with its map where one is given; the box of the lungs lies at one place and is of one
    height in every picture. Without lungs the whole film is fitted."""
    height, width = case.space
    low, high, left, right = 0.0, float(height), 0.0, float(width)
    fill = 1.0
    if lungs is not None and lungs.mask.any():
        rows, columns = np.flatnonzero(lungs.mask.any(axis=1)), np.flatnonzero(lungs.mask.any(axis=0))
        low, high, left, right = float(rows[0]), float(rows[-1] + 1), float(columns[0]), float(columns[-1] + 1)
        fill = LUNGS_FILL
    scale = fill * side / max(high - low, right - left)
    view = View((side, side), scale, (low + high - 1) / 2, (left + right - 1) / 2)
    return drawn(case, explanation, view, overlay)


def common_scope(explanations: Sequence[Explanation]) -> float:
    """The greatest magnitude of all maps: one scale for a whole series."""
    return max((float(np.abs(found.shown).max()) for found in explanations), default=0.0)


def _date(case: Case) -> date | None:
    digits = re.sub(r"\D", "", case.patient.get("study_date", ""))
    try:
        return datetime.strptime(digits[:8], "%Y%m%d").date()
    except ValueError:
        return None


def _by_number(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part.lower()) for part in re.split(r"(\d+)", name)]
