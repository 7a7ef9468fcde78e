"""Networks of MONAI bundles (github Project-MONAI/MONAI): DenseNet-121 of films and the U-Net in two or three dimensions.

Bundles hold the state dict in ``models/model.pt``. What a state dict does not tell (strides, for the most part) is asked for, with the
defaults of the published bundles.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from xai_core.errors import ModelError
from xai_core.models.checkpoints import Checkpoint, State
from xai_core.models.loaders import Converted, first_weight, loader
from xai_core.models.loaders.recipes import grey_input
from xai_core.parameters import Parameter

_HEAD = "class_layers.out."
_TOP = "model.0."


@loader(
    name="monai-densenet121",
    title="MONAI DenseNet-121",
    source="github.com/Project-MONAI/MONAI",
    recognises=lambda found: f"{_HEAD}weight" in found.state,
)
def densenet(found: Checkpoint, settings: Mapping[str, Any]) -> Converted:
    """The network is torchvision's: ``layers.`` goes, and ``class_layers.out`` is its classifier."""
    state = {key.replace(".layers.", ".").replace(_HEAD, "classifier."): value for key, value in found.state.items()}
    first = state["features.conv0.weight"]
    if first.ndim != 4:
        raise ModelError(
            f"'{found.file}' is a DenseNet of volumes; the loader reads those of films.",
            "Export it with torch.export and add it as a program, for black-box explainers.",
        )
    outputs = int(state["classifier.weight"].shape[0])
    table = {
        "architecture": "densenet121",
        "activation": "softmax",
        "labels": (),
        "target_layer": "features.norm5",
        "input": grey_input(224, int(first.shape[1]), intensity="minimum-maximum"),
        "source": "github.com/Project-MONAI/MONAI",
    }
    return Converted(table, state, outputs)


@loader(
    name="monai-unet",
    title="MONAI U-Net",
    source="github.com/Project-MONAI/MONAI; Kerfoot et al. 2019",
    recognises=lambda found: any(key.startswith(f"{_TOP}conv.") for key in found.state) and _skip(0) in _stems(found),
    parameters=(
        Parameter("stride", "int", 2, "By how much every level is coarser than the one above.", 1, 4, 1),
        Parameter(
            "side", "int", 96, "Side of the input in voxels; a multiple of the coarsest level's step.", 16, 512, 1
        ),
    ),
)
def unet(found: Checkpoint, settings: Mapping[str, Any]) -> Converted:
    """Weights keep their names; widths, units, kernels, norm and activation are read from their shapes."""
    state = found.state
    dims = first_weight(state).ndim - 2
    widths = []
    path = "model."
    while weight := _first_of(state, f"{path}0."):
        widths.append(weight)
        path += "1.submodule."
    widths.append(_first_of(state, path))
    has_units = f"{_TOP}conv.unit0.conv.weight" in state
    units = len({key.split(".")[3] for key in state if key.startswith(f"{_TOP}conv.unit")}) if has_units else 0
    closing = f"{_TOP}conv.unit0.adn." if has_units else f"{_TOP}adn."
    up = state["model.2.0.conv.weight" if has_units else "model.2.conv.weight"]
    options = {
        "widths": widths,
        "strides": [settings["stride"]] * (len(widths) - 1),
        "units": units,
        "norm": "batch" if f"{closing}N.running_mean" in state else "instance",
        "activation": "prelu" if f"{closing}A.weight" in state else "relu",
        "down": int(first_weight(state).shape[-1]),
        "up": int(up.shape[-1]),
    }
    inputs = int(first_weight(state).shape[1])
    table = {
        "architecture": "monai-unet",
        "task": "segmentation",
        "activation": "softmax",
        "modality": "MR" if dims == 3 else "CXR",
        "labels": (),
        "options": options,
        "input": {"size": (settings["side"],) * dims, "channels": inputs, "intensity": "minimum-maximum"},
        "channels": tuple(f"channel {number + 1}" for number in range(inputs)),
        "source": "github.com/Project-MONAI/MONAI",
    }
    return Converted(table, dict(state), int(up.shape[1]))


def _first_of(state: State, path: str) -> int:
    """The channels that the first convolution under ``path`` gives; 0 where there is none."""
    for name in ("conv.unit0.conv.weight", "conv.weight"):
        if (weight := state.get(path + name)) is not None:
            return int(weight.shape[0])
    return 0


def _skip(depth: int) -> str:
    return "model." + "1.submodule." * (depth + 1)


def _stems(found: Checkpoint) -> set[str]:
    return {match[0] for key in found.state if (match := re.match(r"model\.1\.submodule\.", key))}
