"""Which explainers stand side by side: one list, grouped by family as the registry declares it."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from xai_core.explainers.registry import ExplainerInfo

DEFAULTS = ("lrp-epsilon-plus", "rap", "grad-cam", "occlusion")


def choose(infos: Mapping[str, ExplainerInfo], dims: int) -> list[str]:
    """Names of the chosen explainers, in the order chosen, among those that work on ``dims`` space axes."""
    able = [info for info in infos.values() if dims in info.dims]
    families = list(dict.fromkeys(info.family for info in able))
    able.sort(key=lambda info: (families.index(info.family), info.cost, info.title))
    titles = {info.name: info.title for info in able}
    st.session_state.setdefault("explainers", [name for name in DEFAULTS if name in titles])
    return st.multiselect(
        "Explainers",
        list(titles),
        format_func=lambda name: titles.get(name, name),
        key="explainers",
        persist_state="session",
        placeholder="Choose what to compare",
        help="One pane each, in this order. The list goes family by family: " + ", ".join(families) + ".",
    )
