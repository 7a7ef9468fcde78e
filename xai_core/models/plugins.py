"""Models of installed Python packages: entry points of the group ``lightbox.models``.

Each names a function without arguments that returns (table, module): a card's table as in ``weights/manifest.toml``, and a plain
``nn.Module`` from (N, C, *size) to logits. In the package's ``pyproject.toml``:

    [project.entry-points."lightbox.models"]
    my-net = "my_package.lightbox:my_net"

The function is code of the package, run as any import of it: install only what is trusted.
"""

from __future__ import annotations

import functools
import hashlib
import logging
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from torch import nn

from xai_core.errors import LightboxError, ModelError
from xai_core.models.card import Card
from xai_core.models.shelf import card_of

log = logging.getLogger(__name__)
GROUP = "lightbox.models"


def plugged() -> Mapping[str, EntryPoint]:
    """The entry points by name."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def plugged_cards() -> dict[str, Card]:
    """Cards of the models of packages; one that fails is left out with a line in the log."""
    found = {}
    for name, entry in plugged().items():
        try:
            found[name] = provided(entry)[0]
        except LightboxError as problem:
            log.warning("the model of the entry point %s is left out: %s", name, problem)
    return found


@functools.lru_cache(maxsize=8)
def provided(entry: EntryPoint) -> tuple[Card, nn.Module, str]:
    """Card, network in eval mode and the SHA-256 of its weights; raises :class:`ModelError` for what is no model."""
    try:
        table, module = entry.load()()
    except Exception as problem:
        raise ModelError(
            f"The entry point '{entry.name}' ({entry.value}) fails: {type(problem).__name__}: {problem}.",
            "Mend or remove the package that brings it.",
        ) from problem
    if not isinstance(table, Mapping) or not isinstance(module, nn.Module):
        raise ModelError(
            f"The entry point '{entry.name}' ({entry.value}) returns no card's table and nn.Module.",
            "Return (table, module).",
        )
    given: dict[str, Any] = {"architecture": "entry-point", **table, "name": entry.name, "shipped": False}
    return card_of(given), module.eval().requires_grad_(False), digest_of_weights(module)


def digest_of_weights(module: nn.Module) -> str:
    """SHA-256 of a network's classes, names and values of its weights."""
    content = hashlib.sha256()
    for path, part in module.named_modules():
        content.update(f"{path}|{type(part).__qualname__}|{part.extra_repr()}|".encode())
    for key, value in module.state_dict().items():
        content.update(f"{key}|{tuple(value.shape)}|{value.dtype}|".encode())
        content.update(value.detach().cpu().contiguous().flatten().view(-1).numpy().tobytes())
    return content.hexdigest()
