"""Models: their cards, and a loaded network that goes from a case to calibrated probabilities.

``models()`` lists what can be loaded here: what is shipped, one's own folders (``card.toml`` and a file of weights or a program, in
the folder that ``LIGHTBOX_MODELS`` names) and the models of installed packages (entry points of ``lightbox.models``).
``load_model`` takes a name, several with "+" between them, or a folder.
"""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from torch import nn

from xai_core.errors import ModelError
from xai_core.models import perceptron  # noqa: F401 - registers its architectures
from xai_core.models.card import Card, InputSpec
from xai_core.models.ensemble import Ensemble, gathered, named_members, open_card
from xai_core.models.model import LUNGS, NO_LUNGS, Model, Prediction
from xai_core.models.plugins import plugged, plugged_cards, provided
from xai_core.models.shelf import furnished, own_cards, shelved, shipped_cards


def models() -> list[Card]:
    """Cards of the models that can be loaded here; a shipped one keeps its name against one's own, that against a package's."""
    shipped, own, plugged_in = shipped_cards(), own_cards(), plugged_cards()
    return list({**shipped, **plugged_in, **own, **shipped}.values())


def load_model(name_or_folder: str | Path, device: str = "auto") -> Model:
    """Load a shipped model by name, an ensemble by its members' names with "+" between, or one's own model by folder.

    ``device``: "auto", "cpu", "cuda", "mps".

    Raises :class:`ModelError` for unknown names (it names the known ones), damaged or foreign weights, absent devices.
    """
    place = chosen_device(device)
    listed = shipped_cards().get(str(name_or_folder))
    members = listed.members if listed is not None else named_members(str(name_or_folder))
    if members:
        card = listed or open_card(str(name_or_folder), members)
        return gathered(card, [load_model(member, device) for member in members])
    card, module, digest = _taken(name_or_folder)
    return Model(card, module.to(place), place, digest)


def _taken(name_or_folder: str | Path) -> tuple[Card, nn.Module, str]:
    entries = plugged()
    is_plugged = str(name_or_folder) in entries and name_or_folder not in {**own_cards(), **shipped_cards()}
    if is_plugged:
        card, module, digest = provided(entries[str(name_or_folder)])
        return card, copy.deepcopy(module), digest
    card, path = shelved(name_or_folder)
    return card, *furnished(card, path)


def chosen_device(device: str = "auto") -> str:
    """The name of the device to compute on; raises :class:`ModelError` where the one asked for is not here."""
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        return next(name for name, is_here in present.items() if is_here)
    if not present.get(device.split(":")[0], False):
        here = ", ".join(name for name, is_here in present.items() if is_here)
        raise ModelError(f"The device '{device}' is not on this machine.", f"Choose one of: {here}.")
    return device


__all__ = [
    "LUNGS",
    "NO_LUNGS",
    "Card",
    "Ensemble",
    "InputSpec",
    "Model",
    "Prediction",
    "chosen_device",
    "load_model",
    "models",
]
