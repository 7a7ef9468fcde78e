"""CheXNet as published (github arnoweng/CheXNet, ``model.pth.tar``; the paper: Rajpurkar et al. 2017, arXiv 1711.05225).

A DataParallel module that holds torchvision's DenseNet-121 as ``densenet121`` with a classifier of one linear layer and a
sigmoid, saved by a torchvision that still named its layers ``norm.1`` and ``conv.2``. The sigmoid is left off: what is
explained is the logit. Its films were brought to 256, cut to 224 in the middle (the authors average ten cuts) and
normalised as ImageNet's are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from xai_core.models.checkpoints import Checkpoint
from xai_core.models.loaders import Converted, loader
from xai_core.models.loaders.recipes import imagenet_input

LABELS = (
    *("Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumonia", "Pneumothorax"),
    *("Consolidation", "Edema", "Emphysema", "Fibrosis", "Pleural_Thickening", "Hernia"),
)
"""ChestX-ray14's findings in the order of the published network."""
_PREFIX = "densenet121."
_DOTTED = re.compile(r"\b(norm|relu|conv)\.(\d)\b")


def undotted(key: str) -> str:
    """``denselayer1.norm.1.weight`` as torchvision now names it: ``denselayer1.norm1.weight``."""
    return _DOTTED.sub(r"\1\2", key)


@loader(
    name="chexnet",
    title="CheXNet (DenseNet-121, 14 findings)",
    source="github.com/arnoweng/CheXNet; Rajpurkar et al. 2017, arXiv 1711.05225",
    recognises=lambda found: all(key.startswith(_PREFIX) for key in found.state),
)
def chexnet(found: Checkpoint, settings: Mapping[str, Any]) -> Converted:
    """Keys without ``densenet121.``, dotted names joined, the classifier's linear layer by itself."""
    state = {}
    for key, value in found.state.items():
        plain = undotted(key.removeprefix(_PREFIX))
        state[plain.replace("classifier.0.", "classifier.")] = value
    outputs = int(state["classifier.weight"].shape[0])
    table = {
        "architecture": "densenet121",
        "modality": "CXR",
        "activation": "sigmoid",
        "labels": LABELS if outputs == len(LABELS) else (),
        "target_layer": "features.norm5",
        "input": imagenet_input(),
        "training_data": ("NIH ChestX-ray14 (Wang et al., CVPR 2017)",),
        "source": "github.com/arnoweng/CheXNet",
    }
    return Converted(table, state, outputs)
