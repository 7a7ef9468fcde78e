"""Follow-up: films of one patient in order of their days, aligned by the lungs, with one model and one explainer."""

from __future__ import annotations

import streamlit as st

import xai_core as xc
from components import comparing, films, quality, series, shell
from components.model_panes import Comparison
from xai_core.follow_up import Visit

shell.framed()

engine = shell.engine()
infos = {name: info for name, info in xc.explainers().items() if 2 in info.dims}
state = st.session_state


def board(visits: list[Visit], shown: Comparison, model_name: str) -> None:
    """Films and maps, redrawn alone while maps come in and while sliders move."""
    series.pictures(engine, visits, list(shown.jobs.values()), model_name)
    if not shown.done:
        st.caption("Computing the maps …")


with st.sidebar:
    visits = series.choose()
    names = films.models()
    model_name = st.selectbox("Model", names, key="series-model", persist_state="session")
    with st.spinner("Asking the model"):
        model = engine.model(model_name)
        told = [engine.predict(model_name, visit.case) for visit in visits]
    labels = [label for label in model.card.labels if label not in model.card.off]
    state.setdefault("series-label", "Pneumonia" if "Pneumonia" in labels else labels[0])
    target = st.selectbox("Finding to explain", labels, key="series-label", persist_state="session")
    quality.warn_of((visit.title, engine.quality(model_name, visit.case).about(target)) for visit in visits)
    explainer = comparing.explainer(infos, key="series-explainer", first="grad-cam")

shown = comparing.comparison(engine, series.asked(visits, model_name), explainer, target, {}, "series")
with st.container(key="series"):
    st.fragment(board, run_every=None if shown.done else comparing.POLL_SECONDS)(visits, shown, model_name)
    series.chart(visits, told, target)
