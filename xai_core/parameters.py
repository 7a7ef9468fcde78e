"""What a parameter says of itself: its kind, range, default and help, declared once.

Explainers and composites declare their parameters so; forms are generated from it, and whatever a person, a script or
the command line gives is checked against it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from xai_core.errors import ParameterError

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

    @property
    def range(self) -> str:
        """What may be given, in words."""
        return _RANGES[self.kind](self)

    def refuse(self, value: Any, wanted: str) -> ParameterError:
        return ParameterError(f"{self.name} = {value!r} is not possible.", f"Give {wanted}.")


def check_all(owner: str, parameters: Sequence[Parameter], given: Mapping[str, Any]) -> dict[str, Any]:
    """All parameters of ``owner`` with defaults filled in; raises :class:`ParameterError` for unknown names or bad values."""
    known = {parameter.name: parameter for parameter in parameters}
    unknown = sorted(set(given) - set(known))
    if unknown:
        names = ", ".join(known) or "none"
        raise ParameterError(f"{owner} has no parameter '{unknown[0]}'.", f"Its parameters: {names}.")
    return {name: parameter.check(given.get(name, parameter.default)) for name, parameter in known.items()}


def _limits(parameter: Parameter) -> str:
    low, high = parameter.low, parameter.high
    if low is None or high is None:
        return "any number" if low is high else f"from {low:g}" if high is None else f"up to {high:g}"
    return f"{low:g} to {high:g}"


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

_RANGES: Mapping[str, Callable[[Parameter], str]] = MappingProxyType(
    {
        "float": _limits,
        "int": lambda parameter: f"whole, {_limits(parameter)}",
        "bool": lambda parameter: "on, off",
        "choice": lambda parameter: ", ".join(parameter.choices),
        "pair": lambda parameter: f"two numbers, {_limits(parameter)}",
        "text": lambda parameter: "text",
    }
)
