"""Compare models: one film, one explainer, several models side by side, and the mean of them all."""

from __future__ import annotations

import json

import streamlit as st

import xai_core as xc
from components import films, model_panes, parameters, shell, viewer
from components.films import Film
from components.model_panes import Comparison
from xai_core.models.ensemble import JOIN, gathered, open_card

shell.framed()

POLL_SECONDS = 0.6
MOST = 6

engine = shell.engine()
infos = {name: info for name, info in xc.explainers().items() if 2 in info.dims}
state = st.session_state


def comparison_for(film: Film, names: list[str], explainer: str, target: str, values: parameters.Values) -> Comparison:
    """The session's jobs for exactly this request; another request lets go of the old one."""
    request = json.dumps([film.case.digest, names, explainer, target, values], sort_keys=True)
    if state.get("comparison-request") != request:
        if old := state.get("comparison"):
            old.cancel()
        jobs = {name: engine.submit(film.case, name, [explainer], [target], {explainer: values}) for name in names}
        state["comparison"], state["comparison-request"] = Comparison(explainer, target, jobs), request
    found: Comparison = state["comparison"]
    return found


def board(film: Film, shown: Comparison, is_polled: bool) -> None:
    """The picture: redrawn alone while maps come in."""
    told = {name: engine.predict(name, film.case) for name in shown.jobs}
    members = {name: engine.model(name) for name in shown.jobs}
    whole = None
    if len(members) > 1:
        name = JOIN.join(members)
        whole = gathered(open_card(name, list(members)), list(members.values()))
        told[model_panes.MEAN] = whole.mean_of(list(told.values()))
    viewer.show(film.case, model_panes.panes(shown, members, told, whole), key="viewer-models", settings=None)
    if is_polled and shown.done:
        st.rerun()


with st.sidebar:
    film = films.choose()
    known = films.models()
    state.setdefault("compared", known[:MOST])
    names = st.multiselect("Models", known, key="compared", max_selections=MOST, persist_state="session")
    if not names:
        st.info("Choose at least one model.", icon=":material/info:")
        st.stop()
    with st.spinner("Asking the models"):
        models = [engine.model(name) for name in names]
        for name in names:
            engine.predict(name, film.case)
    labels = model_panes.common_labels(models)
    if not labels:
        st.info("These models name no finding in common: take one away.", icon=":material/info:")
        st.stop()
    if state.get("compared-label") not in labels:
        state["compared-label"] = max(
            labels, key=lambda label: model_panes.share_of(engine.predict(names[0], film.case), label)
        )
    target = st.selectbox("Finding to explain", labels, key="compared-label", persist_state="session")
    explainer = st.selectbox(
        "Explainer",
        list(infos),
        index=list(infos).index("grad-cam"),
        format_func=lambda name: infos[name].title,
        key="compared-explainer",
        persist_state="session",
    )
    values = parameters.form(infos[explainer])
    films.messages(film)

shown = comparison_for(film, names, explainer, target, values)
is_polled = not shown.done
st.fragment(board, run_every=POLL_SECONDS if is_polled else None)(film, shown, is_polled)
