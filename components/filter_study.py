"""What the page "Filter study" shows of a sweep: what it means, tables, pictures, and the text against the published code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

import xai_core as xc
from components import filter_charts
from components.shell import escaped
from components.volumes import Volume
from xai_core.engine import Engine
from xai_core.errands import Errand
from xai_core.filter_study import MEASURES, STUDY_BANDS, Sweep, long_table, sweep, sweet_spot, table
from xai_core.filter_study.account import code_sentence, markdown, published_table, statements
from xai_core.filter_study.pictures import slice_picture
from xai_core.filter_study.summary import area_table, is_spiky
from xai_core.filter_study.sweep import STUDY
from xai_core.planes import planes_of

TITLE = "Filters of the study"
MEANING = """
**What is asked.** A map is *strong* where it exceeds half of its greatest value. *Ground-truth inclusivity*: of all voxels of the outlined
lesion, how many are strong? *Input inclusivity*: of all voxels that are not dark, how many? 1 is all, 0 is none; each modality has its own.

**What a filter does.** *pass* drops relevance outside the band, *clamp* cuts what is above it down to its upper end, at every block of the
network on the way back. (0, α) takes the peaks away, (α, 1) keeps nothing but peaks.

**What does not follow.** Inclusivity does not ask what lies *outside* the lesion: a map that is strong everywhere has the value 1. Only what
stands above the dotted line (the share of the whole volume that is strong) is knowledge of the lesion. A filter changes the picture, not the
network. And a filter chosen by the outline of the same case was chosen with the answer in hand: the next case may ask for another.
"""
CODE = (
    "The study's published code takes the relevance of every skip from the wrong half of the cut, halves where branches meet, and treats "
    "the first layer in its own way. Correlation 1: the same map; 0: nothing in common. The columns with + say what the code's map adds."
)

SPIKES = (
    "The raw map is a few peaks: almost nothing reaches half of its greatest value. The study's rule divides by the sum of positive weights "
    "times inputs, which comes close to zero where inputs are negative, as standardised intensities are. See LRP epsilon-plus beside it."
)


@dataclass(frozen=True)
class Asked:
    """What a sweep is asked for; equal questions have equal answers."""

    case_digest: str
    truth_digest: str
    model_name: str
    explainer: str
    target: str
    compares_code: bool

    @property
    def key(self) -> tuple[str | bool, ...]:
        """All that decides the answer beside the weights."""
        return self.case_digest, self.truth_digest, self.explainer, self.target, self.compares_code


def asked_of(volume: Volume, model_name: str, explainer: str, target: str, compares_code: bool) -> Asked:
    """The question about an open volume."""
    truth = "" if volume.truth is None else volume.truth.digest
    return Asked(volume.case.digest, truth, model_name, explainer, target, compares_code)


def started(engine: Engine, volume: Volume, asked: Asked) -> Errand[Sweep]:
    """The sweep as an errand of the engine, in this session's state; one under way for another question is let go."""
    state = st.session_state
    if (old := state.get("filters-errand")) is not None:
        old.cancel()

    def work(model: xc.Model, progress: Callable[[float], None], cancel: Event) -> Sweep:
        return sweep(
            model,
            volume.case,
            volume.truth,
            explainer=asked.explainer,
            target=asked.target or None,
            compares_code=asked.compares_code,
            progress=progress,
            cancel=cancel,
        )

    errand = engine.errand(asked.model_name, TITLE, asked.key, work)
    state["filters-errand"], state["filters-asked"] = errand, asked
    return errand


def current(asked: Asked) -> Errand[Sweep] | None:
    """The session's errand for exactly this question; one for another is let go and never shown."""
    state = st.session_state
    if state.get("filters-asked") == asked:
        found: Errand[Sweep] | None = state.get("filters-errand")
        return found
    if (old := state.get("filters-errand")) is not None:
        old.cancel()
    return None


def explainers() -> dict[str, xc.ExplainerInfo]:
    """Explainers of volumes that have filters, the study's own first."""
    found = {
        name: info
        for name, info in xc.explainers().items()
        if 3 in info.dims and any(parameter.name == "filter_at" for parameter in info.parameters)
    }
    return {STUDY: found[STUDY], **found}


def walks(compares_code: bool) -> int:
    """How many walks back through the network a sweep takes."""
    return len({band.alike for band in STUDY_BANDS}) * (2 if compares_code else 1)


