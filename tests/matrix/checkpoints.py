"""Published checkpoints beside the checkout (``shared/data/weights``) as plain modules, from their cards."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from xai_core.errors import ModelError

ROOT = Path(__file__).resolve().parents[2]
ACTIVATIONS: Mapping[str, type[nn.Module]] = {"relu": nn.ReLU, "elu": nn.ELU}


def folder() -> Path:
    """Where the checkpoints lie: ``../shared/data/weights``, or under the folder in ``LIGHTBOX_SHARED``."""
    return Path(os.environ.get("LIGHTBOX_SHARED") or ROOT.parent / "shared" / "data") / "weights"


def _read(name: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Weights and card of a checkpoint; float16 is widened."""
    path = folder() / f"{name}.safetensors"
    if not path.is_file():
        raise ModelError(f"The checkpoint {path} is not here.", "Put the reference data beside the checkout.")
    weights = {key: value.float() if value.is_floating_point() else value for key, value in load_file(path).items()}
    return weights, json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))


def _filled(module: nn.Module, weights: Mapping[str, Tensor]) -> nn.Module:
    module.load_state_dict(weights)
    return module.eval()


def meshnet(name: str) -> nn.Module:
    """A MeshNet: dilated 3-D convolutions and activations in a row, (N, 1, *space) to (N, classes, *space)."""
    weights, card = _read(f"meshnet/{name}")
    module = nn.Sequential()
    for position, layer in enumerate(card["layers"]):
        if layer["op"] == "conv3d":
            settings = {key: layer[key] for key in ("kernel_size", "dilation", "padding", "bias")}
            module.add_module(layer["key"], nn.Conv3d(layer["in_channels"], layer["out_channels"], **settings))
        else:
            module.add_module(f"activation{position}", ACTIVATIONS[layer["name"]]())
    return _filled(module, weights)


def brain_cnn() -> nn.Module:
    """Two convolutions and two fully connected layers, four kinds of brain slices."""
    module = _InTwo(
        "conv_layers",
        nn.Sequential(*_stage(1, 16), *_stage(16, 32)),
        "fc_layers",
        nn.Sequential(nn.Flatten(), nn.Linear(8192, 64), nn.ReLU(), nn.Linear(64, 4)),
    )
    return _filled(module, _read("brain2d/brain_tumour_cnn4_64px")[0])


def tiny_vgg() -> nn.Module:
    """Four convolutions and one fully connected layer, normal or pneumonia."""
    module = nn.Sequential()
    for name, channels in (("conv_block_1", 3), ("conv_block_2", 10)):
        first, relu, _ = _stage(channels, 10)
        module.add_module(name, nn.Sequential(first, relu, *_stage(10, 10)))
    module.add_module("classifier", nn.Sequential(nn.Flatten(), nn.Linear(2560, 2)))
    return _filled(module, _read("chest/pneumonia_tinyvgg_64px")[0])


def vgg_bn() -> nn.Module:
    """Five convolutions with batch norm and three fully connected layers, one probability of pneumonia."""
    channels = (1, 8, 8, 8, 16, 16)
    stages = []
    for below, above in itertools.pairwise(channels):
        convolution, *rest = _stage(below, above)
        stages += [convolution, nn.BatchNorm2d(above), *rest]
    head = nn.Sequential(
        nn.Flatten(),
        *(nn.Linear(256, 64), nn.ReLU(), nn.Dropout()),
        *(nn.Linear(64, 32), nn.ReLU(), nn.Dropout()),
        *(nn.Linear(32, 1), nn.Sigmoid()),
    )
    module = _InTwo("conv_layers", nn.Sequential(*stages), "fc_layers", head)
    return _filled(module, _read("chest/pneumonia_vggbn5_150px")[0])


def _stage(below: int, above: int) -> tuple[nn.Module, nn.Module, nn.Module]:
    return nn.Conv2d(below, above, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)


class _InTwo(nn.Sequential):
    """Two named parts in a row."""

    def __init__(self, first: str, body: nn.Module, second: str, head: nn.Module) -> None:
        super().__init__()
        self.add_module(first, body)
        self.add_module(second, head)


def covid_mobilenet() -> nn.Module:
    """MobileNet v2 with squeeze and excitation, batch norm folded by its authors, three labels."""
    weights, card = _read("chest/covid_se_mobilenetv2_224px")
    return Graph(card["ops"], weights, card["output"]).eval()


class Graph(nn.Module):
    """The operations of a card in order, weights unpacked from eight bits."""

    def __init__(self, operations: list[dict[str, Any]], weights: Mapping[str, Tensor], output: str) -> None:
        super().__init__()
        self.operations, self.output = operations, output
        for operation in operations:
            if (key := operation.get("key")) is None:
                continue
            packed, scale = weights[f"{key}.weight_q"].float(), weights[f"{key}.weight_scale"]
            self.register_buffer(f"{key}_weight", packed * scale.reshape(-1, *[1] * (packed.ndim - 1)))
            self.register_buffer(f"{key}_bias", weights.get(f"{key}.bias"))

    def forward(self, x: Tensor) -> Tensor:
        values = {"x0": x}
        for operation in self.operations:
            inputs = [values[name] for name in operation["inputs"]]
            result = getattr(self, f"_{operation['op']}")(operation, *inputs)
            values[operation["output"]] = torch.relu(result) if operation.get("act") == "relu" else result
        return values[self.output]

    def _weights(self, operation: dict[str, Any]) -> tuple[Tensor, Tensor | None]:
        return getattr(self, f"{operation['key']}_weight"), getattr(self, f"{operation['key']}_bias")

    def _conv2d(self, operation: dict[str, Any], x: Tensor) -> Tensor:
        before, after = operation["pad_before"], operation["pad_after"]
        padding = before
        if before != after:
            x, padding = F.pad(x, (before, after, before, after)), 0
        return F.conv2d(x, *self._weights(operation), operation["stride"], padding, 1, operation["groups"])

    def _linear(self, operation: dict[str, Any], x: Tensor) -> Tensor:
        return F.linear(x.flatten(1), *self._weights(operation))

    def _global_avg_pool(self, _operation: dict[str, Any], x: Tensor) -> Tensor:
        return x.mean((2, 3))

    def _unsqueeze_hw(self, _operation: dict[str, Any], x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], 1, 1)

    def _sigmoid(self, _operation: dict[str, Any], x: Tensor) -> Tensor:
        return torch.sigmoid(x)

    def _add(self, _operation: dict[str, Any], a: Tensor, b: Tensor) -> Tensor:
        return a + b

    def _mul(self, _operation: dict[str, Any], a: Tensor, b: Tensor) -> Tensor:
        if a.ndim != b.ndim:
            b = b.reshape(*b.shape, *[1] * (a.ndim - b.ndim))
        return a * b
