"""Small networks as models with a card, and a film for them: what tests of ``explain`` and of second looks stand on."""

from __future__ import annotations

import numpy as np
from torch import nn

from xai_core.case import Case, Geometry, digest_of
from xai_core.models import Card, InputSpec, Model

SIDE = 24


def film(side: int = SIDE, seed: int = 0) -> Case:
    """A film of smooth noise without a frame, so that every input sample takes part."""
    noise = np.random.default_rng(seed).normal(size=(side, side))
    smooth = sum(np.roll(noise, (i, j), (0, 1)) for i in range(3) for j in range(3))
    scaled = (smooth - smooth.min()) / (smooth.max() - smooth.min())
    pixels = (200 + 3600 * scaled).astype(np.uint16)[None]
    return Case("film", ("film",), pixels, Geometry(), {"bits": 12}, digest_of(pixels, "film"))


def model_of(module: nn.Module, labels: int = 4, target_layer: str = "", task: str = "classification") -> Model:
    """``module`` (1 channel, ``SIDE`` squared) as a model."""
    card = Card(
        name="small",
        title="Small",
        architecture="small",
        modality="CXR",
        task=task,  # type: ignore[arg-type]
        labels=tuple(f"label {index}" for index in range(labels)),
        channels=("film",),
        shipped=False,
        input=InputSpec((SIDE, SIDE)),
        target_layer=target_layer,
    )
    return Model(card, module.eval(), "cpu", "beef")
