"""Which explainers stand side by side: a list to type in, and all of them by kind with boxes to tick.

The one truth is ``st.session_state["explainers"]`` (a page of another kind of image has a key of its own), in the order chosen. What does not work on the open case is put
aside and comes back with a case it works on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from components.shell import escaped
from xai_core.explainers.registry import ExplainerInfo, grouped

DEFAULTS = ("lrp-epsilon-plus", "rap", "grad-cam", "occlusion")
MOST = 8
CHOICE = "explainers"
FULL = f"{MOST} maps at once are the most that can be compared: take one away to choose another."


def choose(
    infos: Mapping[str, ExplainerInfo], dims: int, key: str = CHOICE, defaults: Sequence[str] = DEFAULTS
) -> list[str]:
    """Names of the chosen explainers, in the order chosen, among those that work on ``dims`` space axes; ``MOST`` at most.
    ``key``: where the choice is kept; ``defaults``: what is chosen first."""
    groups = grouped(info for info in infos.values() if dims in info.dims)
    able = {info.name: info for members in groups.values() for info in members}
    _settle(able, key, defaults)
    chosen = st.multiselect(
        "Explainers",
        list(able),
        format_func=lambda name: able[name].title if name in able else name,
        key=key,
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
                        _box(info, chosen, key)
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


def _settle(able: Mapping[str, ExplainerInfo], key: str, defaults: Sequence[str]) -> None:
    """Bring the choice in line with what works here, before its widgets are drawn."""
    state, aside = st.session_state, f"{key}-aside"
    wanted = [*state.get(key, defaults), *state.get(aside, ())]
    state[aside] = [name for name in dict.fromkeys(wanted) if name not in able]
    state[key] = [name for name in dict.fromkeys(wanted) if name in able][:MOST]


def _box(info: ExplainerInfo, chosen: list[str], choice: str) -> None:
    key, is_chosen = f"explainer|{info.name}", info.name in chosen
    st.session_state[key] = is_chosen
    mark = note(info)
    st.checkbox(
        escaped(info.title) + (f" :small[:gray[{mark}]]" if mark else ""),
        key=key,
        disabled=len(chosen) >= MOST and not is_chosen,
        help=escaped(info.summary),
        on_change=_toggle,
        args=(info.name, choice),
    )


def _toggle(name: str, choice: str) -> None:
    chosen: list[str] = st.session_state[choice]
    rest = [other for other in chosen if other != name]
    st.session_state[choice] = rest if name in chosen else [*rest, name][:MOST]
