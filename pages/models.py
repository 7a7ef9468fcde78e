"""Models: the card of every shipped network, with its figures and what it may have learned wrongly."""

from __future__ import annotations

import streamlit as st

import xai_core as xc
from components import cards, shell

shell.framed()
with st.container(key="text"):
    shown = {card.name: card for card in xc.models()}
    name = st.segmented_control(
        "Model", list(shown), format_func=lambda name: shown[name].title, default=next(iter(shown)), key="card"
    )
    cards.card(shown[name or next(iter(shown))])
