"""Lightbox in the browser: `streamlit run app.py`. Navigation, the frame of every page, and nothing else."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from components import shell
from xai_core.errors import LightboxError

st.set_page_config(
    page_title="Lightbox",
    page_icon=str(Path(__file__).with_name("components") / "icon.svg"),
    layout="wide",
    initial_sidebar_state=220,
)
page = st.navigation(
    {
        "": [
            st.Page("pages/film_review.py", title="Film review", default=True),
            st.Page("pages/volume_review.py", title="Volume review"),
            st.Page("pages/compare_models.py", title="Compare models"),
            st.Page("pages/follow_up.py", title="Follow-up"),
        ],
        "Teaching": [
            st.Page("pages/clever_hans.py", title="Clever Hans"),
            st.Page("pages/filter_study.py", title="Filter study"),
            st.Page("pages/digits.py", title="Digits"),
        ],
        "Reference": [
            st.Page("pages/methods.py", title="Methods"),
            st.Page("pages/models.py", title="Models"),
            st.Page("pages/add_model.py", title="Add a model"),
            st.Page("pages/about.py", title="About"),
        ],
    },
    position="top",
)
shell.frame()
try:
    page.run()
except LightboxError as problem:
    st.error(shell.sentence(problem), icon=":material/error:")
