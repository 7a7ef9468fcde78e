"""The map of an ensemble: the mean of its members' maps on the case's grid, and how far the members agree.

Maps in units of the logit are divided by the member's temperature first, so that what adds up to a logit adds up to the
mean of the calibrated logits; others are divided by their greatest magnitude, for they have no common unit.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xai_core.likeness import rank_correlation
from xai_core.preprocess import Grid
from xai_core.trust import Badge, Finding

if TYPE_CHECKING:
    from xai_core.explain import Explanation
    from xai_core.models.ensemble import Ensemble

Array = NDArray[np.float32]
APART = 0.3
"""Mean rank correlation of members' maps below which the badge says that they do not agree."""


def mean_explanation(ensemble: Ensemble, told: Sequence[Explanation]) -> Explanation:
    """One explanation of an ensemble from those of its members, in the members' order."""
    first = told[0]
    shares = [
        _share(member.card.temperatures.get(one.target, 1.0), one)
        for member, one in zip(ensemble.members, told, strict=True)
    ]
    case_map = _mean([share * one.map for share, one in zip(shares, told, strict=True)])
    if all(one.grid == first.grid and one.raw.shape == first.raw.shape for one in told):
        grid = first.grid
        raw = _mean([share * one.raw for share, one in zip(shares, told, strict=True)])
        shown = _mean([share * one.shown for share, one in zip(shares, told, strict=True)])
    else:
        space = case_map.shape[1:]
        grid = Grid((1.0,) * len(space), (0.0,) * len(space), space, space)
        raw, shown = case_map, case_map.sum(0)
    return replace(
        first,
        model=ensemble.card.name,
        map=case_map,
        raw=raw,
        shown=shown,
        grid=grid,
        account=None,
        badge=_badge(ensemble, told),
        seconds=sum(one.seconds for one in told),
        rules={},
        provenance={
            **first.provenance,
            "model": ensemble.card.name,
            "weights": ensemble.weights_digest,
            "members": [dict(one.provenance) for one in told],
        },
    )


def _mean(maps: Sequence[Array]) -> Array:
    return np.asarray(np.mean(maps, axis=0), dtype=np.float32)


def _share(temperature: float, told: Explanation) -> float:
    if told.unit.startswith("logit"):
        return 1.0 / temperature
    return 1.0 / max(float(np.abs(told.map).max()), 1e-30)


def _badge(ensemble: Ensemble, told: Sequence[Explanation]) -> Badge:
    pairs = [rank_correlation(a.map, b.map) for a, b in itertools.combinations(told, 2)]
    agreement = float(np.nanmean(pairs)) if np.isfinite(pairs).any() else float("nan")
    findings = [
        replace(found, sentence=f"{member.card.name}: {found.sentence}", check=f"{found.check} {member.card.name}")
        for member, one in zip(ensemble.members, told, strict=True)
        for found in one.badge.findings
        if found.level != "good"
    ]
    if agreement < APART:
        findings.append(
            Finding(
                "caution",
                "members differ",
                f"The members' maps hardly agree (mean rank correlation {agreement:.2f}): their mean is nobody's map.",
                "agreement",
            )
        )
    note = f"Mean of {len(told)} members' maps: {', '.join(member.card.name for member in ensemble.members)}."
    made = Badge((), (note,), {"agreement": round(agreement, 3), "seconds": round(sum(o.seconds for o in told), 3)})
    return made.joined(findings, {})
