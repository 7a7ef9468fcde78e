"""Weights of the networks that are trained here: their keys are already the architecture's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xai_core.models.checkpoints import Checkpoint
from xai_core.models.loaders import Converted, first_weight, loader
from xai_core.models.loaders.recipes import grey_input


@loader(
    name="lung-unet",
    title="Lung U-Net of Lightbox",
    source="xai_core.models.architectures",
    recognises=lambda found: "stem.0.weight" in found.state and "head.weight" in found.state,
)
def lung_unet(found: Checkpoint, settings: Mapping[str, Any]) -> Converted:
    """A segmentation with one output a label."""
    table = {
        "architecture": "lung-unet",
        "task": "segmentation",
        "labels": (),
        "target_layer": "up.3",
        "input": grey_input(192, int(first_weight(found.state).shape[1]), intensity="percentile", crop="study"),
    }
    return Converted(table, dict(found.state), int(found.state["head.weight"].shape[0]))


@loader(
    name="efficientnet-lite0",
    title="EfficientNet-lite0 (timm)",
    source="github.com/huggingface/pytorch-image-models, tf_efficientnet_lite0",
    recognises=lambda found: "conv_stem.weight" in found.state and "blocks.6.0.conv_pwl.weight" in found.state,
)
def efficientnet_lite0(found: Checkpoint, settings: Mapping[str, Any]) -> Converted:
    """timm's names of weights."""
    table = {
        "architecture": "efficientnet-lite0",
        "labels": (),
        "target_layer": "bn2",
        "input": grey_input(224, int(first_weight(found.state).shape[1])),
    }
    return Converted(table, dict(found.state), int(found.state["classifier.weight"].shape[0]))
