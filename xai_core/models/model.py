"""A loaded network that goes from a case to calibrated probabilities."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from xai_core.case import Case, Region
from xai_core.explainers.request import Companion
from xai_core.head import with_channels
from xai_core.models.architectures import LungUNet
from xai_core.models.card import Card
from xai_core.models.companions import companion_of
from xai_core.models.outline import Outlines
from xai_core.models.shelf import furnished, shelved, shipped_cards
from xai_core.preprocess import Prepared, prepare

LUNGS = "cxr-lungs"
# A logit whose probability is 0 or 1 in any sense that matters.
CERTAIN = 20.0
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
        if case.kind == "volume" and len(self.card.input.size) == 3:
            return prepare(with_channels(case, self.card.channels), self.card.input, None)
        if self.card.input.crop != "lungs" or case.kind != "film":
            return prepare(case, self.card.input, None)
        found = self.lungs(case)
        prepared = prepare(case, self.card.input, found)
        return prepared if found is not None else replace(prepared, messages=(NO_LUNGS,))

    def lungs(self, case: Case) -> Region | None:
        """The lung field of a film: the one its facts hold, else the one found; None where there is none (or no film)."""
        if isinstance(known := case.facts.get("lungs"), Region):
            return known
        outlines = self.outlines(case)
        return None if outlines is None else outlines.of(case).lungs

    def outlines(self, case: Case) -> Outlines | None:
        """What finds the lungs of such a case, with all that it remembers; None where it is no film or no network is there."""
        if case.kind != "film" or case.pixels.shape[0] != 1 or LUNGS not in shipped_cards():
            return None
        return _outlines(self.device)

    def companion(self, name: str) -> Companion | None:
        """The network that was trained for these very weights and the explainer ``name``, or None where there is none."""
        return companion_of(name, self.card, self.weights_digest, self.device)

    def predict(self, case: Case) -> Prediction:
        """Logits and calibrated probabilities of a case."""
        prepared = self.prepare(case)
        with torch.inference_mode():
            found = self.module(prepared.tensor.to(self.device))[0].float().cpu().numpy()
        logits = found if self.card.task == "classification" else prepared.grid.smooth_to_case(found, self._nothing())
        probabilities = self.calibrated(logits)
        return Prediction(self.card.labels, logits, probabilities, self.positive(probabilities))

    def positive(self, probabilities: NDArray[np.float32]) -> tuple[str, ...]:
        """Labels whose probability (L, ...) reaches their threshold anywhere."""
        return tuple(
            label
            for label, values in zip(self.card.labels, probabilities, strict=True)
            if float(np.max(values)) >= self.card.thresholds.get(label, 0.5)
        )

    def _nothing(self) -> tuple[float, ...]:
        """Logits where the network does not look: of no label, or of the first where they exclude each other."""
        is_exclusive = self.card.activation == "softmax"
        return tuple(CERTAIN if is_exclusive and place == 0 else -CERTAIN for place in range(len(self.card.labels)))

    def calibrated(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities of logits (L, ...): divided by each label's temperature, then sigmoid or softmax over labels."""
        shape = (-1,) + (1,) * (logits.ndim - 1)
        temperatures = np.asarray([self.card.temperatures.get(label, 1.0) for label in self.card.labels]).reshape(shape)
        cooled = torch.from_numpy(np.asarray(logits / temperatures, dtype=np.float32))
        shares = cooled.softmax(0) if self.card.activation == "softmax" else cooled.sigmoid()
        return np.asarray(shares.numpy(), dtype=np.float32)


@functools.cache
def _outlines(device: str) -> Outlines:
    card, path = shelved(LUNGS)
    module, digest = furnished(card, path)
    return Outlines(card, cast(LungUNet, module.to(device)), device, digest)
