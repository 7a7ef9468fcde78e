"""What the sweep comes to: the study's tables, areas under the curve against alpha, and the sweet spot.

Definitions, where the study leaves room: a curve is inclusivity against alpha for one mode and side, its area the trapezoids divided by
the range of alpha (a mean height, 0 to 1). The sweet spot is the filter with the greatest mean over channels of ground-truth
inclusivity; of equal ones (to 1e-9) the one that keeps the wider band, then the earlier in the study's order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xai_core.filter_study.bands import MODES, Band, Side
from xai_core.filter_study.readings import MEASURES
from xai_core.filter_study.sweep import Sweep
from xai_core.rules.filters import FilterMode

TIED = 1e-9
FEW = 5e-4
MEAN = "mean"
_SIDES: tuple[Side, ...] = ("weak", "strong")


@dataclass(frozen=True)
class Curve:
    """One mode and side: ``alphas`` ascending, ``values`` (alphas, channels), ``areas`` (channels,) and ``mean`` over channels."""

    mode: FilterMode
    side: Side
    alphas: NDArray[np.float64]
    values: NDArray[np.float64]

    @property
    def name(self) -> str:
        """As a legend has it: "pass, (0, alpha)"."""
        return f"{self.mode}, {'(0, α)' if self.side == 'weak' else '(α, 1)'}"

    @property
    def mean(self) -> NDArray[np.float64]:
        """The mean over channels at each alpha; ``nan`` where no channel has a value."""
        return mean_of(self.values)

    @property
    def areas(self) -> NDArray[np.float64]:
        """Area of each channel's curve over the range of alpha; ``nan`` for a single alpha."""
        return area(self.alphas, self.values)


@dataclass(frozen=True)
class SweetSpot:
    """The best filter: its mean ground-truth ``inclusivity``, that of the ``raw`` map (``nan`` where it was not swept), and
    ``lit``, the mean share of the volume that is strong under it."""

    band: Band
    inclusivity: float
    raw: float
    lit: float

    @property
    def is_better_than_raw(self) -> bool:
        """Whether the filter takes in more of the ground truth than the unfiltered map."""
        return self.inclusivity > self.raw + TIED

    @property
    def over_chance(self) -> float:
        """Inclusivity less the share of the volume that is strong: what the map knows of the region."""
        return self.inclusivity - self.lit


def mean_of(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means over the last axis, undefined entries left out; ``nan`` where all are."""
    known = np.isfinite(values)
    count = known.sum(-1)
    total = np.where(known, values, 0.0).sum(-1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def area(alphas: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Trapezoids under ``values`` (alphas, ...) divided by the range of ``alphas``; ``nan`` for fewer than two."""
    if len(alphas) < 2:
        return np.full(values.shape[1:], np.nan)
    return np.asarray(np.trapezoid(values, alphas, axis=0) / (alphas[-1] - alphas[0]))


def curves(swept: Sweep, measure: str = "truth_inclusivity") -> list[Curve]:
    """A curve for each mode and side of the grid that was swept."""
    values, found = swept.values(measure), []
    for mode in MODES:
        for side in _SIDES:
            places = [at for at, band in enumerate(swept.bands) if band.mode == mode and band.side == side]
            places.sort(key=lambda at: swept.bands[at].alpha)
            if places:
                alphas = np.array([swept.bands[at].alpha for at in places])
                found.append(Curve(mode, side, alphas, values[places]))
    return found


def is_spiky(swept: Sweep) -> bool:
    """Whether the raw map is little more than a few peaks: less than ``FEW`` of each modality is above half of its greatest value."""
    return any(reading.band.is_raw and float(reading.lit.max()) < FEW for reading in swept.readings)


def sweet_spot(swept: Sweep) -> SweetSpot | None:
    """The best filter, or None where no filter was swept or no ground truth is known."""
    means, lit = mean_of(swept.values("truth_inclusivity")), mean_of(swept.values("lit"))
    by_band = dict(zip(swept.bands, means.tolist(), strict=True))
    known = {band: mean for band, mean in by_band.items() if not band.is_raw and mean == mean}
    if not known:
        return None
    greatest = max(known.values())
    tied = [band for band, mean in known.items() if mean >= greatest - TIED]
    best = max(tied, key=lambda band: band.width)  # the first of equals
    raw = next((mean for band, mean in by_band.items() if band.is_raw), float("nan"))
    return SweetSpot(best, known[best], raw, float(lit[swept.bands.index(best)]))


def table(swept: Sweep, measure: str = "truth_inclusivity") -> pd.DataFrame:
    """Figure 3 of the study: a row a filter, a column a modality and their mean."""
    values = swept.values(measure)
    frame = pd.DataFrame(values, index=[band.name for band in swept.bands], columns=list(swept.channels))
    frame[MEAN] = mean_of(values)
    frame.index.name = "filter"
    return frame


def area_table(swept: Sweep, measure: str = "truth_inclusivity") -> pd.DataFrame:
    """Areas under the curves against alpha: a row a mode and side, a column a modality and their mean."""
    found = curves(swept, measure)
    areas = np.stack([curve.areas for curve in found]) if found else np.zeros((0, len(swept.channels)))
    frame = pd.DataFrame(areas, index=[curve.name for curve in found], columns=list(swept.channels))
    frame[MEAN] = mean_of(areas)
    frame.index.name = "curve"
    return frame


def long_table(sweeps: Sequence[Sweep]) -> pd.DataFrame:
    """A row a case, variant, filter and channel with every measure, for a file."""
    rows: list[dict[str, Any]] = []
    for swept in sweeps:
        variants = {"as asked": swept.readings, "published code": tuple(one.reading for one in swept.published)}
        for variant, readings in variants.items():
            for reading in readings:
                band = reading.band
                for place, channel in enumerate(swept.channels):
                    measured = {measure: float(getattr(reading, measure)[place]) for measure in MEASURES}
                    where = {"case": swept.case_digest[:12], "model": swept.model, "explainer": swept.explainer}
                    filtering = {"filter": band.name, "mode": band.mode, "low": band.low, "high": band.high}
                    rows.append({**where, "variant": variant, **filtering, "channel": channel, **measured})
    return pd.DataFrame(rows)
