"""The frame around every page: its style, the engine of this server, and the two sentences that never leave."""

from __future__ import annotations

import atexit
import gc
import runpy
from pathlib import Path

import streamlit as st

import xai_core as xc
from xai_core.engine import Engine
from xai_core.sentences import MEANING, PURPOSE

__all__ = ["MEANING", "PURPOSE", "engine", "escaped", "frame", "framed", "literal", "sentence"]

_STYLE = Path(__file__).with_name("style.css")
_APP = Path(__file__).parents[1] / "app.py"


@st.cache_resource(show_spinner="Loading the models")
def engine() -> Engine:
    """The one engine of this server, shared by all sessions; shipped models and explainers are loaded before the first asks.

    Streamlit collects garbage after every run of a page, holding up all threads; what stays for good is frozen here, or
    each sweep over torch and its kin would cost a quarter of a second.
    """
    made = Engine()
    atexit.register(made.close)
    xc.explainers()
    for card in xc.models():
        if card.shipped and not card.members:  # one's own may not load, and cost a sentence where they are chosen
            made.model(card.name)
    gc.collect()
    gc.freeze()
    return made


def frame() -> None:
    """Lay the style and the two sentences; call once a run, before the page."""
    st.session_state["framed"] = True
    st.html(_STYLE)
    with st.container(key="sentences"):
        st.html(f"<p role='note'><strong>{PURPOSE}</strong> {MEANING}</p>")


def framed() -> None:
    """The first line of every page: has ``app.py`` run around it where it did not.

    Until ``st.navigation`` has run once in a server, Streamlit takes the folder ``pages`` for its own and opens the file
    behind an address such as /methods alone.
    """
    if "framed" not in st.session_state:
        runpy.run_path(str(_APP))
        st.stop()


def sentence(problem: Exception) -> str:
    """A problem as Markdown that shows its text as it is, whatever a file's name put into it."""
    return escaped(str(problem))


def escaped(text: str) -> str:
    """``text`` with everything that Markdown would read as more than letters taken literally."""
    return literal(" ".join(text.split()))


def literal(text: str) -> str:
    """As :func:`escaped`, with every space kept."""
    return "".join(f"\\{letter}" if letter in r"\`*_{}[]()<>#+-.!|~:$^" else letter for letter in text)
