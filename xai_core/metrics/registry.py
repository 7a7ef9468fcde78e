"""The registry of metrics: each says its direction, range, needs and source once (semantics, section 11).

A new metric is a decorated function in a module of this package; the package lists its own modules. What cannot be said
of a map is ``nan`` with a reason, never a number that looks like one.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from xai_core.explainers.texts import text_of
from xai_core.parameters import Parameter, check_all

if TYPE_CHECKING:
    from xai_core.metrics.asked import Asked

Need = Literal["region", "model", "case"]
Direction = Literal["higher", "lower", "neither"]


@dataclass(frozen=True)
class Measured:
    """What a metric says of a map: one ``value``, and ``by_channel`` where each channel has its own.

    ``reason``: why the value is ``nan`` (or why a channel's is). ``float(measured)`` is the value.
    """

    metric: str
    value: float
    by_channel: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    reason: str = ""

    def __float__(self) -> float:
        return self.value


@dataclass(frozen=True)
class MetricInfo:
    """What a metric says of itself.

    ``direction``: which values speak for a map. ``range``: least and greatest possible value. ``needs``: what must be given beside
    the explanation.
    """

    name: str
    title: str
    family: str
    direction: Direction
    range: tuple[float, float]
    needs: tuple[Need, ...]
    summary: str
    source: str
    parameters: tuple[Parameter, ...] = ()
    text: str = field(default="", repr=False)
    run: Callable[[Asked, Mapping[str, Any]], Measured] = field(repr=False, compare=False, default=None)  # type: ignore[assignment]

    def checked(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """All parameters with defaults filled in; raises :class:`ParameterError` for unknown names or bad values."""
        return check_all(self.name, self.parameters, given)


_REGISTRY: dict[str, MetricInfo] = {}
Run = Callable[["Asked", Mapping[str, Any]], Measured]


def metric(**declared: Any) -> Callable[[Run], Run]:
    """Register the decorated ``run(asked, options) -> Measured`` under what is declared; a name is taken once."""

    def add(run: Run) -> Run:
        info = MetricInfo(run=run, **{"text": text_of(run), **declared})
        if info.name in _REGISTRY:
            raise ValueError(f"metric {info.name} is registered twice")
        _REGISTRY[info.name] = info
        return run

    return add


def metrics() -> dict[str, MetricInfo]:
    """All registered metrics by name."""
    package = importlib.import_module("xai_core.metrics")
    for found in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"xai_core.metrics.{found.name}")
    return dict(_REGISTRY)
