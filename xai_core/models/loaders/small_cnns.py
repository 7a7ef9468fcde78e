"""Small classifiers published with their code on GitHub: one of brain slices and two of chest films.

The chest nets follow the source of a film more than its disease, which their cards say with figures: examples of shortcut
learning, not of diagnosis.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xai_core.models.checkpoints import Checkpoint
from xai_core.models.loaders import Converted, loader
from xai_core.models.loaders.recipes import grey_input


@dataclass(frozen=True)
class Net:
    """What is known of a published net: ``sign``, a key and shape of its own; ``head``, its last layer."""

    title: str
    source: str
    sign: tuple[str, tuple[int, ...]]
    head: str
    target_layer: str
    labels: tuple[str, ...]
    modality: str
    activation: str
    input: Mapping[str, Any]
    training_data: tuple[str, ...]


NETS = {
    "brain-cnn4": Net(
        title="Brain tumour CNN (64 px, 4 kinds of slices)",
        source="github.com/sania-2912/Brain-Tumor-Detector",
        sign=("fc_layers.1.weight", (64, 8192)),
        head="fc_layers.3",
        target_layer="conv_layers.4",
        labels=("glioma", "meningioma", "notumor", "pituitary"),
        modality="MR",
        activation="softmax",
        input=grey_input(64, mean=(0.5,), std=(0.5,)),
        training_data=("Nickparvar brain tumour MRI set (Kaggle; holds Cheng's slices and Br35H)",),
    ),
    "tiny-vgg": Net(
        title="Pneumonia TinyVGG (64 px)",
        source="github.com/Umar123-git/Pneumonia-Detection-Model",
        sign=("conv_block_1.0.weight", (10, 3, 3, 3)),
        head="classifier.1",
        target_layer="conv_block_2.3",
        labels=("normal", "pneumonia"),
        modality="CXR",
        activation="softmax",
        input=grey_input(64, 3),
        training_data=("Kaggle muhammadrehan00/chest-xray-dataset",),
    ),
    "vgg-bn5": Net(
        title="Pneumonia VGG with batch norm (150 px)",
        source="github.com/ansh-ankul/Pneumonia-detection",
        sign=("fc_layers.1.weight", (64, 256)),
        head="fc_layers.7",
        target_layer="conv_layers.18",
        labels=("pneumonia",),
        modality="CXR",
        activation="sigmoid",
        input=grey_input(150),
        training_data=("Kermany et al. 2018 (Kaggle paultimothymooney/chest-xray-pneumonia)",),
    ),
}


def _register(name: str, net: Net) -> None:
    key, shape = net.sign

    @loader(
        name=name,
        title=net.title,
        source=net.source,
        recognises=lambda found: key in found.state and tuple(found.state[key].shape) == shape,
    )
    def convert(found: Checkpoint, settings: Mapping[str, Any]) -> Converted:
        outputs = int(found.state[f"{net.head}.weight"].shape[0])
        table = {
            "architecture": name,
            "title": net.title,
            "modality": net.modality,
            "activation": net.activation,
            "labels": net.labels if outputs == len(net.labels) else (),
            "target_layer": net.target_layer,
            "input": net.input,
            "training_data": net.training_data,
            "licence": found.facts.get("licence", ""),
            "source": found.facts.get("source", net.source),
            "shortcuts": {"measured": found.facts["measured"]} if found.facts.get("measured") else {},
        }
        return Converted(table, dict(found.state), outputs)


for _name, _net in NETS.items():
    _register(_name, _net)
