"""Clever Hans: an honest network and one that cheats, on one film, with the lungs filled in or the border cut."""

from __future__ import annotations

import streamlit as st

import xai_core as xc
from components import clever_hans, comparing, films, model_panes, quality, shell, viewer
from components.films import Film
from components.model_panes import Comparison
from xai_core.case import Case, Region
from xai_core.clever_hans import CHANGES, changed

shell.framed()

TITLES = {"cxr-resnet18": "lung crop", "cxr-resnet18-study": "whole film"}
FIRST_FILM, FIRST_TARGET = "child-pneumonia", "Pneumonia"
STORY = (
    "Two networks of one architecture learned from the same films. One was given **lung crops** with a random world around"
    " them; the other **whole films**, as many studies do, and may use the frame, letters and softness. Fill in the lungs:"
    " a network that reads lungs must give up. Cut the border of the normal child's film and see who changes its mind."
)

engine = shell.engine()
infos = {name: info for name, info in xc.explainers().items() if 2 in info.dims}
state = st.session_state


def board(case: Case, lungs: Region, shown: Comparison, is_polled: bool) -> None:
    """The picture: redrawn alone while maps come in."""
    told = {name: engine.predict(name, case) for name in shown.jobs}
    members = {name: engine.model(name) for name in shown.jobs}
    viewer.show(case, model_panes.panes(shown, members, told, None), key="viewer-hans", settings=None, contours=[lungs])
    if is_polled and shown.done:
        st.rerun()


def versions(film: Film, lungs: Region | None) -> dict[str, Case]:
    """The film and its changed versions, made once a film."""
    if state.get("hans-film") != film.case.digest:
        state["hans-versions"] = {change: changed(film.case, lungs, change) for change in CHANGES}
        state["hans-film"] = film.case.digest
    found: dict[str, Case] = state["hans-versions"]
    return found


with st.sidebar:
    st.caption(STORY)
    if "film" not in state:
        state["film"] = FIRST_FILM
    film = films.choose()
    with st.spinner("Asking both networks"):
        models = {name: engine.model(name) for name in TITLES}
        made = versions(film, next(iter(models.values())).lungs(film.case))
        told = {change: {name: engine.predict(name, case) for name in TITLES} for change, case in made.items()}
    chosen = str(st.radio("The film", list(CHANGES), key="hans-change", persist_state="session"))
    labels = model_panes.common_labels(list(models.values()))
    if state.get("hans-label") not in labels:
        state["hans-label"] = FIRST_TARGET
    quality.warn_of((TITLES[name], engine.quality(name, film.case).about(state["hans-label"])) for name in TITLES)
    case = made[chosen]
    lungs: Region = case.facts["lungs"]
    with st.container(key="hans"):
        clever_hans.answers(told, state["hans-label"], TITLES, chosen)
        target = st.selectbox("Finding to explain", labels, key="hans-label", persist_state="session")
        explainer = comparing.explainer(infos, key="hans-explainer", first="lrp-epsilon-plus")
        asked = comparing.by_models(case, list(TITLES))
        shown = comparing.comparison(engine, asked, explainer, target, {}, "hans")
        clever_hans.places(shown, lungs, TITLES)
        clever_hans.cards([model.card for model in models.values()], TITLES)
    films.messages(film)

is_polled = not shown.done
st.fragment(board, run_every=comparing.POLL_SECONDS if is_polled else None)(case, lungs, shown, is_polled)
