"""MeshNets of brainchop (github neuroneural/brainchop; Fedorov et al. 2017, arXiv 1612.00940): tissue and parcels of a whole head.

They read a T1 volume of 1 mm, turned so that the axes run to left, inferior and anterior (LIA: the letters L, F, A here), skull on.
Their authors conform it to 256^3 voxels; the networks are fully convolutional, so that the box of the file is enough.
Activation, dilations and the recipe of intensities are not among the weights: a JSON card beside the file tells, or the person.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from xai_core.errors import ModelError
from xai_core.models.checkpoints import Checkpoint
from xai_core.models.loaders import Converted, loader
from xai_core.models.networks.meshnet import ACTIVATIONS, DILATIONS
from xai_core.parameters import Parameter

AXES, SPACING_MM = "LFA", (1.0, 1.0, 1.0)
RECIPES = ("minimum-maximum", "percentile-5-95")


@loader(
    name="meshnet",
    title="MeshNet (3-D, brainchop)",
    source="github.com/neuroneural/brainchop; Fedorov et al. 2017, arXiv 1612.00940",
    recognises=lambda found: "conv0.weight" in found.state and found.state["conv0.weight"].ndim == 5,
    parameters=(
        Parameter(
            "activation", "choice", None, "Between the layers; empty: what the card beside the file says.",
            choices=tuple(ACTIVATIONS), optional=True,
        ),
        Parameter(
            "intensity", "choice", None, "How the volume is scaled; empty: what the card beside the file says.",
            choices=RECIPES, optional=True,
        ),
        Parameter(
            "dilations", "text", None, "Of the layers in turn; empty: what the card beside the file says.", optional=True
        ),
    ),
)  # fmt: skip
def meshnet(found: Checkpoint, settings: Mapping[str, Any]) -> Converted:
    """Weights keep their names; width and labels are read from their shapes, the rest from the card beside the file."""
    facts = found.facts
    layers = facts.get("layers", ())
    named = next((layer["name"] for layer in layers if layer["op"] == "activation"), None)
    activation = settings["activation"] or named
    if activation not in ACTIVATIONS:
        raise ModelError(
            f"'{found.file}' does not tell the activation between its layers.",
            f"Set activation to one of: {', '.join(ACTIVATIONS)} (ReLU for 5, 11 and 104 classes' nets, else ELU).",
        )
    said = "percentile-5-95" if "quantile" in str(facts.get("normalisation", "")) else RECIPES[0]
    recipe = settings["intensity"] or said
    last = max(int(key[4:].split(".")[0]) for key in found.state)
    told = [layer["dilation"] for layer in layers if layer["op"] == "conv3d"][:-1]
    given = [int(step) for step in re.findall(r"\d+", settings["dilations"] or "")]
    dilations = given or told or list(DILATIONS)
    if len(dilations) != last:
        raise ModelError(
            f"'{found.file}' has {last} dilated layers, and {len(dilations)} dilations are known.",
            "Set dilations, for example 1,2,4,8,4,2,2,1, or put the JSON card of its authors beside it.",
        )
    outputs, width = (int(side) for side in found.state[f"conv{last}.weight"].shape[:2])
    table = {
        "architecture": "meshnet",
        "modality": "MR",
        "task": "segmentation",
        "activation": "softmax",
        "labels": tuple(facts.get("labels") or ()),
        "channels": ("T1",),
        "skull": "on",
        "target_layer": f"activation{last - 1}",
        "options": {"width": width, "activation": activation, "dilations": dilations},
        "input": {
            "size": (0, 0, 0),
            "axes": AXES,
            "spacing_mm": SPACING_MM,
            "intensity": recipe,
            "clip": recipe == RECIPES[0],
        },
        "training_data": ("HCP and MRN T1 volumes with FreeSurfer labels",),
        "licence": facts.get("licence", ""),
        "source": facts.get("source", "github.com/neuroneural/brainchop"),
        "summary": facts.get("what", ""),
        "metrics": {"checked": facts["checked"]} if facts.get("checked") else {},
    }
    return Converted(table, dict(found.state), outputs)
