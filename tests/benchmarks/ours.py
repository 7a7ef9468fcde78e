"""Our side of the benchmark: what is timed on one network, by name."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

import xai_core as xc
from tests.benchmarks.timing import Prepare

GRAD_CAM_LAYER = {
    "resnet18": "layer4",
    "vgg16": "features.29",
    "densenet121": "features.norm5",
    "inception_v3": "Mixed_7c",
}
WALKS = (
    "lrp-epsilon-plus",
    "lrp-gamma",
    "lrp-alpha-2-beta-1",
    "lrp-epsilon-gamma-box",
    "gradient",
    "guided-backprop",
    "deeplift",
    "rap",
)
MANY: dict[str, dict[str, object]] = {
    "integrated-gradients": {"steps": 50},
    "smoothgrad": {"samples": 25},
    "occlusion": {"window": 32, "stride": 16},
}
"""Explainers of many forward passes, as the peers run them."""


def explained(module: nn.Module, x: Tensor, name: str, **parameters: object) -> Prepare:
    """The whole of an explainer, from the network and the image to the map."""
    return lambda: lambda: xc.attribute(module, x, explainer=name, target=0, **parameters)


def few(module: nn.Module, x: Tensor, name: str) -> dict[str, Prepare]:
    """Explainers of a few forward passes on the network ``name``."""

    def shared() -> Callable[[], object]:
        recording = xc.record(module, x)
        return lambda: xc.attribute(recording, explainer="lrp-epsilon-plus", target=0)

    return {
        "record": lambda: lambda: xc.record(module, x),
        **{walk: explained(module, x, walk) for walk in WALKS},
        "lrp-epsilon-plus, shared recording": shared,
        "grad-cam": explained(module, x, "grad-cam", target_layer=GRAD_CAM_LAYER[name]),
    }


def many(module: nn.Module, x: Tensor) -> dict[str, Prepare]:
    """Explainers of many forward passes."""
    return {name: explained(module, x, name, **parameters) for name, parameters in MANY.items()}
