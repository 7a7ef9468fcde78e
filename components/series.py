"""A series of films of one patient on a page: which films, their maps side by side, and the probabilities over days."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
import streamlit as st

import xai_core as xc
from components import films
from components.model_panes import share_of
from components.shell import escaped, sentence
from xai_core.engine import Engine
from xai_core.follow_up import Visit, aligned, common_scope, in_order, is_one_patient
from xai_core.jobs import Job
from xai_core.models import Prediction
from xai_core.render import Overlay

SAMPLES = ("hannover-day-0", "hannover-day-3", "hannover-day-5", "hannover-day-14")
MOST = 8
NOT_ONE = "These films name different patients: a follow-up is of one."


def choose() -> list[Visit]:
    """Draw the file input; the films uploaded, in order, or the packaged series. What cannot be read costs a sentence each."""
    uploads = st.file_uploader(
        "Films of one patient",
        accept_multiple_files=True,
        key="series-upload",
        help="DICOM films are ordered by study date, others by name. They stay on this computer.",
    )
    known: dict[str, xc.Case] = st.session_state.setdefault("series-read", {})
    for gone in set(known) - {upload.file_id for upload in uploads}:
        del known[gone]
    visits = []
    for upload in uploads[:MOST]:
        try:
            visits.append(Visit(upload.name, _read(upload.file_id, upload.getvalue(), upload.name)))
        except xc.LightboxError as problem:
            st.error(sentence(problem), icon=":material/error:")
    if len(uploads) > MOST:
        st.info(f"The first {MOST} films are shown: take some away to see others.", icon=":material/info:")
    if not visits:
        st.caption("Packaged: four films of one patient with COVID-19 (Hannover, CC BY 3.0).")
        visits = [Visit(film.name, film.case) for film in map(films.packaged, SAMPLES)]
    if not is_one_patient(visits):
        st.warning(NOT_ONE, icon=":material/warning:")
    return in_order(visits)


def asked(visits: Sequence[Visit], model: str) -> dict[str, tuple[xc.Case, str]]:
    """Every film of the series asked of one model, by its place in the series: two may be of one day and one name."""
    return {str(place): (visit.case, model) for place, visit in enumerate(visits)}


def pictures(engine: Engine, visits: Sequence[Visit], under_way: Sequence[Job], model: str) -> None:
    """Two rows: films, and films with their maps, the lungs at one place and of one size in all."""
    left, middle, right, _ = st.columns([2, 2, 2, 3])
    threshold = left.slider("Threshold", 0.0, 1.0, 0.3, 0.01, key="series-threshold")
    opacity = middle.slider("Opacity", 0.0, 1.0, 0.5, 0.05, key="series-opacity")
    is_one_scale = right.toggle(
        "One scale for all days", value=True, key="series-scale", help="Off: every map has a scale of its own."
    )
    states = [next(iter(job.panes.values())) for job in under_way]
    found = [state.explanation for state in states if state.explanation is not None]
    scope = common_scope(found) if is_one_scale else None
    loaded = engine.model(model)
    for visit, state, column in zip(visits, states, st.columns(len(visits)), strict=True):
        lungs = loaded.lungs(visit.case)
        overlay = Overlay(threshold=threshold, opacity=opacity, scope=scope or None)
        with column:
            st.markdown(f"**{escaped(visit.title)}**")
            st.image(aligned(visit.case, lungs, None, overlay), caption=escaped(visit.name), width="stretch")
            if state.explanation is not None:
                st.image(aligned(visit.case, lungs, state.explanation, overlay), width="stretch")
                st.caption(escaped(f"{state.explanation.badge.word}: {state.explanation.badge.sentences[0]}"))
            elif state.error is not None:
                st.error(sentence(state.error), icon=":material/error:")


def chart(visits: Sequence[Visit], told: Sequence[Prediction], target: str) -> None:
    """Probabilities over days, the explained finding drawn thick."""
    places = [visit.title if visit.day is None else visit.day for visit in visits]
    figure = go.Figure(
        [
            go.Scatter(
                x=places,
                y=[100 * share_of(one, label) for one in told],
                name=label,
                mode="lines+markers",
                line={"width": 4 if label == target else 1.5},
            )
            for label in told[0].labels
        ]
    )
    figure.update_layout(
        height=300, margin={"l": 40, "r": 10, "t": 10, "b": 40}, yaxis={"title": "probability, %", "range": [0, 101]},
        xaxis={"title": "day"},
    )  # fmt: skip
    st.plotly_chart(figure, width="stretch", config={"displayModeBar": False})


def _read(file_id: str, content: bytes, name: str) -> xc.Case:
    """The film of an upload, read once and kept as long as it is among the uploads of this session."""
    known: dict[str, xc.Case] = st.session_state.setdefault("series-read", {})
    if file_id not in known:
        with st.spinner("Reading the film"):
            known[file_id] = xc.read_case(content, name=name, kind="film")
    return known[file_id]
