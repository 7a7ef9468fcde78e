"""What a sweep of one or several cases found, in Markdown: the study's tables, and which of its statements hold here.

The study says of its network and patients: relevance of high amplitude is localised noise, and what is left without it shows more
of the lesion. Each statement below is put against the measured numbers and answered yes or no, whichever way it comes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from xai_core.errors import ParameterError
from xai_core.filter_study.modalities import ModalityAccount
from xai_core.filter_study.readings import MEASURES, Reading
from xai_core.filter_study.summary import area_table, mean_of, sweet_spot, table
from xai_core.filter_study.sweep import Sweep
from xai_core.filter_study.variants import Published

SAME = 0.01
"""Inclusivities that differ by less are called alike."""
_ARRAYS = (*MEASURES, "greatest")


@dataclass(frozen=True)
class Statement:
    """One of the study's statements, whether it ``holds`` here, and the numbers that say so."""

    text: str
    holds: bool
    numbers: str


def mean_sweep(sweeps: Sequence[Sweep]) -> Sweep:
    """Several cases of one model and explainer as one: each measure's mean over the cases in which it is defined, no pictures.

    Raises :class:`ParameterError` where they were not swept alike.
    """
    first = sweeps[0]
    if any(
        (other.bands, other.channels, len(other.published)) != (first.bands, first.channels, len(first.published))
        for other in sweeps
    ):
        raise ParameterError("These cases were swept with different filters or modalities.", "Sweep them all alike.")
    readings = tuple(_mean([swept.readings[at] for swept in sweeps]) for at in range(len(first.readings)))
    published = tuple(
        Published(
            _mean([swept.published[at].reading for swept in sweeps]),
            mean_of(np.stack([swept.published[at].correlation for swept in sweeps], -1)),
            float(mean_of(np.array([swept.published[at].correlation_of_all for swept in sweeps]))),
        )
        for at in range(len(first.published))
    )
    return replace(first, readings=readings, published=published, slice_number=None, case_digest="")


def statements(swept: Sweep) -> list[Statement]:
    """The study's statements against this sweep; empty without ground truth."""
    means = dict(zip(swept.bands, mean_of(swept.values("truth_inclusivity")).tolist(), strict=True))
    lit = dict(zip(swept.bands, mean_of(swept.values("lit")).tolist(), strict=True))
    raw = next((mean for band, mean in means.items() if band.is_raw), float("nan"))
    weak = {band: mean for band, mean in means.items() if not band.is_raw and band.side == "weak"}
    strong = {band: mean for band, mean in means.items() if not band.is_raw and band.side == "strong"}
    best = sweet_spot(swept)
    if raw != raw or not weak or not strong or best is None:
        return []
    higher = sum(mean > raw for mean in weak.values())
    change = max(abs(mean - raw) for mean in strong.values())
    top_weak, top_strong = max(weak.values()), max(strong.values())
    chance_raw = raw - next(lit[band] for band in lit if band.is_raw)
    return [
        Statement(
            "Without its strongest relevance a map takes in more of the lesion than raw (most filters).",
            2 * higher > len(weak),
            f"{higher} of {len(weak)} filters (0, α) above raw ({raw:.3f}); the best reaches {top_weak:.3f}",
        ),
        Statement(
            f"Keeping the strongest relevance alone takes in no more of it (to {SAME:g}).",
            top_strong <= raw + SAME,
            f"filters (α, 1) reach {top_strong:.3f} against {raw:.3f} raw, {change:.3f} away at most",
        ),
        Statement(
            "The best filter keeps the weak side.",
            best.band.side == "weak",
            f"sweet spot {best.band.name}: {best.inclusivity:.3f}",
        ),
        Statement(
            "What it gains is knowledge of the lesion, not only a larger strong part (our question, not the study's).",
            best.over_chance > chance_raw,
            f"above the share of the volume that is strong: {_number(best.over_chance)} at the sweet spot, {_number(chance_raw)} raw",
        ),
    ]


