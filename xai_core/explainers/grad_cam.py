"""Grad-CAM (Selvaraju et al. 2017, equations 1 and 2): ReLU of the activations of one layer, weighted by their mean gradients.

With A_k the maps of one layer and S the logit,

    map = ReLU(sum_k w_k A_k),  w_k = mean over positions of dS/dA_k

resized linearly to the image.

What it tells: where the layer holds features that this label likes on the whole. On chest films it found the finding better than
other gradient maps and still clearly less well than a radiologist (Saporta et al. 2022).

What it cannot tell: anything finer than the layer's grid (a cell of a 7 x 7 grid is 32 pixels wide), what speaks against
the label, and how much of the logit it stands for.

Known failures: averaging the gradient over space can light up places that the network did not use (Draelos and Carin 2020); HiResCAM
does without the average. Networks of tokens (vision transformers) are refused: which token stands where is theirs to know, and a class
token stands nowhere.

Cost: one forward and a short backward pass. For segmentation S is the sum of the label's logits over the region, as in
Seg-Grad-CAM (Vinogradova et al. 2020).

The family shares what is here: which layer is looked at, and how its map becomes one of the image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from xai_core.errors import ParameterError, UnsupportedOperationError
from xai_core.explainers.gradient import input_gradient
from xai_core.explainers.registry import explainer
from xai_core.explainers.request import Attribution, Request
from xai_core.parameters import Parameter
from xai_core.rules.operations import AVERAGES, STRUCTURE
from xai_core.steps import Step, Value

TARGET_LAYER = Parameter(
    "target_layer",
    "text",
    "",
    "Module whose output (N, channels, *grid) is looked at; empty: the last one that still has space.",
    title="Target layer",
)
_MOVES = frozenset(STRUCTURE) - {"cat"}
ALTERNATIVES = ("lrp-epsilon-plus", "gradient", "input-x-gradient", "occlusion")


def layer_value(request: Request, path: str, explainer: str) -> tuple[Value, str]:
    """The value of the chosen module (or the card's, or the last with space) and its path.

    Raises :class:`ParameterError` for a module whose output is no map (N, K, *grid), and :class:`UnsupportedOperationError`
    naming ``explainer`` where the network has none at all.
    """
    wanted = path or request.target_layer
    if not wanted:
        return last_spatial(request, explainer)
    outputs = request.recording.module_outputs
    value = outputs.get(wanted)
    if value is None or not is_map(value, request.x):
        spatial = [name for name, found in outputs.items() if name and is_map(found, request.x)]
        raise ParameterError(
            f"There is no layer '{wanted}' with a spatial output in this network.",
            f"Choose one of: {', '.join(spatial[-8:]) or 'none'}.",
        )
    return value, wanted


def is_map(value: Value, x: Tensor) -> bool:
    """Whether ``value`` is (N, K, *grid) with as many axes as the input (N, C, *space)."""
    return len(value.shape) == x.ndim >= 3 and value.shape[0] == x.shape[0]


def last_spatial(request: Request, explainer: str) -> tuple[Value, str]:
    """The last map with more than one position before space is averaged, flattened or cut into tokens, on the way to the logit."""
    averaged: set[int] = set()
    needed = {request.logit_value.index}  # a write in place leaves versions behind that nothing reads
    for step in reversed(request.recording.steps):
        value = step.outputs[0]
        if not any(output.index in needed for output in step.outputs):
            continue
        needed.update(below.index for below in step.inputs)
        if step.operation in AVERAGES:
            averaged.add(step.inputs[0].index)
        elif _holds_tokens(step, request.x):
            raise UnsupportedOperationError(
                f"{step.operation} on tokens",
                step.path,
                explainer,
                ALTERNATIVES,
                f"{explainer} needs maps over the image, and this network works on tokens ('{step.path}').",
            )
        elif (
            is_map(value, request.x)
            and value.shape[2:].numel() > 1
            and value is not request.logit_value
            and not value.is_constant
            and (step.operation not in _MOVES or value.index in averaged)  # permuted so that channels come first
            and step.operation != "native_layer_norm"
        ):
            return value, step.path
    raise UnsupportedOperationError(
        "flattening",
        "",
        explainer,
        ALTERNATIVES,
        f"{explainer} needs a layer with maps over the image, and this network has none.",
    )


def _holds_tokens(step: Step, x: Tensor) -> bool:
    """Whether the step computes on tokens: several positions, features on the last axis or fewer axes than the input."""
    shape = step.outputs[0].shape
    if step.operation in STRUCTURE or len(shape) < 3 or shape[1:].numel() == max(shape[1:]):
        return False
    normalises_last = step.operation == "native_layer_norm" and len(step.arguments[1]) == 1
    return normalises_last or len(shape) < x.ndim


def layer_and_gradient(request: Request, path: str, explainer: str) -> tuple[Tensor, Tensor, str]:
    """The layer's maps A (N, K, *grid), dS/dA shaped like them, and the layer's path."""
    value, found = layer_value(request, path, explainer)
    return request.recording.tensor(value), input_gradient(request, until=value), found


def weighted(weights: Tensor, activations: Tensor) -> Tensor:
    """sum_k w_k A_k: weights (N, K), maps (N, K, *grid) -> (N, 1, *grid)."""
    shaped = weights.reshape(weights.shape + (1,) * (activations.ndim - 2))
    return (shaped * activations).sum(1, keepdim=True)


def resized(maps: Tensor, like: Tensor) -> Tensor:
    """Maps (N, K, *grid) resized linearly (pixel centres, no aligned corners) to the space of ``like``."""
    mode = {3: "linear", 4: "bilinear", 5: "trilinear"}[like.ndim]
    return interpolate(maps, size=tuple(like.shape[2:]), mode=mode, align_corners=False)


def spread_over(cam: Tensor, like: Tensor) -> Tensor:
    """A map (N, 1, *grid) resized to the space of ``like``, the same for every channel."""
    return resized(cam, like).expand_as(like).contiguous()


def attribution_of(request: Request, cam: Tensor, path: str, notes: Sequence[str] = ()) -> Attribution:
    """The map (N, 1, *grid) of the layer ``path`` brought to the image, with the layer and its grid among the facts."""
    grid = " x ".join(str(size) for size in cam.shape[2:])
    facts: dict[str, float | str] = {"target_layer": path, "grid": grid}
    return Attribution(spread_over(cam, request.x), None, request.targets(), tuple(notes), facts=facts)


def grad_cam_map(request: Request, path: str, explainer: str) -> tuple[Tensor, str]:
    """Grad-CAM on the layer's own grid, (N, 1, *grid), and the layer's path."""
    activations, gradient, found = layer_and_gradient(request, path, explainer)
    return torch.relu(weighted(gradient.flatten(2).mean(2), activations)), found


@explainer(
    name="grad-cam",
    title="Grad-CAM",
    family="CAM",
    taxonomy=("white box", "linearisation", "local"),
    parameters=(TARGET_LAYER,),
    dims=(1, 2, 3),
    target_dependent=True,
    exact=True,
    summary="Where the last spatial layer speaks for the target: coarse, robust, blind to what speaks against it.",
    source="Selvaraju et al. 2017, eq. 1 and 2",
    is_signed=False,
    reduce="mean",
    cost=1.2,
)
def grad_cam(request: Request, parameters: Mapping[str, Any]) -> Attribution:
    """ReLU(sum_k mean(dS/dA_k) A_k), resized linearly to the input; the same in every channel; not negative."""
    request = request.behind(parameters["target_layer"])
    cam, path = grad_cam_map(request, parameters["target_layer"], "grad-cam")
    return attribution_of(request, cam, path)
