"""Film review, the landing page: a chest film, what a model finds on it, and four explanations side by side."""

from __future__ import annotations

import streamlit as st

import xai_core as xc
from components import (
    asking,
    explainer_choice,
    films,
    findings,
    layer_rules,
    panes,
    parameters,
    progress,
    quality,
    shell,
    trust,
    viewer,
)
from components.films import Film
from xai_core.engine import device_in_words
from xai_core.jobs import Job

shell.framed()

POLL_SECONDS = 0.6

engine = shell.engine()
infos = xc.explainers()
state = st.session_state


def choose_target(label: str) -> None:
    state["target"] = label


def follow_film(film: Film, model_name: str, rows: list[findings.Finding]) -> str:
    """The label to explain: the one clicked, or for a film just opened what its model finds first."""
    opened = (film.case.digest, model_name)
    if state.get("opened") != opened or state.get("target") not in [row.label for row in rows]:
        state["opened"], state["target"] = opened, findings.first_target(rows)
    return str(state["target"])


def board(film: Film, job: Job, looks: Job | None, where: str, is_polled: bool) -> None:
    """The picture: redrawn alone while maps come in; a change of the request reruns the page."""
    is_looking = looks is not None and not looks.done
    titles = {name: info.title for name, info in infos.items()}
    progress.line(job, titles, f"{where}; looking at the maps a second time" if is_looking else where)
    drawn = panes.panes(job, infos, state.setdefault("shown", {}), looks)
    events = viewer.show(film.case, drawn, key="viewer", settings=None)
    if events.filter != state.get("filter"):
        state["filter"] = events.filter
        st.rerun()
    if is_polled and job.done and not is_looking:
        st.rerun()


with st.sidebar:
    film = films.choose()
    model_names = [*films.models(), *films.models_of_slices()]
    if len(model_names) > 1:
        model_name = st.selectbox("Model", model_names, key="model", persist_state="session")
    else:
        model_name = model_names[0]
    with st.spinner("Asking the model"):
        model = engine.model(model_name)
        told = engine.predict(model_name, film.case)
        known = engine.quality(model_name, film.case)
    rows = findings.findings(model.card, told, findings.with_off(model.card))
    target = follow_film(film, model_name, rows)
    quality.warn(known.about(target))
    findings.table(rows, target, choose_target)
    names = explainer_choice.choose(infos, dims=len(film.case.space))
    values = asking.with_filter(parameters.forms(infos[name] for name in names), infos, state.get("filter"))
    films.messages(film)

where = f"{model.card.title} on {device_in_words(model)}"
asked = asking.Asked(film.case, model_name, names, target, values)
job = asking.job_for(asked)
looks = asking.looks_for(asked, job)
is_polled = not job.done or (looks is not None and not looks.done)
with st.sidebar:
    trust.expanders(job, looks, infos, asking.ask_to_look)
    layer_rules.offer(job, infos)
st.fragment(board, run_every=POLL_SECONDS if is_polled else None)(film, job, looks, where, is_polled)
