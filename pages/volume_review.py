"""Volume review: a brain volume, what a model segments in it, and maps of what moved the model, side by side."""

from __future__ import annotations

from typing import Any

import streamlit as st

import xai_core as xc
from components import (
    asking,
    explainer_choice,
    findings,
    layer_rules,
    panes,
    parameters,
    progress,
    quality,
    shell,
    trust,
    viewer,
    volume_export,
    volume_findings,
    volume_panes,
    volume_targets,
    volumes,
)
from components.volumes import Volume
from xai_core.case import Region
from xai_core.engine import device_in_words
from xai_core.jobs import Job
from xai_core.models import Model

shell.framed()

POLL_SECONDS = 0.6
PLACE = "volume-"
PICKS = {"picks": ["voxel", "box"]}
DEFAULTS = ("lrp-epsilon-plus", "smoothgrad", "grad-cam", "occlusion")
# A volume costs a hundred films: what the forms begin with, to be raised where there is time.
STARTS = {"smoothgrad": {"samples": 5}}
LITERATURE = "On brain MRI, Grad-CAM localised poorly, LRP gave artefacts and SmoothGrad was consistent (Siegel et al. 2025): compare them."
NOTHING_OPEN = "No volume is packaged here: choose your own at the side."
NO_MODEL = "No model here reads this volume; it is shown without findings and maps."

engine = shell.engine()
infos = xc.explainers()
state = st.session_state


def choose_target(label: str) -> None:
    state["volume-target"] = label


def follow(volume: Volume, model_name: str, rows: list[findings.Finding]) -> str:
    """The label to explain: the one clicked, or for a volume just opened what its model finds most of."""
    opened = (volume.case.digest, model_name)
    if state.get("volume-opened") != opened or state.get("volume-target") not in [row.label for row in rows]:
        state["volume-opened"] = opened
        state["volume-target"] = rows[0].label if rows[0].amount else findings.first_target(rows)
    return str(state["volume-target"])


def board(
    volume: Volume,
    model: Model,
    job: Job,
    looks: Job | None,
    regions: list[Region],
    middle: Any,
    where: str,
    is_polled: bool,
) -> None:
    """The picture: redrawn alone while maps come in; a change of the request reruns the page."""
    is_looking = looks is not None and not looks.done
    titles = {name: info.title for name, info in infos.items()}
    progress.line(job, titles, f"{where}; looking at the maps a second time" if is_looking else where)
    place = volume_panes.on_volume(volume.case, model.card.channels)
    drawn = panes.panes(job, infos, state.setdefault("volume-shown", {}), looks, place)
    settings = {**PICKS, "volume": {"cursor": middle}} if model.card.task == "segmentation" else None
    events = viewer.show(volume.case, drawn, key="viewer-volume", settings=settings, contours=regions)
    if volume_targets.pick(events) or events.filter != state.get("volume-filter"):
        state["volume-filter"] = events.filter
        st.rerun()
    if is_polled and job.done and not is_looking:
        st.rerun()


with st.sidebar:
    volume = volumes.choose()
    if volume is not None:
        fitting, lacking = volumes.models(volume.case)
        if not fitting:
            st.info(NO_MODEL, icon=":material/info:")
        else:
            model_name = st.selectbox("Model", fitting, key="volume-model", persist_state="session")
        for line in lacking:
            st.caption(shell.escaped(line))
        volumes.messages(volume)
if volume is None:
    st.info(NOTHING_OPEN, icon=":material/info:")
    st.stop()
given = [volume.truth] if volume.truth is not None else []
if not fitting:
    asking.let_go(PLACE)
    viewer.show(volume.case, [], key="viewer-volume", settings=None, contours=given)
    st.stop()

with st.sidebar:
    with st.spinner("Asking the model"):
        model = engine.model(model_name)
        told = engine.predict(model_name, volume.case)
        known = engine.quality(model_name, volume.case)
        measured = volume_findings.found(model, volume.case, told)
    is_segmented = model.card.task == "segmentation"
    rows = volume_findings.rows(measured) if is_segmented else findings.findings(model.card, told)
    target = follow(volume, model_name, rows)
    quality.warn(known.about(target))
    region = None
    if is_segmented:
        volume_findings.draw(rows, measured, target, choose_target)
        region = volume_targets.choose(volume.case, volume.truth)
    else:
        findings.table(rows, target, choose_target)
    names = explainer_choice.choose(infos, 3, "volume-explainers", DEFAULTS)
    st.caption(LITERATURE)
    setting = parameters.Setting(PLACE, model.card.target_layers, STARTS)
    forms = parameters.forms((infos[name] for name in names), setting)
    values = asking.with_filter(forms, infos, state.get("volume-filter"))

where = f"{model.card.title} on {device_in_words(model)}"
asked = asking.Asked(volume.case, model_name, names, target, values, region, PLACE)
job = asking.job_for(asked)
looks = asking.looks_for(asked, job)
is_polled = not job.done or (looks is not None and not looks.done)
asked_for = [one for one in measured if one.label == target and one.parts]
regions = [*(one.region for one in asked_for), *given]
middle = asked_for[0].middle if asked_for else None
with st.sidebar:
    trust.expanders(job, looks, infos, lambda name: asking.ask_to_look(name, PLACE))
    layer_rules.offer(job, infos)
    volume_export.offer(volume, model.card, measured, target, job, looks, infos)
st.fragment(board, run_every=POLL_SECONDS if is_polled else None)(
    volume, model, job, looks, regions, middle, where, is_polled
)
