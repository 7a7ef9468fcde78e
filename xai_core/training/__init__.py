"""The registry of training recipes: ``python -m xai_core train NAME --data DIR`` runs what is declared here.

A recipe is one module of this package with one decorated function; the package lists its own modules.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Progress = Callable[[float, str], None]
"""Called with the share done (0..1) and one line that says where training stands."""


@dataclass(frozen=True)
class Option:
    """One option of a recipe: the command line's ``--set NAME=VALUE``; ``default`` gives its type."""

    name: str
    default: Any
    help: str


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
