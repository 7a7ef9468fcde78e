"""The COVID net of a telephone app (github thetahmeed/SE-MobileNet-Lung-Disease-Classifier), taken from its TFLite file: eight-bit
weights with a scale for each output channel, layers numbered in the order of the graph.

weight = weight_q * weight_scale, so the floats are those that the app computes with. It recognises the source of a film.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from xai_core.models.checkpoints import Checkpoint, State
from xai_core.models.loaders import Converted, loader
from xai_core.models.loaders.recipes import grey_input
from xai_core.models.networks.se_mobilenet import BLOCKS

LABELS = ("COVID-19", "Normal", "Pneumonia")


@loader(
    name="se-mobilenetv2",
    title="COVID SE-MobileNetV2 (224 px, eight bits)",
    source="github.com/thetahmeed/SE-MobileNet-Lung-Disease-Classifier",
    recognises=lambda found: "conv0.weight_q" in found.state and "dwconv2.weight_q" in found.state,
)
def se_mobilenet(found: Checkpoint, settings: Mapping[str, Any]) -> Converted:
    """Layers by their place in the graph, weights unpacked from eight bits; gates without a bias get zeros."""
    state: State = {}
    numbers = {int(match[1]): key for key in found.state if (match := re.match(r"[a-z]+(\d+)\.weight_q", key))}
    layers = [numbers[number].removesuffix(".weight_q") for number in sorted(numbers)]
    for ours, theirs in zip(_places(), layers, strict=True):
        weight = _unpacked(found.state, theirs)
        state[f"{ours}.weight"] = weight
        state[f"{ours}.bias"] = found.state.get(f"{theirs}.bias", torch.zeros(weight.shape[0]))
    outputs = int(state["head.weight"].shape[0])
    table = {
        "architecture": "se-mobilenetv2",
        "title": "COVID SE-MobileNetV2",
        "modality": "CXR",
        "activation": "softmax",
        "labels": LABELS if outputs == len(LABELS) else (),
        "target_layer": "last",
        "input": grey_input(224, 3),
        "training_data": ("COVID19, Pneumonia and Normal Chest X-ray PA Dataset (Asraf et al.)",),
        "licence": found.facts.get("licence", ""),
        "source": found.facts.get("source", "github.com/thetahmeed/SE-MobileNet-Lung-Disease-Classifier"),
        "shortcuts": {"measured": found.facts["measured"]} if found.facts.get("measured") else {},
    }
    return Converted(table, state, outputs)


def _places() -> Iterator[str]:
    """Our layers in the order in which the graph numbers its own."""
    yield "stem"
    for number, (_, _, is_gated) in enumerate(BLOCKS):
        gate = ("squeeze", "excite") if is_gated else ()
        for part in ("widen", "each", *gate, "narrow"):
            yield f"blocks.{number}.{part}"
    yield "last"
    yield "head"


def _unpacked(state: Mapping[str, Tensor], layer: str) -> Tensor:
    packed, scale = state[f"{layer}.weight_q"].float(), state[f"{layer}.weight_scale"]
    return packed * scale.reshape(-1, *[1] * (packed.ndim - 1))
