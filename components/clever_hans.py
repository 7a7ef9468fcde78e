"""Tables of the page "Clever Hans": what each network says of every version of the film, where its map lies, and its card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from components.model_panes import Comparison, share_of
from components.shell import escaped
from xai_core.case import Region
from xai_core.clever_hans import BORDER, shares
from xai_core.models import Card, Prediction

CONTROLS = {
    "auroc_pneumonia_children": "as they are",
    "auroc_pneumonia_children_filled": "lungs filled in",
}


def answers(told: Mapping[str, Mapping[str, Prediction]], target: str, titles: Mapping[str, str], chosen: str) -> None:
    """Probability of ``target``: a row a version of the film, a column a network; ``told`` by version, then by network."""
    st.markdown(f"**Probability of {escaped(target)}**")
    rows = [
        [
            f"▸ {version}" if version == chosen else version,
            *(f"{100 * share_of(by[name], target):.0f} %" for name in titles),
        ]
        for version, by in told.items()
    ]
    _table(["film", *titles.values()], rows)


def places(shown: Comparison, lungs: Region, titles: Mapping[str, str]) -> None:
    """Where the positive relevance of each map lies; dots while a map is computed."""
    found = {explanation.model: shares(explanation, lungs.mask) for explanation in shown.explanations}
    st.markdown("**Where the map lies** (positive part)")
    rows = [
        ["in the lungs", *(_percent(found[name].in_lungs) if name in found else "…" for name in titles)],
        [
            f"outer {100 * BORDER:.0f} %",
            *(_percent(found[name].on_border) if name in found else "…" for name in titles),
        ],
    ]
    _table(["", *titles.values()], rows)


def cards(known: Sequence[Card], titles: Mapping[str, str]) -> None:
    """AUROC of pneumonia on held-out children from the networks' cards, as they are and with the lungs filled in."""
    metrics = {card.name: card.metrics for card in known}
    st.markdown("**Held-out children, AUROC**")
    rows = [
        [words, *(f"{metrics[name][key]['value']:.2f}" if key in metrics[name] else "" for name in titles)]
        for key, words in CONTROLS.items()
    ]
    blind = [f"{metrics[name]['auroc_trained_on_filled']:.2f}" for name in titles]
    rows.append(["trained without lungs", *blind])
    _table(["films", *titles.values()], rows)


def _percent(share: float) -> str:
    return "none" if share != share else f"{100 * share:.0f} %"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    lines = [head, ["---"] * len(head), *rows]
    st.markdown("\n".join("| " + " | ".join(line) + " |" for line in lines))
