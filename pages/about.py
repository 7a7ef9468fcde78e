"""About: what Lightbox is and is not, and what it runs on."""

from __future__ import annotations

import platform
from importlib.metadata import version

import streamlit as st

import xai_core as xc
from components import shell
from xai_core.models import chosen_device

shell.framed()
with st.container(key="text"):
    st.subheader("Lightbox")
    st.markdown(
        f"{shell.PURPOSE} {shell.MEANING}\n\n"
        "Films stay on this computer. Results are kept in a local cache by digests of pixels, weights and parameters; "
        "no patient's name and no file's name is among them. Nothing is fetched or sent."
    )
    st.markdown(
        f"Lightbox {xc.__version__} · Python {platform.python_version()} · "
        + " · ".join(f"{name} {version(name)}" for name in ("torch", "streamlit", "pydicom"))
        + f" · computing on {chosen_device()}"
    )
    count = len(xc.explainers())
    st.markdown(
        f"{count} explainers: what each can and cannot tell stands under Methods, the networks' cards under Models."
    )
