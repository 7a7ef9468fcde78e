"""Forms made from what explainers declare: one field a parameter, with unit, help and reset.

The filters of relevance are left out: their sliders live in the viewer, where they answer at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import streamlit as st

from components.shell import escaped
from xai_core.explainers.registry import ExplainerInfo
from xai_core.parameters import Parameter

LAYER = "target_layer"
IN_THE_VIEWER = frozenset({"filter_mode", "filter_range", "filter_at"})

Values = dict[str, Any]


def forms(infos: Iterable[ExplainerInfo], layers: Sequence[str] = ()) -> dict[str, Values]:
    """One folded form an explainer; returns what differs from the defaults, by explainer. ``layers``: what the model's card
    offers to look at."""
    return {info.name: form(info, layers) for info in infos}


def form(info: ExplainerInfo, layers: Sequence[str] = ()) -> Values:
    """The form of one explainer; returns the values that differ from its defaults."""
    shown = [parameter for parameter in info.parameters if parameter.name not in IN_THE_VIEWER]
    if not shown:
        return {}
    with st.expander(escaped(info.title)):
        st.caption(escaped(info.summary))
        values = {
            parameter.name: _layer(info.name, parameter, layers)
            if parameter.name == LAYER and layers
            else field(info.name, parameter)
            for parameter in shown
        }
        changed = {
            parameter.name: values[parameter.name] for parameter in shown if values[parameter.name] != parameter.default
        }
        st.button(
            "Reset to defaults",
            key=f"reset-{info.name}",
            icon=":material/restart_alt:",
            type="tertiary",
            disabled=not changed,
            on_click=_reset,
            args=(info.name, shown, layers),
        )
    return changed


def field(explainer: str, parameter: Parameter) -> Any:
    """The widget of one parameter, holding a value that the parameter accepts."""
    title = parameter.title or parameter.name.replace("_", " ").capitalize()
    label = escaped(f"{title} ({parameter.unit})" if parameter.unit else title)
    key = _key(explainer, parameter)
    st.session_state.setdefault(key, _presented(parameter, parameter.default))
    shared: Mapping[str, Any] = {"key": key, "help": escaped(parameter.help), "persist_state": "session"}
    if parameter.kind == "bool":
        return st.toggle(label, **shared)
    if parameter.kind == "choice":
        return st.selectbox(label, parameter.choices, format_func=_choice_in_words, **shared)
    if parameter.kind == "pair":
        low, high = _bounds(parameter)
        return tuple(st.slider(label, low, high, step=parameter.step or (high - low) / 100, **shared))
    if parameter.kind == "text":
        return st.text_input(label, **shared)
    return _number(label, parameter, shared)


def _layer(explainer: str, parameter: Parameter, layers: Sequence[str]) -> str:
    """The layers of the card to choose from, and any other typed in."""
    key = _key(explainer, parameter, layers)
    chosen = st.selectbox(
        escaped(parameter.title),
        ["", *layers],
        format_func=lambda layer: layer or "As the card says",
        key=key,
        help=escaped(parameter.help),
        accept_new_options=True,
        persist_state="session",
    )
    return chosen or ""


def _number(label: str, parameter: Parameter, shared: Mapping[str, Any]) -> float | int | None:
    kind = int if parameter.kind == "int" else float
    low, high = (None if bound is None else kind(bound) for bound in (parameter.low, parameter.high))
    step = kind(parameter.step) if parameter.step else (1 if kind is int else None)
    display = {} if kind is int else {"format": "%g"}
    empty = "automatic" if parameter.default is None else None
    value = st.number_input(label, low, high, step=step, placeholder=empty, **display, **shared)
    return parameter.default if value is None else value


def _presented(parameter: Parameter, value: Any) -> Any:
    if value is None:
        return None
    kinds = {"float": float, "int": int, "pair": tuple}
    return kinds[parameter.kind](value) if parameter.kind in kinds else value


def _bounds(parameter: Parameter) -> tuple[float, float]:
    return float(parameter.low or 0.0), float(1.0 if parameter.high is None else parameter.high)


def _choice_in_words(choice: str) -> str:
    return choice.replace("-", " ").replace("_", " ")


def _key(explainer: str, parameter: Parameter, layers: Sequence[str] = ()) -> str:
    """Where the value is kept: a layer's under the layers of its own network."""
    own = f"|{' '.join(layers)}" if parameter.name == LAYER and layers else ""
    return f"parameter|{explainer}|{parameter.name}{own}"


def _reset(explainer: str, parameters: Iterable[Parameter], layers: Sequence[str]) -> None:
    for parameter in parameters:
        key = _key(explainer, parameter, layers)
        st.session_state[key] = _presented(parameter, parameter.default)
