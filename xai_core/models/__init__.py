"""Models: their cards, and a loaded network that goes from a case to calibrated probabilities.

``models()`` lists what is shipped, ``load_model`` takes a name, several with "+" between them, or a folder of one's own
(``card.toml`` and safetensors).
"""

from __future__ import annotations

from pathlib import Path

import torch

from xai_core.errors import ModelError
from xai_core.models import perceptron  # noqa: F401 - registers its architectures
from xai_core.models.card import Card, InputSpec
from xai_core.models.ensemble import Ensemble, gathered, named_members, open_card
from xai_core.models.model import LUNGS, NO_LUNGS, Model, Prediction
from xai_core.models.shelf import furnished, shelved, shipped_cards


def models() -> list[Card]:
    """Cards of the shipped models."""
    return list(shipped_cards().values())


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
    card, path = shelved(name_or_folder)
    module, digest = furnished(card, path)
    return Model(card, module.to(place), place, digest)


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
