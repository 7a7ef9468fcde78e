"""What pages that compare share, models on one film or films of one patient: the list of explainers, and the session's jobs of one request."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import streamlit as st

from components.model_panes import Comparison
from components.parameters import Values
from xai_core.case import Case
from xai_core.engine import Engine
from xai_core.explainers.registry import ExplainerInfo

POLL_SECONDS = 0.6


def explainer(infos: Mapping[str, ExplainerInfo], *, key: str, first: str) -> str:
    """The list of explainers; the one chosen."""
    return st.selectbox(
        "Explainer",
        list(infos),
        index=list(infos).index(first),
        format_func=lambda name: infos[name].title,
        key=key,
        persist_state="session",
    )


def comparison(
    engine: Engine, asked: Mapping[str, tuple[Case, str]], explainer: str, target: str, values: Values, place: str
) -> Comparison:
    """The session's jobs for exactly this request at ``place``, by the name of each pair of a film and a model; another
    request lets go of the old one."""
    state = st.session_state
    pairs = [[name, case.digest, model] for name, (case, model) in asked.items()]
    request = json.dumps([pairs, explainer, target, values], sort_keys=True)
    if state.get(f"{place}-request") != request:
        if old := state.get(f"{place}-comparison"):
            old.cancel()
        jobs = {
            name: engine.submit(case, model, [explainer], [target], {explainer: values})
            for name, (case, model) in asked.items()
        }
        state[f"{place}-comparison"] = Comparison(explainer, target, jobs)
        state[f"{place}-request"] = request
    found: Comparison = state[f"{place}-comparison"]
    return found


def by_models(case: Case, models: Sequence[str]) -> dict[str, tuple[Case, str]]:
    """One film asked of each model, by the model's name."""
    return {model: (case, model) for model in models}
