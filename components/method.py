"""One explainer on a page: its place, its parameters, and a small film with its map, computed when asked for."""

from __future__ import annotations

import streamlit as st

import xai_core as xc
from components import films
from components.prose import table
from components.shell import engine, escaped
from xai_core.explainers.registry import ExplainerInfo
from xai_core.jobs import Job
from xai_core.parameters import Parameter
from xai_core.report import miniature

EXAMPLE = "simulated-consolidation"
POLL_SECONDS = 0.6
SIDE = 320
_INPUTS = {0: "vectors", 1: "signals", 2: "films", 3: "volumes"}


def facts(info: ExplainerInfo) -> None:
    """Where the explainer stands, what it needs, what its values count and what it costs."""
    scope = "the whole model (global)" if "global" in info.taxonomy else "one image (local)"
    target = "one map a target" if info.target_dependent else "the same map for every target"
    signs = "for and against (signed)" if info.is_signed else "strength alone (no sign)"
    unit = "no unit" if info.unit == "none" else f"in units of the {info.unit}"
    told = {
        "Place": f"{info.group}, {scope}",
        "Target": target,
        "Needs": "only the network's answers" if info.black_box else "a look at the network's operations",
        "Works on": ", ".join(_INPUTS[dims] for dims in info.dims if dims in _INPUTS),
        "Values": f"{signs}, {unit}" + (", with books that must close" if info.has_account else ""),
        "Cost": f"about {info.cost:g} forward passes with default parameters",
        "Source": info.source,
    }
    st.caption("  \n".join(f"**{name}** {escaped(fact)}" for name, fact in told.items()))


def parameters(info: ExplainerInfo) -> None:
    """The table of what can be set."""
    if not info.parameters:
        st.caption("Nothing to set.")
        return
    rows = [(p.name, p.range, p.unit, _default(p), p.help) for p in info.parameters]
    table(("Name", "Range", "Unit", "Default", "What it does"), rows)


def example(info: ExplainerInfo) -> None:
    """The film and the map, or the button that asks for it; redrawn alone while it is computed."""
    examples: dict[str, Job] = st.session_state.setdefault("examples", {})
    job = examples.get(info.name)
    if job is None or job.is_cancelled:
        st.button("Compute an example", key="example", icon=":material/play_arrow:", on_click=_start, args=(info.name,))
        st.caption(f"{_film().name}, about {info.cost:g} forward passes. It is computed once and kept.")
        return
    is_polled = not job.done
    st.fragment(_board, run_every=POLL_SECONDS if is_polled else None)(info, job, is_polled)


def _start(name: str) -> None:
    """Ask the engine for the map; examples that are still under way are let go."""
    examples: dict[str, Job] = st.session_state["examples"]
    for other in examples.values():
        other.cancel()
    target = xc.sample_cases()[EXAMPLE].target
    examples[name] = engine().submit(_film().case, films.models()[0], [name], [target])


def _board(info: ExplainerInfo, job: Job, is_polled: bool) -> None:
    (((_, target), pane),) = job.panes.items()
    if pane.explanation is not None:
        case, badge = _film().case, pane.explanation.badge
        with st.container(horizontal=True):
            st.image(miniature(case, None, SIDE), caption=escaped(_film().name), width="content")
            st.image(
                miniature(case, pane.explanation, SIDE), caption=escaped(f"{info.title}: {target}"), width="content"
            )
        told = f"{job.model_name}, {pane.explanation.seconds:.1f} s. {badge.word.capitalize()}: {badge.sentences[0]}"
        st.caption(escaped(told))
    elif pane.error is not None:
        st.warning(escaped(str(pane.error)), icon=":material/info:")
    else:
        left = "" if pane.seconds_left is None else f", about {max(1, round(pane.seconds_left))} s left"
        st.progress(pane.share, text=f"{escaped(info.title)} {100 * pane.share:.0f} %{left}")
        st.button("Cancel", key="cancel-example", type="tertiary", icon=":material/close:", on_click=job.cancel)
    if is_polled and job.done:
        st.rerun()


def _film() -> films.Film:
    return films.packaged(EXAMPLE)


def _default(parameter: Parameter) -> str:
    value = parameter.default
    if value is None:
        return "automatic"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return " to ".join(f"{part:g}" for part in value)
    return f"{value:g}" if isinstance(value, float) else str(value) or "empty"
