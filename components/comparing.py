"""What pages that compare models share: the list of explainers, and the session's jobs of one request."""

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
    engine: Engine, case: Case, names: Sequence[str], explainer: str, target: str, values: Values, place: str
) -> Comparison:
    """The session's jobs for exactly this request at ``place``; another request lets go of the old one."""
    state = st.session_state
    request = json.dumps([case.digest, list(names), explainer, target, values], sort_keys=True)
    if state.get(f"{place}-request") != request:
        if old := state.get(f"{place}-comparison"):
            old.cancel()
        jobs = {name: engine.submit(case, name, [explainer], [target], {explainer: values}) for name in names}
        state[f"{place}-comparison"] = Comparison(explainer, target, jobs)
        state[f"{place}-request"] = request
    found: Comparison = state[f"{place}-comparison"]
    return found