def results(volume: Volume, swept: Sweep) -> None:
    """Everything that a sweep says, from the answer to the tables."""
    _headline(swept)
    if swept.explainer == STUDY and is_spiky(swept):
        st.warning(SPIKES, icon=":material/info:")
    with st.expander("What this means, and what does not follow", expanded=True):
        st.markdown(MEANING)
    if swept.truth_voxels:
        _draw(filter_charts.against_alpha(swept), "alpha")
        _draw(filter_charts.boxes(swept, "truth_inclusivity"), "truth")
    _draw(filter_charts.boxes(swept, "input_inclusivity"), "input")
    _pictures(volume, swept)
    if filter_charts.has_signal(swept):
        _draw(filter_charts.signals(swept), "signals")
        st.caption(
            "Each map divided by its greatest magnitude, then the mean over positions, with its sign. Our reading of the study's figure 5."
        )
    _tables(swept)
    _published(swept)


def _headline(swept: Sweep) -> None:
    best = sweet_spot(swept)
    if not swept.truth_voxels or best is None:
        st.info(
            "No ground truth is known on the grid that the network sees: only what needs none is shown. Add a mask to the files.",
            icon=":material/info:",
        )
        return
    better = "more than" if best.is_better_than_raw else "no more than"
    st.markdown(
        f"**Sweet spot: {escaped(best.band.name)}.** Its strong part takes in {100 * best.inclusivity:.1f} % of the lesion "
        f"(mean over modalities), {better} the raw map's {100 * best.raw:.1f} %. {100 * best.lit:.1f} % of the whole volume is strong under "
        f"it, so {100 * best.over_chance:.1f} points of it are knowledge of the lesion."
    )
    answers = statements(swept)
    if answers:
        rows = ["| The study's statement | Holds here | Measured |", "| --- | --- | --- |"]
        rows += [
            f"| {escaped(one.text)} | {'yes' if one.holds else 'no'} | {escaped(one.numbers)} |" for one in answers
        ]
        st.markdown("\n".join(rows))
        st.caption("One case, one network: no proof in either direction.")


def _pictures(volume: Volume, swept: Sweep) -> None:
    """The slice with the largest lesion, a column a modality: raw above, filtered below."""
    if swept.slice_number is None:
        return
    best = sweet_spot(swept)
    bands = [band for band in swept.bands if not band.is_raw]
    left, right = st.columns([2, 3], vertical_alignment="bottom")
    first = bands.index(best.band) if best is not None else 0
    band = left.selectbox(
        "Filter to look at", bands, index=first, format_func=lambda band: band.name, key="filters-band"
    )
    one_scale = right.toggle(
        "One scale for all modalities", key="filters-scale", help="Off: every modality has a scale of its own."
    )
    count = planes_of(volume.case)[0].slices
    outlined = ", ground truth outlined" if swept.truth_voxels else ""
    for reading in (swept.readings[0], swept.of(band)):
        pictures = [
            slice_picture(volume.case, swept, place, reading, volume.truth, scale="map" if one_scale else "modality")
            for place in range(len(swept.channels))
        ]
        for picture, channel, column in zip(pictures, swept.channels, st.columns(len(pictures)), strict=True):
            column.image(picture, caption=f"{escaped(channel)}, {escaped(reading.band.name)}", width="stretch")
    st.caption(
        f"Axial slice {swept.slice_number + 1} of {count}{outlined}. Warm: positive relevance, cold: negative; what is below a fifth of full colour is not painted."
    )


def _tables(swept: Sweep) -> None:
    measures = ("truth_inclusivity", "input_inclusivity") if swept.truth_voxels else ("input_inclusivity",)
    for measure in measures:
        st.markdown(f"**{escaped(MEASURES[measure])}** (the study's figure 3)")
        _frame(table(swept, measure), f"table-{measure}")
    if swept.truth_voxels:
        st.markdown("**Areas under ground-truth inclusivity against α**, divided by the range of α")
        _frame(area_table(swept), "table-areas")
    left, right = st.columns(2)
    left.download_button(
        "Figure 3 as CSV",
        table(swept, measures[0]).to_csv(),
        "filter-study-figure-3.csv",
        "text/csv",
        key="filters-figure-3",
    )
    right.download_button(
        "All numbers as CSV", long_table([swept]).to_csv(index=False), "filter-study.csv", "text/csv", key="filters-all"
    )


def _published(swept: Sweep) -> None:
    if swept.problem:
        st.info(escaped(swept.problem), icon=":material/info:")
    if swept.published:
        st.markdown("**The study's text against its published code**")
        st.caption(CODE)
        st.markdown(escaped(code_sentence(swept)))
        st.markdown(markdown(published_table(swept)))


def _frame(frame: pd.DataFrame, key: str) -> None:
    most = frame.max().where(lambda greatest: greatest > 0)  # a column of zeros has no best filter
    drawn = frame.style.format("{:.3f}", na_rep="–")
    st.dataframe(drawn.apply(lambda column: np.where(column == most[column.name], "font-weight: 700", "")), key=key)


def _draw(figure: go.Figure, key: str) -> None:
    st.plotly_chart(figure, width="stretch", config=filter_charts.CONFIG, key=f"filters-{key}")
