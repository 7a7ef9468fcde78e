"""The registry of explainers: each declares its parameters, its place in the taxonomy and its source once.

Forms, command line, documents and tests read what is declared here. A new explainer is a new module of
this package with one decorated function; the package lists its own modules.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from xai_core.explainers.texts import text_of
from xai_core.parameters import Parameter, check_all

if TYPE_CHECKING:
    from xai_core.explainers.request import Attribution, Request

GROUPS: Mapping[tuple[str, ...], str] = MappingProxyType(
    {
        ("white box", "network structure"): "White box: by network structure",
        ("white box", "linearisation"): "White box: by linearisation",
        ("white box", "perturbation"): "White box: by perturbation",
        ("white box", "adversarial"): "White box: adversarial",
        ("black box", "perturbation"): "Black box: by perturbation",
        ("black box", "surrogate"): "Black box: by a simpler model",
        ("black box", "adversarial"): "Black box: adversarial",
    }
)
"""The kinds of explainers in the order of menus: what is needed of the network, and how it is explained."""


@dataclass(frozen=True)
class ExplainerInfo:
    """What an explainer says of itself.

    ``family``: "LRP", "RAP", "gradient", "CAM", "perturbation". ``taxonomy``: place in the survey: one of ``GROUPS``, then
    "local" (of one image) or "global". ``text``: what it does, tells and cannot tell, costs, and where it fails: its docstrings,
    filled by the registry. ``dims``: numbers of space axes it works on.
    ``is_signed``: whether negative values mean evidence against. ``reduce``: how a film's map is made of its channels
    ("sum", "max-abs", "mean").
    ``revision``: what else decides the answer, empty for what is part of the program (the digest of a composite's file or of a companion's weights).
    ``model``: the one shipped model it was made for; empty: any network.
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
    unit: Literal["logit", "logit per window", "logit per segment", "none"] = "none"
    has_account: bool = False
    black_box: bool = False
    cost: float = 3.0
    revision: str = ""
    model: str = ""
    text: str = field(default="", repr=False)
    run: Callable[[Request, Mapping[str, Any]], Attribution] = field(repr=False, compare=False, default=None)  # type: ignore[assignment]

    @property
    def group(self) -> str:
        """The kind of explainer in words, as menus have it."""
        return GROUPS.get(self.taxonomy[:2], ": ".join(self.taxonomy[:2]).capitalize())

    def checked(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """All parameters with defaults filled in; raises :class:`ParameterError` for unknown names or bad values."""
        return check_all(self.name, self.parameters, given)


_REGISTRY: dict[str, ExplainerInfo] = {}


def register(info: ExplainerInfo) -> ExplainerInfo:
    """Add ``info`` under its name; a name is taken once."""
    if info.name in _REGISTRY:
        raise ValueError(f"explainer {info.name} is registered twice")
    _REGISTRY[info.name] = info
    return info


def registered_names() -> tuple[str, ...]:
    """Names that are taken so far."""
    return tuple(_REGISTRY)


def unregister(name: str) -> None:
    """Forget the explainer ``name``: a composite whose file has changed or is gone."""
    _REGISTRY.pop(name, None)


def explainer(**declared: Any) -> Callable[[Callable[..., Attribution]], Callable[..., Attribution]]:
    """Register the decorated ``run(request, parameters) -> Attribution`` under what is declared."""

    def add(run: Callable[..., Attribution]) -> Callable[..., Attribution]:
        register(ExplainerInfo(run=run, **{"text": text_of(run), **declared}))
        return run

    return add


def grouped(infos: Iterable[ExplainerInfo]) -> dict[str, list[ExplainerInfo]]:
    """``infos`` by kind, kinds in the order of ``GROUPS``; within a kind family by family, the cheapest first."""
    found = list(infos)
    families = list(dict.fromkeys(info.family for info in found))
    titles = dict.fromkeys([*GROUPS.values(), *(info.group for info in found)])
    sorted_infos = sorted(found, key=lambda info: (families.index(info.family), info.cost, info.title))
    groups = {title: [info for info in sorted_infos if info.group == title] for title in titles}
    return {title: members for title, members in groups.items() if members}


def explainers() -> dict[str, ExplainerInfo]:
    """All registered explainers by name."""
    package = importlib.import_module("xai_core.explainers")
    names = [f"xai_core.explainers.{found.name}" for found in pkgutil.iter_modules(package.__path__)]
    for module in [importlib.import_module(name) for name in names]:
        if hasattr(module, "refresh"):  # explainers made from a table, which may have grown
            module.refresh()
    return dict(_REGISTRY)
