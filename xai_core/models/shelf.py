"""What lies on the shelf: the manifest of shipped models, folders of one's own, and weights read from files.

``weights/manifest.toml`` holds one table a model, those that have to be fetched too; a folder of one's own holds ``card.toml`` with
the same keys and one file: ``*.safetensors``, or a program (``*.pt`` TorchScript, ``*.pt2`` torch.export). Neither runs code of
this process when it is opened, and what was changed on the way is refused by its SHA-256.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load
from torch import nn

from xai_core.errors import ModelError
from xai_core.models import exported, scripted
from xai_core.models.card import Card, checked
from xai_core.models.fitting import filled
from xai_core.models.places import SHELF, models_folder
from xai_core.preprocess import InputSpec

log = logging.getLogger(__name__)
_LISTS = ("labels", "channels", "training_data", "off", "members", "target_layers")


def manifest_cards(shelf: Path = SHELF) -> dict[str, Card]:
    """Cards of the manifest by name, in its order, whether shipped or to be fetched; empty where there is no manifest."""
    path = shelf / "manifest.toml"
    if not path.is_file():
        return {}
    stamp = path.stat()
    return dict(_manifest(path, stamp.st_mtime_ns, stamp.st_size))


@functools.lru_cache(maxsize=8)
def _manifest(path: Path, _changed: int, _bytes: int) -> Mapping[str, Card]:
    """The cards of a manifest, read once as long as its file stays as it is: pages ask for them at every run."""
    return {name: card_of({"name": name, "shipped": True, **table}) for name, table in toml_of(path).items()}


def shipped_cards(shelf: Path = SHELF) -> dict[str, Card]:
    """Cards of the models that lie in the checkout, by name."""
    return {name: card for name, card in manifest_cards(shelf).items() if card.shipped}


def own_folders(folder: Path | None = None) -> dict[str, Path]:
    """Folders with a ``card.toml`` in the person's folder of models, by the name of their model."""
    place = folder or models_folder()
    if not place.is_dir():
        return {}
    return {path.name: path for path in sorted(place.iterdir()) if (path / "card.toml").is_file()}


def own_cards(folder: Path | None = None) -> dict[str, Card]:
    """Cards of one's own models by name; a folder that does not hold together is left out with a line in the log."""
    found = {}
    for name, path in own_folders(folder).items():
        try:
            found[name] = in_folder(path)[0]
        except ModelError as problem:
            log.warning("the model in %s is left out: %s", name, problem)
    return found


def shelved(name_or_folder: str | Path, shelf: Path = SHELF) -> tuple[Card, Path]:
    """The card and the weights' path of a model's name or a folder; raises :class:`ModelError` naming the known."""
    cards = manifest_cards(shelf)
    own = own_folders()
    card = cards.get(name_or_folder) if isinstance(name_or_folder, str) else None
    if card is not None and card.shipped:
        return card, shelf / f"{card.name}.safetensors"
    if isinstance(name_or_folder, str) and name_or_folder in own:
        return in_folder(own[name_or_folder])
    if card is not None:
        raise ModelError(
            f"The weights of '{card.name}' are not shipped and not here yet.",
            f"Run `python -m xai_core weights fetch {card.name}`.",
        )
    if not Path(name_or_folder).is_dir():
        known = [name for name, shown in cards.items() if shown.shipped] + list(own)
        raise ModelError(
            f"There is no model '{name_or_folder}'.",
            f"Known models: {', '.join(known) or 'none'}; or give a folder with card.toml and weights.",
        )
    return in_folder(Path(name_or_folder))


def in_folder(folder: Path) -> tuple[Card, Path]:
    """The card and the weights' path of a folder; raises :class:`ModelError` for what it lacks."""
    if not (folder / "card.toml").is_file():
        raise ModelError(
            f"The folder '{folder.name}' holds no card.toml.", "Write one like those in weights/manifest.toml."
        )
    found = sorted(path for path in folder.iterdir() if path.suffix in OPENERS)
    if len(found) != 1:
        raise ModelError(
            f"The folder '{folder.name}' holds {len(found)} files of weights.",
            f"Keep exactly one of {', '.join(OPENERS)} in it.",
        )
    return card_of({**toml_of(folder / "card.toml"), "name": folder.name, "shipped": False}), found[0]


def card_of(table: Mapping[str, Any]) -> Card:
    """A card from a table of the manifest; raises :class:`ModelError` for keys that are unknown or lacking, and for values
    that are unknown or speak against one another."""
    name = str(table.get("name", "?"))
    _known(name, "", set(table), {f.name for f in fields(Card)})
    given = {
        "channels": ["film"],
        "title": name,
        "modality": "CXR",
        "task": "classification",
        "shipped": False,
        **table,
    }
    try:
        spec = dict(given.get("input", {}))
        _known(name, "input.", set(spec), {f.name for f in fields(InputSpec)})
        spec["size"] = tuple(int(n) for n in spec["size"])
        if spec.get("spacing_mm") is not None:
            spec["spacing_mm"] = tuple(float(step) for step in spec["spacing_mm"])
        for key in ("mean", "std"):
            spec[key] = tuple(float(n) for n in spec.get(key, ()))
        for key in _LISTS:
            given[key] = tuple(given.get(key, ()))
        return checked(Card(**{**given, "input": InputSpec(**spec)}))
    except (TypeError, KeyError, ValueError, AttributeError) as problem:
        raise ModelError(
            f"The card of '{name}' is incomplete: {problem}.", "Compare it with weights/manifest.toml."
        ) from None


def _known(name: str, place: str, given: set[str], known: set[str]) -> None:
    if unknown := sorted(given - known):
        raise ModelError(
            f"The card of '{name}' has the unknown key '{place}{unknown[0]}'.",
            f"Known keys: {', '.join(sorted(known))}.",
        )


def furnished(card: Card, path: Path) -> tuple[nn.Module, str]:
    """The card's network in eval mode with the weights of ``path`` in float32, and their SHA-256.

    Raises :class:`ModelError` where the file is absent, damaged, changed, or made for another network.
    """
    remedy = "Fetch the weights folder again." if card.shipped else "Add the model again from the file as published."
    if not path.is_file():
        raise ModelError(f"The weights of '{card.name}' are not there ({path.name}).", remedy)
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if not digest.startswith(card.sha256):
        raise ModelError(f"The weights of '{card.name}' are not the ones its card describes (SHA-256 differs).", remedy)
    return OPENERS[path.suffix](card, content), digest


def _network(card: Card, content: bytes) -> nn.Module:
    try:
        state = load(content)
    except (SafetensorError, ValueError, KeyError) as problem:
        raise ModelError(f"The weights of '{card.name}' cannot be read: {problem}.", "Fetch them again.") from None
    return filled(card, state)


OPENERS: Mapping[str, Callable[[Card, bytes], nn.Module]] = MappingProxyType(
    {".safetensors": _network, ".pt": scripted.opened, ".pt2": exported.opened}
)
"""What makes a network of a file, by the file's ending."""


def toml_of(path: Path) -> dict[str, Any]:
    """A TOML file as a dict; raises :class:`ModelError` where it is none."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise ModelError(f"'{path.name}' is not valid TOML: {problem}.", "Mend the line it names.") from None
