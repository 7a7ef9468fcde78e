"""What gives a cheating network away: the film with its lungs filled in or its frame cut off, and where relevance lies.

A network that reads lungs must lose its certainty when they are filled in with grey, and keep it when the border is cut
(Lapuschkin et al. 2019, "Unmasking Clever Hans predictors", Nature Communications 10:1096; DeGrave et al. 2021, "AI for
radiographic COVID-19 detection selects shortcuts over signal", Nature Machine Intelligence 3:610).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from xai_core.case import Case, Region, digest_of
from xai_core.errors import RegionError
from xai_core.explain import Explanation
from xai_core.fields import mass_inside

BORDER = 0.08
"""Share of each side that counts as border."""


@dataclass(frozen=True)
class Shares:
    """Where a map's positive relevance lies, as shares of it: in the lungs, and within ``BORDER`` of the film's edge."""

    in_lungs: float
    on_border: float


def as_it_is(case: Case, lungs: Region) -> Case:
    """The film itself, its lungs known, so that all versions are cropped alike."""
    return replace(case, facts=MappingProxyType({**case.facts, "lungs": lungs}))


def lungs_filled(case: Case, lungs: Region) -> Case:
    """The film with its lungs filled in with one grey, the mean of the lungs' own samples; its lungs stay known."""
    pixels = case.pixels.copy()
    pixels[:, lungs.mask] = np.round(case.pixels[:, lungs.mask].mean(axis=1, keepdims=True)).astype(pixels.dtype)
    return _changed(case, pixels, lungs)


def border_cut(case: Case, lungs: Region) -> Case:
    """The film without ``BORDER`` of each side (never into the lungs' box): edges, letters and the frame's shape are gone."""
    rows, columns = (
        _kept(size, np.asarray(lungs.mask.any(axis=1 - axis))) for axis, size in enumerate(case.space)
    )  # fmt: skip
    kept = Region(np.ascontiguousarray(lungs.mask[rows, columns]), lungs.name)
    return _changed(case, np.ascontiguousarray(case.pixels[:, rows, columns]), kept)


CHANGES: Mapping[str, Callable[[Case, Region], Case]] = MappingProxyType(
    {"as it is": as_it_is, "lungs filled in": lungs_filled, "border cut": border_cut}
)


def changed(case: Case, lungs: Region | None, change: str) -> Case:
    """The film after one of ``CHANGES``; raises :class:`RegionError` where no lungs are known."""
    if lungs is None or not lungs.mask.any():
        raise RegionError("No lungs were found on this film.", "Choose an upright frontal chest film.")
    return CHANGES[change](case, lungs)


def shares(explanation: Explanation, lungs: NDArray[np.bool_]) -> Shares:
    """Where the positive part of a film's map lies, on the case's grid."""
    shown = explanation.map[0]
    edge = np.ones(shown.shape, dtype=bool)
    edge[tuple(slice(round(BORDER * n), n - round(BORDER * n)) for n in shown.shape)] = False
    inside, border = (mass_inside(shown, part.astype(np.float32)) for part in (lungs, edge))
    return Shares(inside, border)


def _kept(size: int, is_lung: NDArray[np.bool_]) -> slice:
    cut = round(BORDER * size)
    held = np.flatnonzero(is_lung)
    return slice(min(cut, int(held[0])), max(size - cut, int(held[-1]) + 1))


def _changed(case: Case, pixels: NDArray[np.generic], lungs: Region) -> Case:
    photometric = str(case.facts.get("photometric", "MONOCHROME2"))
    facts = MappingProxyType({**case.facts, "lungs": lungs})
    return replace(case, pixels=pixels, facts=facts, digest=digest_of(pixels, case.kind, photometric))
