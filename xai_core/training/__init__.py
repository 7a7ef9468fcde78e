"""The registry of training recipes: ``python -m xai_core train NAME --data DIR`` runs what is declared here.

A recipe is one module of this package with one decorated function; the package lists its own modules.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xai_core.errors import ParameterError

Progress = Callable[[float, str], None]
"""Called with the share done (0..1) and one line that says where training stands."""


@dataclass(frozen=True)
class Option:
    """One option of a recipe: the command line's ``--set NAME=VALUE``; ``default`` gives its type."""

    name: str
    default: Any
    help: str


def chosen(options: tuple[Option, ...], given: Mapping[str, Any]) -> dict[str, Any]:
    """Every option's value: the one given (text is read as the default's type), else its default; raises
    :class:`ParameterError` for an unknown name or a text that is no such value."""
    known = {option.name: option.default for option in options}
    if unknown := sorted(set(given) - set(known)):
        raise ParameterError(f"The recipe has no option '{unknown[0]}'.", f"Its options: {', '.join(known) or 'none'}.")
    values = {}
    for name, default in known.items():
        try:
            values[name] = type(default)(given.get(name, default))
        except ValueError:
            raise ParameterError(
                f"'{given[name]}' is no value of the option '{name}'.", f"Give a number like {default}."
            ) from None
    return values


@dataclass(frozen=True)
class Recipe:
    """A way to train one shipped model, from the films to weights and card.

    ``run(data, out, *, seed, resume, progress, **options)`` writes checkpoints, log, weights and card into ``out``
    and returns the path of the weights.
    """

    name: str
    title: str
    options: tuple[Option, ...]
    run: Callable[..., Path] = field(repr=False)


_REGISTRY: dict[str, Recipe] = {}


def recipe(
    name: str, title: str, options: tuple[Option, ...] = ()
) -> Callable[[Callable[..., Path]], Callable[..., Path]]:
    """Register the decorated function as the recipe of the model ``name``."""

    def add(run: Callable[..., Path]) -> Callable[..., Path]:
        if name in _REGISTRY:
            raise ValueError(f"recipe {name} is registered twice")
        _REGISTRY[name] = Recipe(name, title, options, run)
        return run

    return add


def recipes() -> dict[str, Recipe]:
    """All recipes by name."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return dict(_REGISTRY)
