"""Models on a page: all of them in one table, one card with its facts, its curves and its whole text, and cards of what is no model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import streamlit as st

import xai_core as xc
from components.shell import escaped
from xai_core.models import Card
from xai_core.models.card_text import spelled_size
from xai_core.models.places import SHELF
from xai_core.models.shelf import manifest_cards

MEASURES = {
    "auroc_pneumonia_children": "Pneumonia, children",
    "auroc_pneumonia_children_filled": "… lungs filled in",
    "auroc_opacity_adults": "Lung Opacity, adults",
}


def known() -> dict[str, Card]:
    """Every model by name: the shipped ones, one's own, then those of others that can be fetched."""
    here = {card.name: card for card in xc.models()}
    return {**here, **{name: card for name, card in manifest_cards().items() if name not in here}}


def overview(cards: Sequence[Card]) -> None:
    """A row a model: what it reads, how large it is, and its AUROC on held-out patients beside the control."""
    here = {card.name for card in xc.models()}
    rows = [
        {
            "Model": card.name,
            "State": "shipped" if card.shipped else "yours" if card.name in here else "to fetch",
            "Network": card.architecture,
            "Task": card.task,
            "Labels": len(card.labels) or None,
            **{words: _value(card.metrics.get(key)) for key, words in MEASURES.items()},
            "MB": card.bytes / 1e6 if card.bytes else None,
        }
        for card in cards
    ]
    form = {words: st.column_config.NumberColumn(words, format="%.3f") for words in MEASURES.values()}
    st.dataframe(
        rows,
        hide_index=True,
        placeholder="",
        width="stretch",
        column_config={**form, "MB": st.column_config.NumberColumn(format="%.1f")},
    )
    st.caption(
        "AUROC on patients held out. A network that reads lungs falls towards 0.5 when they are filled in with grey."
    )


def card(shown: Card) -> None:
    """Draw one card: a line of facts, reliability curves where they were measured, then the text of ``weights/cards``."""
    facts = {
        "Architecture": shown.architecture,
        "Input": f"{spelled_size(shown.input)}, crop {shown.input.crop}, intensities by {shown.input.intensity}",
        "Labels": ", ".join(shown.labels),
        "Off unless asked for": ", ".join(shown.off),
        "Layer of CAMs": shown.target_layer,
        "Licence": shown.licence or "not stated",
        "Size": f"{shown.bytes / 1e6:.1f} MB" if shown.bytes else "",
        "SHA-256": shown.sha256[:16],
    }
    st.subheader(escaped(shown.title))
    st.caption("  \n".join(f"**{name}** {escaped(fact)}" for name, fact in facts.items() if fact))
    curves = {
        label: measures["reliability"] for label, measures in shown.calibration.items() if measures.get("reliability")
    }
    if curves:
        st.plotly_chart(reliability(curves), width="stretch", config={"displayModeBar": False})
    if shown.name not in {card.name for card in xc.models()}:
        st.info(
            escaped(shown.where) if shown.where else f"`python -m xai_core weights fetch {shown.name}` brings it here.",
            icon=":material/download:",
        )
    path = _path(shown.name)
    st.markdown(_text(path.read_text(encoding="utf-8")) if path.is_file() else escaped(shown.summary))


def others() -> dict[str, str]:
    """Titles by name of the cards that are of no model: studies, networks that go with a model, and what input is checked by."""
    names = sorted({path.stem for path in (SHELF / "cards").glob("*.md")} - set(known()))
    return {name: _path(name).read_text(encoding="utf-8").splitlines()[0].lstrip("# ") for name in names}


def other(name: str) -> None:
    """Draw a card that is of no model."""
    st.subheader(escaped(others()[name]))
    st.markdown(_text(_path(name).read_text(encoding="utf-8")))


def reliability(curves: dict[str, Sequence[Sequence[float]]]) -> go.Figure:
    """Reliability curves: how often a finding was there among films given a probability; the diagonal is a calibrated model."""
    figure = go.Figure(
        go.Scatter(x=[0, 100], y=[0, 100], mode="lines", line={"dash": "dot", "color": "grey"}, name="calibrated")
    )
    for label, points in curves.items():
        told, was, films = zip(*points, strict=True)
        figure.add_scatter(
            x=[100 * share for share in told],
            y=[100 * share for share in was],
            mode="lines+markers",
            name=label,
            customdata=films,
            hovertemplate="%{x:.0f} % told, %{y:.0f} % so, %{customdata} films",
        )
    figure.update_layout(
        height=340,
        margin={"l": 50, "r": 10, "t": 30, "b": 45},
        title="Reliability on held-out patients",
        xaxis={"title": "probability told, %", "range": [-2, 102]},
        yaxis={"title": "share that was so, %", "range": [-2, 102]},
    )
    return figure


def _path(name: str) -> Path:
    return SHELF / "cards" / f"{name}.md"


def _value(measure: Any) -> float | None:
    return None if measure is None else float(measure["value"])


def _text(markdown: str) -> str:
    """A card's text under the page's own title: without its first heading, all others two steps smaller."""
    lines = markdown.splitlines()
    kept = lines[1:] if lines and lines[0].startswith("# ") else lines
    return "\n".join(f"##{line}" if line.startswith("#") else line for line in kept)
