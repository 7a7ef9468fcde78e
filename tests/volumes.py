"""Small volumes and a segmentation model for them: what tests of regions, exports and the volume page stand on."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from tests.readers.volumes import nifti_bytes, phantom
from xai_core.case import Case, Geometry, digest_of
from xai_core.models import Card, InputSpec, Model
from xai_core.models.architectures import build
from xai_core.models.shelf import card_of

CHANNELS = ("FLAIR", "T1")
SPACE = (8, 10, 12)
LABEL = "MS lesion"
CARD = f"""
title = "Small U-Net"
architecture = "unet3d"
modality = "MR"
task = "segmentation"
labels = ["background", "{LABEL}"]
channels = ["FLAIR", "T1"]
activation = "softmax"
target_layer = "encoder.1"
target_layers = ["encoder.1", "decoder.0"]
[input]
size = [16, 16, 16]
channels = 2
intensity = "head-zscore"
crop = "head"
low = -5.0
high = 5.0
[options]
width = 2
levels = 2
"""


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


def write_small_unet(folder: Path) -> None:
    """A random 3-D U-Net that reads FLAIR and T1, as a model's folder in ``folder``."""
    own = folder / "small-unet"
    own.mkdir()
    (own / "card.toml").write_text(CARD, "utf-8")
    torch.manual_seed(3)
    module = build(card_of({"name": "small-unet", **tomllib.loads(CARD)}))
    save_file({key: value.contiguous() for key, value in module.state_dict().items()}, own / "small-unet.safetensors")


def head(seed: int = 0) -> bytes:
    """A noisy phantom's head with a bright lesion, as NIfTI."""
    samples, affine = phantom("anisotropic")
    noise = np.random.default_rng(seed).integers(0, 40, samples.shape)
    return nifti_bytes((samples + noise * (samples > 0)).astype(np.int16), affine)


def mask() -> bytes:
    """The phantom's lesion, as NIfTI."""
    samples, affine = phantom("anisotropic")
    return nifti_bytes((samples > 500).astype(np.uint8), affine)
