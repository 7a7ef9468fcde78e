"""DenseNets of torchxrayvision (Cohen et al. 2022, arXiv 2111.00595; github mlmed/torchxrayvision).

One channel with values in [-1024, 1024], the square in the middle of the film at 224, 18 outputs of which some were never trained
(their names are empty). The library's own forward pass ends with a sigmoid stretched so that each operating threshold falls on
0.5; that stretch has a kink and saturates, so it is left off: what is explained is the logit, and the thresholds stand in
the card, where they decide what counts as found. Published files hold a whole pickled network or a state dict.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from xai_core.models.checkpoints import Checkpoint
from xai_core.models.loaders import Converted, loader
from xai_core.models.loaders.chexnet import undotted

LABELS = (
    *("Atelectasis", "Consolidation", "Infiltration", "Pneumothorax", "Edema", "Emphysema", "Fibrosis", "Effusion"),
    *("Pneumonia", "Pleural_Thickening", "Cardiomegaly", "Nodule", "Mass", "Hernia", "Lung Lesion", "Fracture"),
    *("Lung Opacity", "Enlarged Cardiomediastinum"),
)
"""``torchxrayvision.datasets.default_pathologies``, the order of every network's outputs."""
_THRESHOLDS = "op_threshs"


def _recognises(found: Checkpoint) -> bool:
    first, head = found.state.get("features.conv0.weight"), found.state.get("classifier.weight")
    return first is not None and head is not None and first.shape[1] == 1 and head.shape[0] == len(LABELS)


@loader(
    name="torchxrayvision-densenet121",
    title="torchxrayvision DenseNet-121 (18 outputs)",
    source="github.com/mlmed/torchxrayvision; Cohen et al. 2022, arXiv 2111.00595",
    recognises=_recognises,
)
def densenet(found: Checkpoint, settings: Mapping[str, Any]) -> Converted:
    """The keys of torchvision, and the thresholds out of the weights (or from beside them) into the card."""
    state = {undotted(key): value for key, value in found.state.items() if key != _THRESHOLDS}
    stored = found.state.get(_THRESHOLDS)
    values = stored.tolist() if stored is not None else found.extras.get(_THRESHOLDS) or []
    outputs = int(state["classifier.weight"].shape[0])
    names = found.extras.get("pathologies") or (LABELS if outputs == len(LABELS) else ())
    labels = tuple(name or f"(not trained {number})" for number, name in enumerate(names))
    known = zip(labels, values, strict=False)
    table = {
        "architecture": "densenet121",
        "modality": "CXR",
        "activation": "sigmoid",
        "labels": labels,
        "thresholds": {label: float(value) for label, value in known if not math.isnan(value)},
        "target_layer": "features.norm5",
        "input": {
            "size": (224, 224),
            "low": -1024.0,
            "high": 1024.0,
            "intensity": "file-range",
            "crop": "centre",
        },
        "source": "github.com/mlmed/torchxrayvision",
    }
    return Converted(table, state, outputs)
