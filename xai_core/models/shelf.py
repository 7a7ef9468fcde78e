"""What lies on the shelf: the manifest of shipped models, folders of one's own, and weights read from safetensors.

``weights/manifest.toml`` holds one table a model; a folder of one's own holds ``card.toml`` with the same keys and one
``*.safetensors``. Neither runs code when it is opened, and what was changed on the way is refused by its SHA-256.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import nn

from xai_core.errors import ModelError
from xai_core.models.architectures import build
from xai_core.models.card import Card
from xai_core.preprocess import InputSpec

SHELF = Path(__file__).resolve().parents[2] / "weights"
_LISTS = ("labels", "channels", "training_data", "off", "members")


def shipped_cards(shelf: Path = SHELF) -> dict[str, Card]:
    """Cards of the shipped models by name, in the manifest's order; empty where there is no manifest."""
    path = shelf / "manifest.toml"
    if not path.is_file():
        return {}
    return {name: card_of({"name": name, "shipped": True, **table}) for name, table in toml_of(path).items()}


def shelved(name_or_folder: str | Path, shelf: Path = SHELF) -> tuple[Card, Path]:
    """The card and the weights' path of a shipped model's name or a folder; raises :class:`ModelError` naming the known."""
    cards = shipped_cards(shelf)
    if isinstance(name_or_folder, str) and name_or_folder in cards:
        return cards[name_or_folder], shelf / f"{name_or_folder}.safetensors"
    folder = Path(name_or_folder)
    if not folder.is_dir():
        raise ModelError(
            f"There is no model '{name_or_folder}'.",
            f"Known models: {', '.join(cards) or 'none'}; or give a folder with card.toml and weights.",
        )
    if not (folder / "card.toml").is_file():
        raise ModelError(
            f"The folder '{folder.name}' holds no card.toml.", "Write one like those in weights/manifest.toml."
        )
    found = sorted(folder.glob("*.safetensors"))
    if len(found) != 1:
        raise ModelError(
            f"The folder '{folder.name}' holds {len(found)} files of weights.", "Keep exactly one *.safetensors in it."
        )
    return card_of({"name": folder.name, **toml_of(folder / "card.toml"), "shipped": False}), found[0]


def card_of(table: Mapping[str, Any]) -> Card:
    """A card from a table of the manifest; raises :class:`ModelError` for keys that are unknown or lacking."""
    name = str(table.get("name", "?"))
    known = {f.name for f in fields(Card)}
    if unknown := sorted(set(table) - known):
        raise ModelError(
            f"The card of '{name}' has the unknown key '{unknown[0]}'.", f"Known keys: {', '.join(sorted(known))}."
        )
    given = {
        "channels": ["film"],
        "title": name,
        "modality": "CXR",
        "task": "classification",
        "shipped": False,
        **table,
    }
    spec = dict(given.get("input", {}))
    try:
        spec["size"] = tuple(int(n) for n in spec["size"])
        if spec.get("spacing_mm") is not None:
            spec["spacing_mm"] = tuple(float(step) for step in spec["spacing_mm"])
        for key in _LISTS:
            given[key] = tuple(given.get(key, ()))
        card = Card(**{**given, "input": InputSpec(**spec)})
    except (TypeError, KeyError, ValueError) as problem:
        raise ModelError(
            f"The card of '{name}' is incomplete: {problem}.", "Compare it with weights/manifest.toml."
        ) from None
    if not card.labels:
        raise ModelError(f"The card of '{name}' names no labels.", "List the network's outputs in 'labels'.")
    return card


def furnished(card: Card, path: Path) -> tuple[nn.Module, str]:
    """The card's network in eval mode with the weights of ``path`` in float32, and their SHA-256.

    Raises :class:`ModelError` where the file is absent, damaged, changed, or made for another network.
    """
    if not path.is_file():
        raise ModelError(
            f"The weights of '{card.name}' are not there ({path.name}).", "Fetch the weights folder again."
        )
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if card.sha256 and digest != card.sha256:
        raise ModelError(
            f"The weights of '{card.name}' are not the ones its card describes (SHA-256 differs).",
            "Fetch the weights folder again.",
        )
    try:
        state = load(content)
    except (SafetensorError, ValueError, KeyError) as problem:
        raise ModelError(f"The weights of '{card.name}' cannot be read: {problem}.", "Fetch them again.") from None
    module = build(card)
    widened = {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
    try:
        module.load_state_dict(widened)
    except RuntimeError as problem:
        first = str(problem).splitlines()[1:2]
        raise ModelError(
            f"The weights of '{card.name}' do not fit its architecture '{card.architecture}':{''.join(first).replace(chr(9), ' ')}",
            "Name the architecture the weights were trained for.",
        ) from None
    if not all(bool(torch.isfinite(value).all()) for value in widened.values()):
        raise ModelError(f"The weights of '{card.name}' hold values that are no numbers.", "Fetch or train them again.")
    return module.eval().requires_grad_(False), digest


def toml_of(path: Path) -> dict[str, Any]:
    """A TOML file as a dict; raises :class:`ModelError` where it is none."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise ModelError(f"'{path.name}' is not valid TOML: {problem}.", "Mend the line it names.") from None
