"""Models: their cards, and a loaded network that goes from a case to calibrated probabilities.

``models()`` lists what can be loaded here: what is shipped, one's own folders (``card.toml`` and a file of weights or a program, in
the folder that ``LIGHTBOX_MODELS`` names) and the models of installed packages (entry points of ``lightbox.models``).
"""

from __future__ import annotations

import copy
import functools
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from xai_core.case import Case, Region
from xai_core.errors import ModelError
from xai_core.models.card import Card, InputSpec
from xai_core.models.outline import Outlines, back
from xai_core.models.plugins import plugged, plugged_cards, provided
from xai_core.models.shelf import furnished, own_cards, shelved, shipped_cards
from xai_core.preprocess import Prepared, prepare

LUNGS = "cxr-lungs"
NO_LUNGS = "No lungs were found on this film, so the whole film was given to the network."


@dataclass(frozen=True)
class Prediction:
    """What a model says of a case: ``logits`` and calibrated ``probabilities``, (L,) or (L, *space) on the case's grid, and
    ``positive``, the labels over their thresholds (for segmentation: those with any pixel over it)."""

    labels: tuple[str, ...]
    logits: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    positive: tuple[str, ...]


@dataclass(frozen=True)
class Model:
    """A loaded model. ``module``: a plain ``nn.Module`` in eval mode, (N, C, *size) to logits (N, L) or (N, L, *size)."""

    card: Card
    module: nn.Module = field(repr=False)
    device: str
    weights_digest: str

    def prepare(self, case: Case) -> Prepared:
        """The tensor the network is given and the way back; a model of the lung field finds it first, and says in
        ``messages`` where it had to take the whole film."""
        if self.card.input.crop != "lungs" or case.kind != "film":
            return prepare(case, self.card.input, None)
        found = self.lungs(case)
        prepared = prepare(case, self.card.input, found)
        return prepared if found is not None else replace(prepared, messages=(NO_LUNGS,))

    def lungs(self, case: Case) -> Region | None:
        """The lung field of a film, or None where none is found (or the case is no film)."""
        if case.kind != "film" or case.pixels.shape[0] != 1 or LUNGS not in shipped_cards():
            return None
        return _outlines(self.device).of(case)

    def predict(self, case: Case) -> Prediction:
        """Logits and calibrated probabilities of a case."""
        prepared = self.prepare(case)
        with torch.inference_mode():
            found = self.module(prepared.tensor.to(self.device))[0].float().cpu().numpy()
        logits = found if self.card.task == "classification" else back(prepared.grid).to_input(found)
        probabilities = self.calibrated(logits)
        positive = tuple(
            label
            for label, values in zip(self.card.labels, probabilities, strict=True)
            if float(np.max(values)) >= self.card.thresholds.get(label, 0.5)
        )
        return Prediction(self.card.labels, logits, probabilities, positive)

    def calibrated(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities of logits (L, ...): divided by each label's temperature, then sigmoid or softmax over labels."""
        shape = (-1,) + (1,) * (logits.ndim - 1)
        temperatures = np.asarray([self.card.temperatures.get(label, 1.0) for label in self.card.labels]).reshape(shape)
        cooled = torch.from_numpy(np.asarray(logits / temperatures, dtype=np.float32))
        shares = cooled.softmax(0) if self.card.activation == "softmax" else cooled.sigmoid()
        return np.asarray(shares.numpy(), dtype=np.float32)


def models() -> list[Card]:
    """Cards of the models that can be loaded here; a shipped one keeps its name against one's own, that against a package's."""
    shipped, own, plugged_in = shipped_cards(), own_cards(), plugged_cards()
    return list({**shipped, **plugged_in, **own, **shipped}.values())


def load_model(name_or_folder: str | Path, device: str = "auto") -> Model:
    """Load a model by name or folder, on ``device`` ("auto", "cpu", "cuda", "mps").

    Raises :class:`ModelError` for unknown names (it names the known ones), damaged or foreign weights, absent devices.
    """
    place = chosen_device(device)
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


@functools.cache
def _outlines(device: str) -> Outlines:
    card, path = shelved(LUNGS)
    module, _ = furnished(card, path)
    return Outlines(card, module.to(device), device)


__all__ = ["Card", "InputSpec", "Model", "Prediction", "chosen_device", "load_model", "models"]
