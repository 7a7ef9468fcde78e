"""Small networks as models with a card, and a film or a volume for them: what tests of ``explain``, second looks and metrics stand on."""

from __future__ import annotations

import numpy as np
from torch import nn

from xai_core.case import Case, Geometry, Region, Window, digest_of
from xai_core.models import Card, InputSpec, Model

SIDE = 24
SPACE = (8, 12, 10)
MODALITIES = ("ADC", "MTT", "Tmax")


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


def volume(space: tuple[int, ...] = SPACE, channels: tuple[str, ...] = MODALITIES, seed: int = 0) -> Case:
    """A volume of noise with a bright box, axial slices of 2 mm, each modality in a scale of its own."""
    pixels = np.random.default_rng(seed).uniform(0, 100, (len(channels), *space)).astype(np.float32)
    pixels[:, lesion(space).mask] += 80
    pixels *= np.arange(1, len(channels) + 1, dtype=np.float32)[:, None, None, None]
    steps = np.zeros((4, 4))
    steps[2, 0], steps[1, 1], steps[0, 2], steps[3, 3] = 2.0, 1.0, 1.0, 1.0
    windows = tuple(Window(name, 100.0 * (place + 1), 200.0 * (place + 1)) for place, name in enumerate(channels))
    facts = {"windows": windows, "modality": "MR"}
    return Case("volume", channels, pixels, Geometry.of_affine(steps), facts, digest_of(pixels, "volume"))


def lesion(space: tuple[int, ...] = SPACE) -> Region:
    """The box of :func:`volume`: three slices, the middle one the largest."""
    mask = np.zeros(space, bool)
    mask[3:6, 4:7, 3:6] = True
    mask[4, 4:8, 3:7] = True
    return Region(mask, "lesion")


def volume_model(module: nn.Module, channels: tuple[str, ...] = MODALITIES, space: tuple[int, ...] = SPACE) -> Model:
    """``module`` (N, C, *space) to two labels a voxel, as a model of volumes."""
    card = Card(
        name="small-volume",
        title="Small volume",
        architecture="small",
        modality="MR",
        task="segmentation",
        labels=("Background", "Lesion"),
        channels=channels,
        shipped=False,
        input=InputSpec(space, channels=len(channels), intensity="minimum-maximum"),
        activation="softmax",
    )
    return Model(card, module.eval(), "cpu", "beef3d")
