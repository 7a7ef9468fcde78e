"""A handwritten digit on a page: which one, and the maps of all ten classes as Bach et al. 2015 lay them out."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import streamlit as st

import xai_core as xc
from components.digit_pad import pad
from components.shell import escaped, sentence
from xai_core.case import Case
from xai_core.colours import table_for
from xai_core.engine import Engine
from xai_core.explain import Explanation
from xai_core.explainers.registry import ExplainerInfo
from xai_core.follow_up import common_scope
from xai_core.jobs import Job
from xai_core.models import Prediction
from xai_core.readers.digit import read_digit
from xai_core.render import Overlay
from xai_core.report import heat_map, miniature
from xai_core.samples.digits import digit_samples

PACKAGED, UPLOAD, DRAW = "Packaged", "Upload", "Draw"
FIRST = "digit-4-a"
NOT_SAID = "not said"
COLOURS = "blue-red"
SIDE = 196  # a multiple of 28: each cell of the map is a square of whole pixels
ROW = 5


@dataclass(frozen=True)
class Digit:
    """An open digit; ``label`` is its true class where that is known."""

    name: str
    case: Case
    label: str | None
    credit: str = ""


def models() -> list[str]:
    """Names of the models that read digits."""
    return [card.name for card in xc.models() if card.modality == "digit"]


def explainers() -> dict[str, ExplainerInfo]:
    """Explainers that tell classes apart on a network without convolutions."""
    return {
        name: info
        for name, info in xc.explainers().items()
        if 2 in info.dims and info.target_dependent and not info.model and info.family != "CAM"
    }


def choose() -> Digit | None:
    """Draw the choice of a digit; the one that is open, or None while there is none yet."""
    place = st.segmented_control(
        "Digit from", [PACKAGED, UPLOAD, DRAW], default=PACKAGED, required=True, key="digit-from"
    )
    if place == PACKAGED:
        known = digit_samples()
        st.session_state.setdefault("digit", FIRST)
        name = st.selectbox(
            "Digit", list(known), format_func=lambda key: known[key].title, key="digit", persist_state="session"
        )
        sample = known[name]
        return Digit(sample.title, sample.case, sample.label, str(sample.case.facts["credit"]))
    case = _uploaded() if place == UPLOAD else pad()
    if case is None:
        return None
    label = st.selectbox("Its true class", [NOT_SAID, *map(str, range(10))], key=f"digit-true-{place}")
    return Digit("Your digit", case, None if label == NOT_SAID else label)


def job(engine: Engine, digit: Digit, model: str, explainer: str, labels: list[str], values: dict[str, object]) -> Job:
    """The session's job for the maps of all classes; another request lets go of the old one."""
    state = st.session_state
    request = json.dumps([digit.case.digest, model, explainer, values], sort_keys=True)
    if state.get("digit-request") != request:
        if old := state.get("digit-job"):
            old.cancel()
        state["digit-job"] = engine.submit(digit.case, model, [explainer], labels, {explainer: values})
        state["digit-request"] = request
    found: Job = state["digit-job"]
    return found


def board(digit: Digit, under_way: Job, told: Prediction) -> None:
    """The digit, then ten heat maps in two rows: class and probability under each, the true class framed."""
    states = {target: pane for (_, target), pane in under_way.panes.items()}
    maps = {target: pane.explanation for target, pane in states.items() if pane.explanation is not None}
    errors = dict.fromkeys(str(pane.error) for pane in states.values() if pane.error is not None)
    for problem in errors:
        st.error(escaped(problem), icon=":material/error:")
    is_one_scale = st.toggle(
        "One scale for all classes", value=True, key="digit-scale", help="Off: every map has a scale of its own."
    )
    scope = common_scope(list(maps.values())) if is_one_scale else 0.0
    overlay = Overlay(threshold=0.0, opacity=1.0, colours=COLOURS, scope=scope or None)
    shares = dict(zip(told.labels, told.probabilities, strict=True))
    best = max(shares, key=lambda label: shares[label])
    left, right = st.columns([1, ROW])
    with left, st.container(key="digit-input"):
        st.image(miniature(digit.case, None, SIDE), width="stretch")
        st.caption(f"{escaped(digit.name)}  \nread as **{best}**, {_percent(shares[best])}")
    with right:
        for row in (told.labels[:ROW], told.labels[ROW:]):
            for label, column in zip(row, st.columns(ROW), strict=True):
                with column:
                    _class(digit, label, float(shares[label]), maps.get(label), overlay)
    if maps:
        _legend(scope, next(iter(maps.values())))
        shown = maps.get(best) or next(iter(maps.values()))
        st.caption(escaped(f"The map of {shown.target}: {shown.badge.word}. {shown.badge.sentences[0]}"))
    if not under_way.done:
        st.caption(f"Computing the maps: {100 * under_way.share:.0f} %")


def _class(digit: Digit, label: str, share: float, found: Explanation | None, overlay: Overlay) -> None:
    is_true = label == digit.label
    with st.container(key="digit-true" if is_true else f"digit-class-{label}"):
        if found is not None:
            st.image(heat_map(digit.case, found, overlay, SIDE), width="stretch")
        st.markdown(f"**{label}** · {_percent(share)}" + (" · :green[**true class**]" if is_true else ""))


def _legend(scope: float, found: Explanation) -> None:
    """The colour bar with its ends, in the map's unit."""
    table = table_for(COLOURS, True).colours
    ends = [f"−{scope:.3g}", f"+{scope:.3g}"] if scope else ["−its greatest", "+its greatest"]
    unit = "" if found.unit == "none" else f" ({found.unit})"
    colours = table if found.is_signed else table[len(table) // 2 :]
    st.image(np.repeat(colours[None], 10, axis=0), width=360)
    words = f"{ends[0]} blue: against the class … white: nothing … red: for it {ends[1]}{unit}"
    st.caption(escaped(words if found.is_signed else f"0 white: nothing … red: strength {ends[1]}{unit}"))


def _uploaded() -> Case | None:
    """The digit of the file input; what cannot be read costs a sentence."""
    upload = st.file_uploader(
        "A digit of your own",
        key="digit-upload",
        help="A square PNG, JPEG or WebP of 28 to 1,024 pixels, the digit in its middle. It stays on this computer.",
    )
    if upload is None:
        return None
    try:
        return read_digit(upload.getvalue(), name=upload.name)
    except xc.LightboxError as problem:
        st.error(sentence(problem), icon=":material/error:")
        return None


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