def section(
    sweeps: Sequence[Sweep], title: str, names: Sequence[str] = (), modalities: Sequence[ModalityAccount] = ()
) -> str:
    """A section of a card (a second-level heading and what is under it) on the cases of one model. ``names``: of the cases,
    ``modalities``: what each case's modalities are worth, where that was asked."""
    swept = mean_sweep(sweeps)
    known = ", ".join(names) if names else f"{len(sweeps)} case(s)"
    lines = [
        f"## {title}",
        "",
        f"Model `{swept.model}`, explainer `{swept.explainer}`, {len(sweeps)} case(s): {known}. Means over cases.",
        f"Ground truth: {', '.join(str(one.truth_voxels) for one in sweeps)} of {swept.voxels} voxels on the network's grid.",
        "",
    ]
    answers = statements(swept)
    if answers:
        rows = [(one.text, "yes" if one.holds else "**no**", one.numbers) for one in answers]
        lines += ["| the study's statement | holds here | measured |", "| --- | --- | --- |"]
        lines += [f"| {' | '.join(row)} |" for row in rows] + [""]
    for measure in ("truth_inclusivity", "input_inclusivity"):
        lines += [f"### {MEASURES[measure]} (figure 3)", "", markdown(table(swept, measure)), ""]
    lines += ["### Areas under ground-truth inclusivity against α", "", markdown(area_table(swept)), ""]
    lines += ["### Mean normalised relevance (figure 5): raw and the sweet spot", "", markdown(signal_table(swept)), ""]
    if swept.published:
        lines += ["### The text's variant against the published code", "", code_sentence(swept), ""]
        lines += [markdown(published_table(swept)), ""]
    elif swept.problem:
        lines += [f"Published code: {swept.problem}", ""]
    for account, name in zip(modalities, names or known.split(","), strict=False):
        lines += [f"### Modalities, {name}: ablation and the raw map", "", markdown(account.table), ""]
        agreement = account.reason or f"Kendall's tau-b between the two rankings {account.agreement:.2f}."
        lines += [f"MSFI {account.msfi:.3f}. {agreement}", ""]
    return "\n".join(lines)


def signal_table(swept: Sweep) -> pd.DataFrame:
    """D1 and D2 by channel, of the raw map and at the sweet spot."""
    best = sweet_spot(swept)
    kept = [reading for reading in swept.readings if reading.band.is_raw or (best and reading.band == best.band)]
    rows = {
        f"{name} {reading.band.name}": getattr(reading, measure)
        for reading in kept
        for name, measure in (("D1", "signal"), ("D2", "signal_in_truth"))
    }
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=list(swept.channels))
    frame.index.name = "signal"
    return frame


def code_sentence(swept: Sweep) -> str:
    """The sweet spot by the published code, in a sentence; empty where there is none."""
    code = replace(swept, readings=tuple(one.reading for one in swept.published), published=())
    best = sweet_spot(code)
    if best is None:
        return ""
    return (
        f"By the published code the sweet spot is {best.band.name}: {best.inclusivity:.3f} of the ground truth against {best.raw:.3f} raw, "
        f"with {best.lit:.3f} of the volume strong."
    )


def published_table(swept: Sweep) -> pd.DataFrame:
    """By filter: correlation of the two variants' maps, and what the code adds to each inclusivity (mean over channels)."""
    rows = {}
    for text, code in zip(swept.readings, swept.published, strict=True):
        more = [
            float(mean_of(getattr(code.reading, measure) - getattr(text, measure)))
            for measure in ("truth_inclusivity", "input_inclusivity")
        ]
        rows[text.band.name] = [code.correlation_of_all, float(np.nanmin([*code.correlation, np.inf])), *more]
    columns = ["correlation", "least of a modality", "ground-truth inclusivity +", "input inclusivity +"]
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    frame.index.name = "filter"
    return frame


def markdown(frame: pd.DataFrame) -> str:
    """A table of numbers with its index, three digits, "–" where undefined."""
    head = [str(frame.index.name or ""), *map(str, frame.columns)]
    lines = [head, ["---"] * len(head)]
    lines += [
        [str(name), *(_number(value) for value in row)] for name, row in zip(frame.index, frame.to_numpy(), strict=True)
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _number(value: float) -> str:
    if not np.isfinite(value):
        return "–"
    return f"{value:.3f}" if abs(value) >= 0.0005 or value == 0 else f"{value:.1e}"


def _mean(readings: Sequence[Reading]) -> Reading:
    arrays: dict[str, Any] = {
        name: mean_of(np.stack([getattr(reading, name) for reading in readings], -1)) for name in _ARRAYS
    }
    return Reading(readings[0].band, **arrays)
