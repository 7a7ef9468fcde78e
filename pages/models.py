"""Models: all networks side by side, each one's card with its figures and what it may have learned wrongly, and cards of what is no model."""

from __future__ import annotations

import streamlit as st

from components import cards, shell

shell.framed()
with st.container(key="text"):
    shown, others = cards.known(), cards.others()
    cards.overview(list(shown.values()))
    titles = {**{name: card.title for name, card in shown.items()}, **others}
    name = st.selectbox("Card", list(titles), format_func=titles.__getitem__, key="card") or next(iter(titles))
    if name in shown:
        cards.card(shown[name])
    else:
        cards.other(name)
