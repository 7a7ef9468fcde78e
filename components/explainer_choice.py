"""Which explainers stand side by side: a list to type in, and all of them by kind with boxes to tick.

The one truth is ``st.session_state["explainers"]``, in the order chosen. What does not work on the open case is put
aside and comes back with a case it works on.
"""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from components.shell import escaped
from xai_core.explainers.registry import ExplainerInfo, grouped

DEFAULTS = ("lrp-epsilon-plus", "rap", "grad-cam", "occlusion")
MOST = 8
CHOICE, ASIDE = "explainers", "explainers-aside"
FULL = f"{MOST} maps at once are the most that can be compared: take one away to choose another."


def choose(infos: Mapping[str, ExplainerInfo], dims: int) -> list[str]:
    """Names of the chosen explainers, in the order chosen, among those that work on ``dims`` space axes; ``MOST`` at most."""
    groups = grouped(info for info in infos.values() if dims in info.dims)
    able = {info.name: info for members in groups.values() for info in members}
    _settle(able)
    chosen = st.multiselect(
        "Explainers",
        list(able),
        format_func=lambda name: able[name].title if name in able else name,
        key=CHOICE,
        max_selections=MOST,
        persist_state="session",
        placeholder="Choose what to compare",
        help="One pane each, in this order. The list goes by kind: " + "; ".join(groups) + ".",
    )
    with st.popover(f"By kind: {len(chosen)} of {len(able)}", icon=":material/category:", width="stretch"):
        if len(chosen) >= MOST:
            st.info(FULL, icon=":material/info:")
        with st.container(key="kinds"):
            columns, drawn = st.columns(2), 0
            for title, members in groups.items():
                with columns[2 * drawn >= len(able)]:
                    st.markdown(f"**{escaped(title)}**")
                    for info in members:
                        _box(info, chosen)
                drawn += len(members)
        st.caption("All explain one image unless marked global. The page Methods says what each can and cannot tell.")
    if len(chosen) >= MOST:
        st.caption(FULL)
    return chosen


def note(info: ExplainerInfo) -> str:
    """What sets an explainer apart in a list: that it does not look at the target, that it is global; mostly nothing."""
    marks = [
        "" if info.target_dependent else "same map for every target",
        "global" if "global" in info.taxonomy else "",
    ]
    return ", ".join(mark for mark in marks if mark)


def _settle(able: Mapping[str, ExplainerInfo]) -> None:
    """Bring the choice in line with what works here, before its widgets are drawn."""
    state = st.session_state
    wanted = [*state.get(CHOICE, DEFAULTS), *state.get(ASIDE, ())]
    state[ASIDE] = [name for name in dict.fromkeys(wanted) if name not in able]
    state[CHOICE] = [name for name in dict.fromkeys(wanted) if name in able][:MOST]


def _box(info: ExplainerInfo, chosen: list[str]) -> None:
    key, is_chosen = f"explainer|{info.name}", info.name in chosen
    st.session_state[key] = is_chosen
    mark = note(info)
    st.checkbox(
        escaped(info.title) + (f" :small[:gray[{mark}]]" if mark else ""),
        key=key,
        disabled=len(chosen) >= MOST and not is_chosen,
        help=escaped(info.summary),
        on_change=_toggle,
        args=(info.name,),
    )


def _toggle(name: str) -> None:
    chosen: list[str] = st.session_state[CHOICE]
    rest = [other for other in chosen if other != name]
    st.session_state[CHOICE] = rest if name in chosen else [*rest, name][:MOST]
