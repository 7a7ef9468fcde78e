"""Forms made from what explainers declare: one field a parameter, with unit, help and reset.

The filters of relevance are left out: their sliders live in the viewer, where they answer at once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import streamlit as st

from components.shell import escaped
from xai_core.explainers.registry import ExplainerInfo
from xai_core.parameters import Parameter

LAYER, AS_THE_CARD = "target_layer", "As the card says"
IN_THE_VIEWER = frozenset({"filter_mode", "filter_range", "filter_at"})

Values = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Setting:
    """Where forms stand: ``place`` (a prefix that keeps the page's values apart), ``layers`` that the model's card offers to look
    at, and ``starts``: values by explainer with which this page begins instead of the defaults."""

    place: str = ""
    layers: tuple[str, ...] = ()
    starts: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)

    def start(self, explainer: str, parameter: Parameter) -> Any:
        """The value that a field begins with."""
        value = self.starts.get(explainer, {}).get(parameter.name, parameter.default)
        return _presented(parameter, value)

    def key(self, explainer: str, parameter: Parameter) -> str:
        """Where the value is kept: a layer's under the layers of its own network."""
        own = f"|{' '.join(self.layers)}" if self.offers(parameter) else ""
        return f"{self.place}parameter|{explainer}|{parameter.name}{own}"

    def offers(self, parameter: Parameter) -> bool:
        """Whether the card has layers to choose from."""
        return parameter.name == LAYER and bool(self.layers)


ANYWHERE = Setting()


def forms(infos: Iterable[ExplainerInfo], setting: Setting = ANYWHERE) -> dict[str, Values]:
    """One folded form an explainer; returns what differs from the defaults, by explainer."""
    return {info.name: form(info, setting) for info in infos}


def form(info: ExplainerInfo, setting: Setting = ANYWHERE) -> Values:
    """The form of one explainer; returns the values that differ from its defaults."""
    shown = [parameter for parameter in info.parameters if parameter.name not in IN_THE_VIEWER]
    if not shown:
        return {}
    with st.expander(escaped(info.title)):
        st.caption(escaped(info.summary))
        values = {parameter.name: field(info.name, parameter, setting) for parameter in shown}
        begun = {parameter.name: setting.start(info.name, parameter) for parameter in shown}
        st.button(
            "Reset to defaults" if setting is ANYWHERE else "Reset",
            key=f"{setting.place}reset-{info.name}",
            icon=":material/restart_alt:",
            type="tertiary",
            disabled=all(values[name] == value for name, value in begun.items()),
            on_click=_reset,
            args=(info.name, shown, setting),
        )
    return {
        parameter.name: values[parameter.name] for parameter in shown if values[parameter.name] != parameter.default
    }


def field(explainer: str, parameter: Parameter, setting: Setting = ANYWHERE) -> Any:
    """The widget of one parameter, holding a value that the parameter accepts."""
    title = parameter.title or parameter.name.replace("_", " ").capitalize()
    label = escaped(f"{title} ({parameter.unit})" if parameter.unit else title)
    key = setting.key(explainer, parameter)
    st.session_state.setdefault(key, setting.start(explainer, parameter))
    shared: Mapping[str, Any] = {"key": key, "help": escaped(parameter.help), "persist_state": "session"}
    if setting.offers(parameter):
        return _layer(label, setting.layers, shared)
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


def _layer(label: str, layers: Sequence[str], shared: Mapping[str, Any]) -> str:
    """The layers of the card to choose from, and any other typed in."""
    chosen = st.selectbox(
        label, ["", *layers], format_func=lambda layer: layer or AS_THE_CARD, accept_new_options=True, **shared
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


def _reset(explainer: str, parameters: Iterable[Parameter], setting: Setting) -> None:
    for parameter in parameters:
        st.session_state[setting.key(explainer, parameter)] = setting.start(explainer, parameter)
