"""Digits: one handwritten digit, one network, one explainer, and the maps of all ten classes, as LRP was first shown."""

from __future__ import annotations

import streamlit as st

from components import comparing, digits, parameters, shell
from components.digits import Digit
from xai_core.jobs import Job
from xai_core.models import Prediction

shell.framed()

STORY = (
    "Ten maps of one digit, one a class, as in Bach et al. 2015: what speaks **for** a class and **against** it. The digits here are"
    " drawn by Lightbox; the networks learned from MNIST."
)
PATIENCE_SECONDS = 0.5  # most maps of ten classes are there by then, and the page need not blink

engine = shell.engine()
infos = digits.explainers()


def board(digit: Digit, job: Job, told: Prediction, is_polled: bool) -> None:
    """The maps, redrawn alone while they come in."""
    digits.board(digit, job, told)
    if is_polled and job.done:
        st.rerun()


with st.sidebar:
    st.caption(STORY)
    digit = digits.choose()
    model_name = st.selectbox("Model", digits.models(), key="digit-model", persist_state="session")
    explainer = comparing.explainer(infos, key="digit-explainer", first="lrp-epsilon")
    values = parameters.form(infos[explainer])
    if digit is not None:
        for note in digit.case.facts.get("notes", ()):
            st.caption(shell.escaped(note))
        if digit.credit:
            st.caption(shell.escaped(digit.credit))

with st.container(key="digits"):
    if digit is None:
        st.info("Upload a digit or draw one at the side.", icon=":material/info:")
        st.stop()
    labels = list(engine.model(model_name).card.labels)
    job = digits.job(engine, digit, model_name, explainer, labels, values)
    told = engine.predict(model_name, digit.case)
    is_polled = not job.wait(PATIENCE_SECONDS)
    st.fragment(board, run_every=comparing.POLL_SECONDS if is_polled else None)(digit, job, told, is_polled)
