"""Methods: what every explainer computes, what it can and cannot tell, what it costs, where it fails, and an example.

The text is the explainer's own docstring; there is no second one.
"""

from __future__ import annotations

import streamlit as st

import xai_core as xc
from components import explainer_choice, method, shell
from components.prose import prose
from xai_core.explainers.registry import grouped

shell.framed()
infos = xc.explainers()
state = st.session_state
if state.get("method") not in infos:
    asked = st.query_params.get("method")
    state["method"] = asked if asked in infos else explainer_choice.DEFAULTS[0]
chosen = infos[state["method"]]


def open_method(name: str) -> None:
    state["method"] = name


with st.sidebar, st.container(key="methods", gap=None):
    for title, members in grouped(infos.values()).items():
        st.caption(f"**{shell.escaped(title)}**")
        for info in members:
            st.button(
                shell.escaped(info.title),
                key=f"method-{info.name}",
                type="primary" if info is chosen else "tertiary",
                help=shell.escaped(info.summary),
                on_click=open_method,
                args=(info.name,),
                width="stretch",
            )

with st.container(key="text"):
    st.subheader(shell.escaped(chosen.title))
    st.markdown(shell.escaped(chosen.summary))
    method.facts(chosen)
    st.markdown(prose(chosen.text))
    st.markdown("#### Parameters")
    method.parameters(chosen)
    st.markdown("#### Example")
    method.example(chosen)
