"""Compare models: one film, one explainer, several models side by side, and the mean of them all."""

from __future__ import annotations

import streamlit as st

import xai_core as xc
from components import comparing, films, model_panes, parameters, quality, shell, viewer
from components.films import Film
from components.model_panes import Comparison
from xai_core.models.ensemble import JOIN, gathered, open_card

shell.framed()

MOST = 6

engine = shell.engine()
infos = {name: info for name, info in xc.explainers().items() if 2 in info.dims}
state = st.session_state


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
    known = films.models(with_means=False)
    state.setdefault("compared", [name for name in known if name not in films.CHEATING][:MOST])
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
    quality.warn_of((name, engine.quality(name, film.case).about(target)) for name in names)
    explainer = comparing.explainer(infos, key="compared-explainer", first="grad-cam")
    values = parameters.form(infos[explainer])
    films.messages(film)

shown = comparing.comparison(engine, comparing.by_models(film.case, names), explainer, target, values, "compared")
is_polled = not shown.done
st.fragment(board, run_every=comparing.POLL_SECONDS if is_polled else None)(film, shown, is_polled)
