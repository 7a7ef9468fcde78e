"""Loaders of published checkpoints: each knows one layout of keys and says what the card must say of it.

A loader is one decorated function in a module of this package: from a :class:`Checkpoint` to :class:`Converted`, a table of the
card and a state dict of one of our architectures. Whoever adds a file names a loader, or the first that recognises the keys is
taken. No loader runs code of the file.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from xai_core.errors import ModelError
from xai_core.models.checkpoints import Checkpoint, State
from xai_core.parameters import Parameter


@dataclass(frozen=True)
class Converted:
    """``table``: the card's keys that the file or its layout decides; ``state``: weights by the architecture's own keys;
    ``outputs``: how many labels the network tells apart."""

    table: Mapping[str, Any]
    state: State
    outputs: int


Convert = Callable[[Checkpoint, Mapping[str, Any]], Converted]


@dataclass(frozen=True)
class Loader:
    """``name`` is what ``--arch`` takes; ``recognises`` says of a checkpoint whether it has this layout; ``parameters`` are
    what the file does not tell; ``is_general``: it takes what no particular layout claims."""

    name: str
    title: str
    source: str
    recognises: Callable[[Checkpoint], bool] = field(repr=False)
    convert: Convert = field(repr=False)
    parameters: tuple[Parameter, ...] = ()
    is_general: bool = False

    def __call__(self, found: Checkpoint, settings: Mapping[str, Any] | None = None) -> Converted:
        """Convert ``found``; raises :class:`ModelError` where the layout is another one."""
        given = dict(settings or {})
        known = {parameter.name: parameter for parameter in self.parameters}
        if unknown := sorted(set(given) - set(known)):
            raise ModelError(
                f"The loader '{self.name}' has no setting '{unknown[0]}'.",
                f"Its settings: {', '.join(known) or 'none'}.",
            )
        values = {name: known[name].check(given.get(name, known[name].default)) for name in known}
        try:
            return self.convert(found, values)
        except (LookupError, ValueError, TypeError, AttributeError, RuntimeError, StopIteration) as problem:
            raise ModelError(
                f"'{found.file}' is not laid out as the loader '{self.name}' expects ({type(problem).__name__}: {problem}).",
                f"Its first keys are {_first(found.state)}: name another loader.",
            ) from None


_LOADERS: dict[str, Loader] = {}


def loader(
    name: str,
    title: str,
    source: str,
    recognises: Callable[[Checkpoint], bool],
    parameters: tuple[Parameter, ...] = (),
    is_general: bool = False,
) -> Callable[[Convert], Convert]:
    """Register the decorated ``convert(checkpoint, settings) -> Converted`` under ``name``."""

    def add(convert: Convert) -> Convert:
        if name in _LOADERS:
            raise ValueError(f"loader {name} is registered twice")
        _LOADERS[name] = Loader(name, title, source, recognises, convert, parameters, is_general)
        return convert

    return add


@functools.cache
def loaders() -> Mapping[str, Loader]:
    """All loaders by name; particular layouts stand before general ones."""
    package = importlib.import_module(__name__)
    for found in sorted(module.name for module in pkgutil.iter_modules(package.__path__)):
        importlib.import_module(f"{__name__}.{found}")
    return dict(sorted(_LOADERS.items(), key=lambda entry: entry[1].is_general))


def loader_named(name: str) -> Loader:
    """The loader ``name``; raises :class:`ModelError` naming the known ones."""
    known = loaders()
    if name not in known:
        raise ModelError(f"There is no loader '{name}'.", f"Known loaders: {', '.join(known)}.")
    return known[name]


def recognised(found: Checkpoint) -> Loader:
    """The first loader that knows this layout of keys; raises :class:`ModelError` with the first keys where none does."""
    for candidate in loaders().values():
        if candidate.recognises(found):
            return candidate
    raise ModelError(
        f"The layout of '{found.file}' is not one that is known; its first keys are {_first(found.state)}.",
        f"Name the architecture; known ones: {', '.join(loaders())}.",
    )


def first_weight(state: Mapping[str, Tensor]) -> Tensor:
    """The first weight with space axes: (outputs, inputs, *kernel)."""
    return next(value for value in state.values() if value.ndim >= 4)


def _first(state: Mapping[str, Tensor]) -> str:
    return ", ".join(list(state)[:3])
