"""A model's card on a page: what it is, what it was measured at, and its whole text."""

from __future__ import annotations

import streamlit as st

from components.shell import escaped
from xai_core.models import Card
from xai_core.models.shelf import SHELF


def card(shown: Card) -> None:
    """Draw one card: a line of facts, then the text of ``weights/cards``."""
    size = " x ".join(str(side) for side in shown.input.size)
    facts = {
        "Architecture": shown.architecture,
        "Input": f"{shown.input.channels} x {size}",
        "Labels": ", ".join(shown.labels),
        "Licence": shown.licence or "not stated",
        "Size": f"{shown.bytes / 1e6:.1f} MB" if shown.bytes else "",
        "SHA-256": shown.sha256[:16],
    }
    st.subheader(escaped(shown.title))
    st.caption("  \n".join(f"**{name}** {escaped(fact)}" for name, fact in facts.items() if fact))
    path = SHELF / "cards" / f"{shown.name}.md"
    st.markdown(path.read_text(encoding="utf-8") if path.is_file() else escaped(shown.summary))
