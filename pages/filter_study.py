"""Filter study: the stroke study's pass and clamp filters on a volume whose lesion is outlined, with what they change and what not."""

from __future__ import annotations

import streamlit as st

import xai_core as xc
from components import filter_study, progress, shell, volumes
from components.comparing import POLL_SECONDS
from components.filter_study import Asked
from components.volumes import Volume
from xai_core.errands import Errand
from xai_core.errors import Cancelled
from xai_core.filter_study import Sweep

shell.framed()

STORY = (
    "For teaching and research. A study of stroke (Tjoa et al., arXiv 1911.08136) held that the strongest relevance of a"
    " segmentation network is noise, and that a map shows more of the lesion without it. Here its filters run on a volume of your"
    " choice, and its statements are put against the numbers."
)
NO_VOLUME = "No volume is packaged here yet. Add your own at the side: one file a modality, and the mask of its lesion."
NO_MODEL = "No segmentation model here reads these modalities, so there is nothing to filter."

engine = shell.engine()


def waiting(errand: Errand[Sweep]) -> None:
    """The line of progress, alone while the sweep runs."""
    if errand.done:
        st.rerun()
    progress.errand_line(errand)


def show(volume: Volume, asked: Asked) -> None:
    """The sweep of this question: not started, under way, failed, or there."""
    errand = filter_study.current(asked)
    if errand is None:
        count = filter_study.walks(asked.compares_code)
        st.info(
            f"Press Start: {count} walks back through the network, from seconds to minutes each by its size. Other pages go on meanwhile.",
            icon=":material/play_arrow:",
        )
    elif not errand.done:
        st.info("The filters are being computed; progress and Cancel are above.", icon=":material/hourglass_empty:")
        st.fragment(waiting, run_every=POLL_SECONDS)(errand)
    elif errand.result is not None:
        filter_study.results(volume, errand.result)
    elif isinstance(errand.state.error, Cancelled):
        st.info("Cancelled. Press Start to begin again.", icon=":material/info:")
    else:
        st.error(shell.sentence(errand.state.error or Cancelled()), icon=":material/error:")


def choose(volume: Volume, names: list[str]) -> Asked:
    """What to ask of the volume, and the button that asks it."""
    infos = filter_study.explainers()
    name = st.selectbox("Model", names, key="filters-model", persist_state="session")
    explainer = st.selectbox(
        "Explainer",
        list(infos),
        format_func=lambda key: infos[key].title,
        key="filters-explainer",
        persist_state="session",
    )
    target = ""
    if infos[explainer].target_dependent:
        labels = engine.model(name).card.labels
        target = st.selectbox("Label to explain", labels, index=len(labels) - 1, key="filters-target")
    compares_code = explainer == filter_study.STUDY and st.toggle(
        "Compare with the published code", key="filters-code", help="Twice the time. It differs from the study's text."
    )
    asked = filter_study.asked_of(volume, name, explainer, target, compares_code)
    errand = filter_study.current(asked)
    is_running = errand is not None and not errand.done
    if st.button("Start", key="filters-start", type="primary", disabled=is_running, width="stretch"):
        filter_study.started(engine, volume, asked)
        st.rerun()
    return asked


asked: Asked | None = None
with st.sidebar:
    st.caption(STORY)
    volume = volumes.choose()
    lacking: list[str] = []
    if volume is not None:
        fitting, lacking = volumes.models(volume.case)
        kinds = {card.name: card.task for card in xc.models()}
        names = [name for name in fitting if kinds[name] == "segmentation"]
        if names:
            asked = choose(volume, names)
        volumes.messages(volume)

with st.container(key="filters"):
    st.subheader("Filter study")
    if volume is None:
        st.info(NO_VOLUME, icon=":material/info:")
    elif asked is None:
        st.info(NO_MODEL, icon=":material/info:")
        for sentence in lacking:
            st.caption(shell.escaped(sentence))
    else:
        show(volume, asked)
