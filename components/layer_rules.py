"""Which rule each layer of the network got, map by map, for explainers that give every layer a rule."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from components.prose import table
from components.shell import escaped
from xai_core.explainers.registry import ExplainerInfo
from xai_core.jobs import Job


def offer(job: Job, infos: Mapping[str, ExplainerInfo]) -> None:
    """One folded table a map that has rules, from the logit down to the first layer; nothing where none has."""
    given = {
        name: pane.explanation.rules
        for (name, _), pane in job.panes.items()
        if pane.explanation is not None and pane.explanation.rules
    }
    if not given:
        return
    with st.popover("Rules by layer", icon=":material/account_tree:", width="stretch"):
        for name, rules in given.items():
            title = infos[name].title if name in infos else name
            with st.expander(f"{escaped(title)}: {len(rules)} layers", expanded=len(given) == 1):
                table(("Layer", "Rule"), rules.items())
        st.caption("Activations pass relevance unchanged; pools and sums follow the row of their composite.")
