"""Models: all networks side by side, and each one's card with its figures and what it may have learned wrongly."""

from __future__ import annotations

import streamlit as st

from components import cards, shell

shell.framed()
with st.container(key="text"):
    shown = cards.known()
    cards.overview(list(shown.values()))
    name = st.selectbox("Card", list(shown), format_func=lambda name: shown[name].title, key="card")
    cards.card(shown[name or next(iter(shown))])
