"""Grad-CAM (Selvaraju et al. 2017, equations 1 and 2): ReLU of the activations of one layer, weighted by their mean gradients."""

from __future__ import annotations

from collections.abc import Mapping
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
from xai_core.steps import Recording, Value

TARGET_LAYER = Parameter(
    "target_layer",
    "text",
    "",
    "Module whose output is weighted; empty: the last one that still has space.",
    title="Target layer",
)


def layer_value(request: Request, path: str) -> tuple[Value, str]:
    """The value of the chosen module (or the card's, or the last with space) and its path."""
    recording = request.recording
    wanted = path or request.target_layer
    if wanted:
        value = recording.module_outputs.get(wanted)
        if value is None or len(value.shape) < 3:
            spatial = [name for name, found in recording.module_outputs.items() if len(found.shape) >= 3 and name]
            raise ParameterError(
                f"There is no layer '{wanted}' with a spatial output in this network.",
                f"Choose one of: {', '.join(spatial[-8:]) or 'none'}.",
            )
        return value, wanted
    return last_spatial(request, recording)


def last_spatial(request: Request, recording: Recording) -> tuple[Value, str]:
    """The last value with more than one position before space is averaged or flattened away, on the way to the logit."""
    needed = {request.logit_value.index}  # a write in place leaves versions behind that nothing reads
    for step in reversed(recording.steps):
        value = step.outputs[0]
        if not any(output.index in needed for output in step.outputs):
            continue
        needed.update(below.index for below in step.inputs)
        if step.operation in AVERAGES or (step.operation in STRUCTURE and step.operation != "cat"):
            continue
        if len(value.shape) == request.x.ndim and len(value.shape) >= 3 and value.shape[2:].numel() > 1:
            if value is request.logit_value:
                continue
            return value, step.path
    raise UnsupportedOperationError(
        "global flattening", "", "grad-cam", ("lrp-epsilon-plus", "gradient", "input-x-gradient", "occlusion")
    )


def spread_over(cam: Tensor, like: Tensor) -> Tensor:
    """A map (N, 1, *grid) resized linearly (pixel centres) to the space of ``like``, the same for every channel."""
    mode = {3: "linear", 4: "bilinear", 5: "trilinear"}[like.ndim]
    resized = interpolate(cam, size=tuple(like.shape[2:]), mode=mode, align_corners=False)
    return resized.expand_as(like).contiguous()


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
    value, path = layer_value(request, parameters["target_layer"])
    gradient = input_gradient(request, until=value)
    axes = tuple(range(2, gradient.ndim))
    activations = request.recording.tensor(value)
    cam = torch.relu((gradient.mean(axes, keepdim=True) * activations).sum(1, keepdim=True))
    grid = " x ".join(str(size) for size in activations.shape[2:])
    return Attribution(spread_over(cam, request.x), None, request.targets(), facts={"target_layer": path, "grid": grid})
