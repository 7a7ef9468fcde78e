"""The gradient of the logit, and the gradient times the input (Simonyan et al. 2014; Shrikumar et al. 2016)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from xai_core.explainers.registry import explainer
from xai_core.explainers.request import Attribution, Request
from xai_core.propagate import gradient_walk
from xai_core.steps import Value


def input_gradient(request: Request, until: Value | None = None) -> Tensor:
    """d (explained scalar) / d input (or ``until``)."""
    return gradient_walk(request.recording.ending_at(request.logit_value), request.selection(), until=until)


@explainer(
    name="gradient",
    title="Gradient",
    family="gradient",
    taxonomy=("white box", "linearisation", "local"),
    parameters=(),
    dims=(0, 1, 2, 3),
    target_dependent=True,
    exact=True,
    summary="How the logit would change if a pixel changed a little: sensitivity, not contribution.",
    source="Simonyan et al. 2014, arXiv 1312.6034",
    reduce="max-abs",
    cost=2.0,
)
def gradient(request: Request, parameters: Mapping[str, Any]) -> Attribution:
    """d logit / d x, (N, C, *space), signed."""
    return Attribution(input_gradient(request), None, request.targets())


@explainer(
    name="input-x-gradient",
    title="Input x gradient",
    family="gradient",
    taxonomy=("white box", "linearisation", "local"),
    parameters=(),
    dims=(0, 1, 2, 3),
    target_dependent=True,
    exact=True,
    summary="The gradient weighted by the pixel's own value: the first-order contribution.",
    source="Shrikumar et al. 2016, arXiv 1605.01713",
    cost=2.0,
)
def input_x_gradient(request: Request, parameters: Mapping[str, Any]) -> Attribution:
    """x * d logit / d x, (N, C, *space), signed."""
    return Attribution(input_gradient(request) * request.x, None, request.targets())
