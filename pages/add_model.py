"""Add a model: somebody's file of weights becomes one of one's own models, without a terminal.

The file is read as data and nothing in it is run (programs excepted, in libtorch's own interpreter). Its name is only shown.
"""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from components import model_file, parameters, shell
from components.model_file import Looked
from components.shell import escaped, sentence
from xai_core.errors import LightboxError
from xai_core.models.adding import PROGRAMS, added
from xai_core.models.loaders import loaders

shell.framed()
MOST_SIDE = 1024
state = st.session_state


def input_fields() -> dict[str, Any]:
    """Size and channels of a program's input, which the file does not tell."""
    side, channels = st.columns(2)
    pixels = int(side.number_input("Side of its input (px)", 8, MOST_SIDE, 224, key="model-side"))
    count = int(channels.number_input("Channels", 1, 3, 1, 2, key="model-channels"))
    return {"input": {"size": [pixels, pixels], "channels": count, "repeat": count > 1}}


def settings_of(architecture: str) -> dict[str, Any]:
    """What the chosen layout has to be told."""
    found = loaders().get(architecture)
    return {p.name: parameters.field(f"loader-{architecture}", p) for p in (found.parameters if found else ())}


def looked_at(upload: Any, *choices: Any) -> Looked:
    """What came of this file under these choices, looked at once."""
    request = json.dumps([upload.file_id, *choices])
    if state.get("model_request") != request:
        with st.spinner("Reading and trying the model"):
            state["model_looked"] = model_file.look(upload.getvalue(), upload.name, *choices)
        state["model_request"] = request
    looked: Looked = state["model_looked"]
    return looked


def keep() -> None:
    """Write the model, and say where it can be chosen."""
    looked: Looked = state["model_looked"]
    if looked.found is None:
        return
    try:
        added(looked.found)
        state["model_kept"] = looked.found.card.title
        state["model_problem"] = None
    except LightboxError as problem:
        state["model_problem"] = sentence(problem)


with st.container(key="text"):
    st.subheader("Add a model")
    st.markdown(
        "A checkpoint (`.pth`, `.pth.tar`, `.pt`), safetensors, or a program of TorchScript (`.pt`) or torch.export (`.pt2`). "
        "Checkpoints are read as data: nothing in them is run. Programs run as they are, so open only those of people you trust; "
        "black-box explainers alone can explain them."
    )
    upload = st.file_uploader("A file of weights", key="model-file")
    architecture = st.selectbox(
        "Architecture",
        model_file.architectures(),
        format_func=model_file.architecture_title,
        key="model-architecture",
    )
    text = st.text_area(
        "Labels",
        key="model-labels",
        help="Names of the outputs in their order, with commas or one a line. Empty: those that the layout is known for.",
    )
    title = st.text_input("Name", key="model-name", help="As it stands in menus. Empty: the file's name.")
    settings = settings_of(architecture)
    more: dict[str, Any] = input_fields() if architecture in PROGRAMS else {}
    if state.get("model_kept"):
        st.success(
            f"{escaped(state.pop('model_kept'))} is kept. Choose it under Film review or Models.",
            icon=":material/check:",
        )
    if upload is not None:
        labels = [label.strip() for label in text.replace("\n", ",").split(",") if label.strip()]
        shown = title.strip()[:60]
        more |= {"title": shown} if shown else {}
        looked = looked_at(upload, architecture, labels, settings, shown, more)
        model_file.draw(looked)
        if state.get("model_problem"):
            st.error(state.pop("model_problem"), icon=":material/error:")
        st.button("Keep this model", key="keep-model", type="primary", disabled=looked.found is None, on_click=keep)
