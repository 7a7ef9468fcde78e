"""The findings of a film: labels under their parents, calibrated probabilities as bars with the threshold marked.

Positive ones stand on top; a click chooses the label that the maps explain. Each row is a button, so the keyboard
and a screen reader have it too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import streamlit as st

from components.shell import escaped
from xai_core.models import Prediction
from xai_core.models.card import Card


@dataclass(frozen=True)
class Finding:
    """One row: ``probability`` and ``threshold`` 0..1, ``depth`` 0 for a label without parent; ``amount``: what stands beside
    the label where it is not the probability (millilitres of a volume)."""

    label: str
    probability: float
    threshold: float
    is_positive: bool
    depth: int
    amount: str = ""


def findings(card: Card, prediction: Prediction, with_off: bool = False) -> list[Finding]:
    """Rows in reading order: positive roots first, then by probability; children under their parent. Labels that the card
    has ``off`` are left out unless ``with_off``."""
    probability = {
        label: float(share)
        for label, share in zip(prediction.labels, prediction.probabilities, strict=True)
        if with_off or label not in card.off
    }
    positive = set(prediction.positive)

    def rank(label: str) -> tuple[bool, float]:
        return (label not in positive, -probability[label])

    def below(parent: str | None, depth: int) -> Iterator[Finding]:
        for label in sorted((name for name in probability if card.parents.get(name) == parent), key=rank):
            threshold = float(card.thresholds.get(label, 0.5))
            yield Finding(label, probability[label], threshold, label in positive, depth)
            yield from below(label, depth + 1)

    return list(below(None, 0))


def with_off(card: Card) -> bool:
    """Whether labels that are off are shown too: a switch, where the card has any."""
    if not card.off:
        return False
    return st.toggle(
        f"{len(card.off)} weak findings too",
        key="with-off",
        help="Findings this model hardly tells on held-out patients: " + ", ".join(card.off) + ".",
    )


def first_target(rows: list[Finding]) -> str:
    """What is explained when a film is opened: the most probable positive finding, else the most probable one."""
    return max(rows, key=lambda row: (row.is_positive, row.probability)).label


def table(rows: list[Finding], chosen: str, choose: Callable[[str], None]) -> None:
    """Draw the rows; ``choose`` is called with the label that was clicked."""
    places = "".join(
        f".st-key-finding-{number}{{--probability:{row.probability:.4f};--threshold:{row.threshold:.4f};--depth:{row.depth}}}"
        for number, row in enumerate(rows)
    )
    st.html(f"<style>{places}</style>")
    with st.container(key="findings", gap=None):
        for number, row in enumerate(rows):
            percent = f"{100 * row.probability:.0f} %"
            word = "positive" if row.is_positive else "negative"
            st.button(
                f"{escaped(row.label)} :small[{escaped(row.amount) or percent}]",
                key=f"finding-{number}",
                type="primary" if row.label == chosen else "secondary",
                help=f"{escaped(row.label)}: calibrated probability {percent}, "
                f"threshold {100 * row.threshold:.0f} % ({word}). Click to explain it.",
                on_click=choose,
                args=(row.label,),
                width="stretch",
            )
