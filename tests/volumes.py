"""Small volumes and a segmentation model for them: what tests of regions, exports and the volume page stand on."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from xai_core.case import Case, Geometry, digest_of
from xai_core.models import Card, InputSpec, Model

CHANNELS = ("FLAIR", "T1")
SPACE = (8, 10, 12)


def volume(space: tuple[int, ...] = SPACE, seed: int = 0, channels: tuple[str, ...] = CHANNELS) -> Case:
    """Smooth noise in every modality, 1.5 x 2 x 2.5 mm, axes to the head, the back and the left."""
    noise = np.random.default_rng(seed).normal(size=(len(channels), *space))
    smooth = sum(np.roll(noise, (i, j, k), (1, 2, 3)) for i in range(3) for j in range(3) for k in range(3))
    pixels = (100 + 3000 * (smooth - smooth.min()) / (smooth.max() - smooth.min())).astype(np.int16)
    affine = np.array([[0.0, 0.0, 2.5, -20.0], [0.0, 2.0, 0.0, -15.0], [1.5, 0.0, 0.0, 4.0], [0.0, 0.0, 0.0, 1.0]])
    return Case("volume", channels, pixels, Geometry.of_affine(affine), {"bits": 16}, digest_of(pixels, "volume"))


def volume_model(module: nn.Module, size: tuple[int, ...] = SPACE, **more: Any) -> Model:
    """``module`` (two channels in, background and lesion out) as a model whose threshold is not one half."""
    card = Card(
        name="small-lesions",
        title="Small lesions",
        architecture="small",
        modality="MR",
        task="segmentation",
        labels=("background", "lesion"),
        channels=CHANNELS,
        shipped=False,
        input=InputSpec(size, channels=len(CHANNELS), intensity="minimum-maximum"),
        activation="softmax",
        thresholds={"lesion": 0.45},
        **more,
    )
    return Model(card, module.eval(), "cpu", "beef")
