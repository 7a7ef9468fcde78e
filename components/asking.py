"""What a session asks of the engine: one request at a time, its job, and second looks at the maps once they are there.

Another request lets go of what only the old one wanted. What is kept of a session stands under the page's ``place``, a
prefix of its own ('' for films), so that two pages never take each other's maps for their own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from components.shell import engine
from xai_core.case import Case, Region
from xai_core.explainers.registry import ExplainerInfo
from xai_core.jobs import Job
from xai_core.second_looks import is_light


@dataclass(frozen=True)
class Asked:
    """Maps of ``explainers`` with ``values`` (by explainer, what differs from the defaults) for ``target`` of a model, over
    ``region`` (None: where it is predicted, or the whole image)."""

    case: Case
    model_name: str
    explainers: Sequence[str]
    target: str
    values: Mapping[str, Mapping[str, Any]]
    region: Region | None = None
    place: str = ""

    @property
    def name(self) -> str:
        """Equal requests, equal names."""
        region = None if self.region is None else [self.region.digest, self.region.name]
        parts = [self.case.digest, self.model_name, list(self.explainers), self.target, self.values, region]
        return json.dumps(parts, sort_keys=True)


def job_for(asked: Asked) -> Job:
    """The session's job for exactly this request."""
    state, place = st.session_state, asked.place
    old: Job | None = state.get(f"{place}job")
    if old is None or state.get(f"{place}request") != asked.name:
        values = {name: asked.values.get(name, {}) for name in asked.explainers}
        state[f"{place}job"] = engine().submit(
            asked.case, asked.model_name, asked.explainers, [asked.target], values, asked.region
        )
        state[f"{place}request"] = asked.name
        for ended in (old, state.pop(f"{place}looks", None)):
            if ended is not None:
                ended.cancel()
        state[f"{place}asked_to_look"] = set()
    job: Job = state[f"{place}job"]
    return job


def let_go(place: str = "") -> None:
    """Ask for nothing any more: what is open cannot be explained."""
    for key in ("job", "looks"):
        ended: Job | None = st.session_state.pop(f"{place}{key}", None)
        if ended is not None:
            ended.cancel()


def looks_for(asked: Asked, job: Job) -> Job | None:
    """Second looks at the maps once all are there: at those that cost little, and at those the person asked for."""
    if not job.done or job.is_cancelled:
        return None
    state, place = st.session_state, asked.place
    maps = [pane.explanation for pane in job.panes.values() if pane.explanation is not None]
    wanted = [found for found in maps if is_light(found.explainer) or found.explainer in state[f"{place}asked_to_look"]]
    old: Job | None = state.get(f"{place}looks")
    if old is None or {(found.explainer, found.target) for found in wanted} != set(old.panes):
        state[f"{place}looks"] = engine().look_again(asked.case, asked.model_name, wanted, asked.region)
        if old is not None:
            old.cancel()
    looks: Job = state[f"{place}looks"]
    return looks


def ask_to_look(explainer: str, place: str = "") -> None:
    """Want a second look at the map of ``explainer``, however long it takes."""
    st.session_state[f"{place}asked_to_look"].add(explainer)


def with_filter(
    values: Mapping[str, Mapping[str, Any]], infos: Mapping[str, ExplainerInfo], chosen: Mapping[str, Any] | None
) -> Mapping[str, Mapping[str, Any]]:
    """Parameters with the viewer's filter of relevance added where an explainer has one."""
    if not chosen:
        return values
    added = {"filter_mode": chosen["mode"], "filter_range": (chosen["low"], chosen["high"]), "filter_at": chosen["at"]}
    able = {name for name in values if any(p.name == "filter_mode" for p in infos[name].parameters)}
    return {name: {**given, **added} if name in able else given for name, given in values.items()}
