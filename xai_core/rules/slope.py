"""The slope of an elementwise function between two points: difference of outputs over difference of inputs.

Where both points nearly coincide the quotient would be rounding noise that the weights below magnify, so the mean
derivative between them (Gauss-Legendre, two points) takes its place. Across a kink the quotient stays: it alone is exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from xai_core.rules.layers import is_free
from xai_core.rules.pair import Pair
from xai_core.steps import Step, Value

PIECEWISE_LINEAR = frozenset(
    "relu leaky_relu hardtanh clamp clamp_min clamp_max threshold _prelu_kernel prelu rrelu_with_noise abs relu6 hardsigmoid "
    "hardshrink softshrink where masked_fill maximum minimum".split()
)
SMOOTH_AT_UNIT_SCALE = frozenset(
    "sigmoid tanh silu gelu elu celu selu mish softplus log_sigmoid_forward exp erf sin cos".split()
)
_CLOSE = 1e-2
_GAUSS = (0.5 - 0.5 / 3**0.5, 0.5 + 0.5 / 3**0.5)
_KINKS: Mapping[str, tuple[float, ...]] = {"hardswish": (-3.0, 0.0, 3.0)}


def slope_of(pair: Pair, step: Step, value: Value) -> Tensor:
    """(f(x) - f(x0)) / (x - x0) for every element of ``value``, the derivative where both are the same."""
    image, baseline = pair.at(value)
    if step.operation == "relu":
        return relu_slope(image, baseline)
    rise = pair.delta(step.outputs[0])  # each pass with its own constants: masks may differ
    run = image - baseline
    slope = rise / run
    near = run == 0
    if step.operation not in PIECEWISE_LINEAR and _is_plain(step, value):
        unit = image.abs().clamp_max_(1) if step.operation not in SMOOTH_AT_UNIT_SCALE else 1.0
        near |= (run.abs() <= _CLOSE * unit) & _same_piece(step, image, baseline)
    if bool(near.any()):
        slope[near] = _derivative(step, value, image, baseline, near)
    return slope


def relu_slope(image: Tensor, baseline: Tensor) -> Tensor:
    """The slope of max(x, 0), in as few passes as it takes: between 0 and 1 whatever the rounding."""
    run = image - baseline
    slope = image.clamp_min(0).sub_(baseline.clamp_min(0)).div_(run)
    still = run == 0
    return torch.where(still, (image > 0).to(slope.dtype), slope) if bool(still.any()) else slope


def _is_plain(step: Step, value: Value) -> bool:
    """Whether the function has no tensor but ``value``, so that it can be asked about some elements alone."""
    others = [argument for argument in step.arguments if argument is not value]
    return not any(isinstance(argument, Tensor | Value) for argument in [*others, *step.options.values()])


def _same_piece(step: Step, image: Tensor, baseline: Tensor) -> Tensor:
    same = torch.ones_like(image, dtype=torch.bool)
    for kink in _KINKS.get(step.operation, (0.0,)):
        same &= (image > kink) == (baseline > kink)
    return same


def _derivative(step: Step, value: Value, image: Tensor, baseline: Tensor, chosen: Tensor) -> Tensor:
    """The mean derivative between both points of the ``chosen`` elements."""
    if not _is_plain(step, value):  # a tensor of parameters: all elements at once
        return gradient_of(step, value, image)[chosen]
    low, high = baseline[chosen], image[chosen]
    first, second = (gradient_of(step, value, torch.lerp(low, high, share)) for share in _GAUSS)
    return (first + second) / 2


def gradient_of(step: Step, value: Value, samples: Tensor) -> Tensor:
    """The derivative of an elementwise ``step`` with respect to ``value``, had that held ``samples``."""

    def filled(argument: Any, leaf: Tensor) -> Any:
        if argument is value:
            return leaf
        return argument.tensor if isinstance(argument, Value) and is_free(argument) else argument

    with torch.enable_grad():
        leaf = samples.detach().clone().requires_grad_()
        own = leaf.clone()  # an in-place operation may not write to a leaf
        result = step.function(
            *[filled(argument, own) for argument in step.arguments],
            **{name: filled(option, own) for name, option in step.options.items()},
        )
        result = result if isinstance(result, Tensor) else result[0]
        if not result.requires_grad:  # a step function
            return torch.zeros_like(samples)
        return torch.autograd.grad(result.sum(), leaf)[0]
