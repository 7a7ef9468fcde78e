"""Classifiers with torchvision's names of weights: ImageNet's as published, or anyone's own with other labels.

ImageNet's know 1000 kinds of things of photographs and nothing of films: they serve to look at explainers and as a start of
training. Files made here with one grey channel keep it, and are read in [0, 1].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xai_core.models.checkpoints import Checkpoint, State
from xai_core.models.loaders import Converted, first_weight, loader
from xai_core.models.loaders.chexnet import undotted
from xai_core.models.loaders.recipes import grey_input, imagenet_input

IMAGENET_LABELS = 1000


@dataclass(frozen=True)
class Network:
    """``head``: where its last layer lies; ``target_layer``: what class activation maps look at; ``sign``: a key of the family,
    and ``convolutions``: how many there are, which tells its members apart."""

    head: str
    target_layer: str
    sign: str
    convolutions: int
    side: int = 224
    resized: int = 256


NETWORKS = {
    "resnet18": Network("fc", "layer4", "layer4.1.bn2.weight", 20),
    "resnet34": Network("fc", "layer4", "layer4.1.bn2.weight", 36),
    "resnet50": Network("fc", "layer4", "layer4.1.bn3.weight", 53),
    "densenet121": Network("classifier", "features.norm5", "features.norm5.weight", 120),
    "densenet161": Network("classifier", "features.norm5", "features.norm5.weight", 160),
    "vgg16": Network("classifier.6", "features.29", "features.28.weight", 13),
    "inception_v3": Network("fc", "Mixed_7c", "Mixed_7c.branch_pool.conv.weight", 94, 299, 342),
}


def _has(network: Network, state: State) -> bool:
    count = sum(value.ndim == 4 and not key.startswith("AuxLogits.") for key, value in state.items())
    return network.sign in state and count == network.convolutions


def _register(name: str, network: Network) -> None:
    @loader(
        name=name,
        title=f"torchvision {name}",
        source="github.com/pytorch/vision",
        recognises=lambda found: _has(network, found.state),
        is_general=True,
    )
    def convert(found: Checkpoint, settings: Mapping[str, Any]) -> Converted:
        state = {undotted(key): value for key, value in found.state.items()}
        outputs = int(state[f"{network.head}.weight"].shape[0])
        channels = int(first_weight(state).shape[1])
        wanted = imagenet_input(network.side, network.resized) if channels == 3 else grey_input(network.side, channels)
        if (
            name == "inception_v3" and channels == 3
        ):  # its published weights undo ImageNet's statistics: [-1, 1] is left
            wanted |= {"mean": (0.5,) * 3, "std": (0.5,) * 3}
        if name == "inception_v3" and not any(key.startswith("AuxLogits.") for key in state):
            state |= _auxiliary(outputs)
        is_imagenet = outputs == IMAGENET_LABELS
        table = {
            "architecture": name,
            "activation": "softmax" if is_imagenet else "sigmoid",
            "labels": _categories() if is_imagenet else (),
            "target_layer": network.target_layer,
            "input": wanted,
            "training_data": ("ImageNet-1k (photographs)",) if is_imagenet else (),
        }
        return Converted(table, state, outputs)


def _auxiliary(outputs: int) -> State:
    """Zeros for Inception's second head, which is only used in training and left out of some files."""
    import torchvision

    whole = torchvision.models.inception_v3(weights=None, init_weights=False, num_classes=outputs).state_dict()
    return {key: value.zero_() for key, value in whole.items() if key.startswith("AuxLogits.")}


def _categories() -> tuple[str, ...]:
    """ImageNet's labels, made unlike one another where two kinds share a name ("crane", the bird and the machine)."""
    import torchvision

    names: list[str] = []
    for name in torchvision.models.ResNet18_Weights.IMAGENET1K_V1.meta["categories"]:
        names.append(f"{name} ({names.count(name) + 1})" if name in names else name)
    return tuple(names)


for _name, _network in NETWORKS.items():
    _register(_name, _network)
