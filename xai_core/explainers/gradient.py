"""The gradient of the logit, and the gradient times the input: how the answer moves with each pixel.

    gradient:          R = d logit / d x
    input x gradient:  R = x * d logit / d x

The gradient (Simonyan et al. 2014) is shown as its greatest magnitude over the channels; the product (Shrikumar et al. 2016)
keeps its sign.

What it tells: the gradient says how fast the logit would change if a pixel changed a little, the product what the pixel adds to
the first-order expansion of the network at this image. In a network of ReLUs and max pools the product is LRP-0 (Ancona et al. 2018).

What it cannot tell: how much of the logit a pixel accounts for. A unit that is saturated has no gradient and drops out, however
much it matters (Sundararajan et al. 2017). The product is zero wherever the pixel is zero, and another map when black is written
as another number (Kindermans et al. 2019).

Known failures: gradients of deep networks resemble noise (Balduzzi et al. 2017), changes of the image that no eye sees can alter
the map (Ghorbani et al. 2019), and products with the input look like the image whatever the network has learned (Adebayo et al. 2018).

Cost: one forward and one backward pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from xai_core.explainers.registry import explainer
from xai_core.explainers.request import Attribution, Request
from xai_core.keeping import FOR_GRADIENTS
from xai_core.propagate import gradient_walk
from xai_core.record import record
from xai_core.steps import Value


def lean(request: Request) -> Request:
    """The same request; where nobody shares a recording, with one that holds what the chain rule reads and no more."""
    if request.shared is not None:
        return request
    return replace(request, shared=record(request.module, request.x, FOR_GRADIENTS))


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
    request = lean(request)
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
    request = lean(request)
    return Attribution(input_gradient(request) * request.x, None, request.targets())
