"""The registry of explainers: each declares its parameters, its place in the taxonomy and its source once.

Forms, command line, documents and tests read what is declared here. A new explainer is a new module of
this package with one decorated function; the package lists its own modules.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from xai_core.errors import ParameterError

if TYPE_CHECKING:
    from xai_core.explainers.request import Attribution, Request

ParameterKind = Literal["float", "int", "bool", "choice", "pair", "text"]


@dataclass(frozen=True)
class Parameter:
    """One declared parameter: forms are generated from it and values checked against it.

    ``kind`` "pair" is an ordered (low, high) within [``low``, ``high``]. A float or int outside
    [``low``, ``high``] is refused. ``unit`` is shown beside the field.
    """

    name: str
    kind: ParameterKind
    default: Any
    help: str
    low: float | None = None
    high: float | None = None
    step: float | None = None
    choices: tuple[str, ...] = ()
    unit: str = ""
    title: str = ""
    optional: bool = False

    def check(self, value: Any) -> Any:
        """``value`` in its proper type; raises :class:`ParameterError` where it does not fit."""
        if value is None and (self.optional or self.default is None):
            return None
        return _CHECKS[self.kind](self, value)

    def refuse(self, value: Any, wanted: str) -> ParameterError:
        return ParameterError(f"{self.name} = {value!r} is not possible.", f"Give {wanted}.")


def _number(parameter: Parameter, value: Any, kind: Callable[[Any], Any], name: str) -> Any:
    low = "-inf" if parameter.low is None else f"{parameter.low:g}"
    high = "inf" if parameter.high is None else f"{parameter.high:g}"
    wanted = f"{name} from {low} to {high}"
    if isinstance(value, bool):
        raise parameter.refuse(value, wanted)
    try:
        number = kind(value)
    except (TypeError, ValueError, OverflowError):
        raise parameter.refuse(value, wanted) from None
    if number != number or (kind is int and number != float(value)):
        raise parameter.refuse(value, wanted)
    if (parameter.low is not None and number < parameter.low) or (
        parameter.high is not None and number > parameter.high
    ):
        raise parameter.refuse(value, wanted)
    return number


def _check_float(parameter: Parameter, value: Any) -> float:
    return float(_number(parameter, value, float, "a number"))


def _check_int(parameter: Parameter, value: Any) -> int:
    return int(_number(parameter, value, int, "a whole number"))


def _check_bool(parameter: Parameter, value: Any) -> bool:
    if not isinstance(value, bool):
        raise parameter.refuse(value, "True or False")
    return value


def _check_choice(parameter: Parameter, value: Any) -> str:
    if value not in parameter.choices:
        raise parameter.refuse(value, "one of " + ", ".join(parameter.choices))
    return str(value)


def _check_pair(parameter: Parameter, value: Any) -> tuple[float, float]:
    wanted = f"two numbers low < high within {parameter.low:g} and {parameter.high:g}"
    try:
        low, high = (float(part) for part in value)
    except (TypeError, ValueError):
        raise parameter.refuse(value, wanted) from None
    assert parameter.low is not None
    assert parameter.high is not None
    if not parameter.low <= low < high <= parameter.high:
        raise parameter.refuse(value, wanted)
    return low, high


def _check_text(parameter: Parameter, value: Any) -> str:
    if not isinstance(value, str):
        raise parameter.refuse(value, "a text")
    return value


_CHECKS: Mapping[str, Callable[[Parameter, Any], Any]] = MappingProxyType(
    {
        "float": _check_float,
        "int": _check_int,
        "bool": _check_bool,
        "choice": _check_choice,
        "pair": _check_pair,
        "text": _check_text,
    }
)


@dataclass(frozen=True)
class ExplainerInfo:
    """What an explainer says of itself.

    ``family``: "LRP", "RAP", "gradient", "CAM", "perturbation". ``taxonomy``: place in the survey, for example
    ("white box", "network structure", "local"). ``dims``: numbers of space axes it works on.
    ``is_signed``: whether negative values mean evidence against. ``reduce``: how a film's map is made of its channels
    ("sum", "max-abs", "mean").
    ``unit``: what the values count ("logit" where they share one out). ``has_account``: whether the books of relevance are kept. ``cost``: about how many forward passes.
    """

    name: str
    title: str
    family: str
    taxonomy: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    dims: tuple[int, ...]
    target_dependent: bool
    exact: bool
    summary: str
    source: str
    is_signed: bool = True
    reduce: Literal["sum", "max-abs", "mean"] = "sum"
    unit: Literal["logit", "probability", "none"] = "none"
    has_account: bool = False
    black_box: bool = False
    cost: float = 3.0
    run: Callable[[Request, Mapping[str, Any]], Attribution] = field(repr=False, compare=False, default=None)  # type: ignore[assignment]

    def checked(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """All parameters with defaults filled in; raises :class:`ParameterError` for unknown names or bad values."""
        known = {parameter.name: parameter for parameter in self.parameters}
        unknown = sorted(set(given) - set(known))
        if unknown:
            names = ", ".join(known) or "none"
            raise ParameterError(f"{self.name} has no parameter '{unknown[0]}'.", f"Its parameters: {names}.")
        return {name: parameter.check(given.get(name, parameter.default)) for name, parameter in known.items()}


_REGISTRY: dict[str, ExplainerInfo] = {}


def register(info: ExplainerInfo) -> ExplainerInfo:
    """Add ``info`` under its name; a name is taken once."""
    if info.name in _REGISTRY:
        raise ValueError(f"explainer {info.name} is registered twice")
    _REGISTRY[info.name] = info
    return info


def explainer(**declared: Any) -> Callable[[Callable[..., Attribution]], Callable[..., Attribution]]:
    """Register the decorated ``run(request, parameters) -> Attribution`` under what is declared."""

    def add(run: Callable[..., Attribution]) -> Callable[..., Attribution]:
        register(ExplainerInfo(run=run, **declared))
        return run

    return add


def explainers() -> dict[str, ExplainerInfo]:
    """All registered explainers by name."""
    package = importlib.import_module("xai_core.explainers")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"xai_core.explainers.{module.name}")
    return dict(_REGISTRY)
