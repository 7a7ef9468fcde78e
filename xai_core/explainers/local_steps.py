"""Which recorded steps look at a neighbourhood only: its geometry, and how to compute the step on a crop that brings its own rim.

A step that is not listed, or not in this form (a transposed convolution, an average over what lies within the image only), counts as
seeing everything; so does a copy into another layout, since a crop is pasted into a layer of the usual one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from xai_core.rules.derivative import pool_settings
from xai_core.steps import NORMS, Step, Value, tensors_of

Read = Callable[[Value], Tensor]
Axes = tuple[int, ...]


@dataclass(frozen=True)
class Geometry:
    """``kernel``, ``stride``, ``padding``, ``dilation`` by axis; ``outside``: what the padding holds; ``compute``: the first output of
    the step from its inputs as ``compute``'s reader gives them, padded already."""

    kernel: Axes
    stride: Axes
    padding: Axes
    dilation: Axes
    outside: float
    compute: Callable[[Read], Tensor]

    @property
    def axes(self) -> tuple[Axes, Axes, Axes, Axes]:
        return self.kernel, self.stride, self.padding, self.dilation


Local = Callable[[Step], Geometry | None]
_LOCAL: dict[str, Local] = {}


def geometry_of(step: Step) -> Geometry | None:
    """The neighbourhood that ``step`` sees, or None where it may see everything."""
    known = _LOCAL.get(step.operation)
    if known is None or not step.outputs or any(len(value.shape) < 3 for value in (*step.inputs, *step.outputs[:1])):
        return None
    if len({(value.shape[0], *value.shape[2:]) for value in step.inputs}) != 1:
        return None
    return known(step)


def local(*operations: str) -> Callable[[Local], Local]:
    """Register the geometry of ATen operations."""

    def add(function: Local) -> Local:
        for operation in operations:
            _LOCAL[operation] = function
        return function

    return add


@local("convolution")
def _convolution(step: Step) -> Geometry | None:
    value, weight, bias, stride, padding, dilation, transposed, output_padding, groups = step.arguments
    if transposed or not isinstance(value, Value) or isinstance(weight, Value) or isinstance(bias, Value):
        return None
    dims = weight.ndim - 2
    stride, padding, dilation = (_axes(given, dims) for given in (stride, padding, dilation))

    def compute(read: Read) -> Tensor:
        none = [0] * dims
        arguments = (weight, bias, stride, none, dilation, False, output_padding, groups)
        return torch.ops.aten.convolution(read(value), *arguments)  # type: ignore[no-any-return]

    return Geometry(tuple(weight.shape[2:]), stride, padding, dilation, 0.0, compute)


@local("max_pool2d_with_indices", "max_pool3d_with_indices")
def _max_pool(step: Step) -> Geometry | None:
    value = step.arguments[0]
    dims = len(value.shape) - 2
    kernel, stride, padding, dilation = (_axes(given, dims) for given in pool_settings(step)[:4])
    stride = _axes(pool_settings(step)[1], dims) or kernel
    pool = torch.nn.functional.max_pool2d if dims == 2 else torch.nn.functional.max_pool3d
    return Geometry(
        kernel, stride, padding, dilation, -torch.inf, lambda read: pool(read(value), kernel, stride, 0, dilation)
    )


@local("avg_pool2d", "avg_pool3d")
def _average_pool(step: Step) -> Geometry | None:
    value, *given = step.arguments
    kernel, stride, padding, ceil_mode, counts_padding, divisor = given + [[], 0, False, True, None][len(given) - 1 :]
    dims = len(value.shape) - 2
    kernel, padding = _axes(kernel, dims), _axes(padding, dims)
    stride = _axes(stride, dims) or kernel
    if ceil_mode or (any(padding) and not counts_padding):
        return None  # its divisor depends on the place
    pool = torch.nn.functional.avg_pool2d if dims == 2 else torch.nn.functional.avg_pool3d

    def compute(read: Read) -> Tensor:
        return pool(read(value), kernel, stride, 0, divisor_override=divisor)

    return Geometry(kernel, stride, padding, (1,) * dims, 0.0, compute)


@local(*NORMS)
def _norm(step: Step) -> Geometry | None:
    is_eval = step.operation.endswith("no_training") or (step.arguments[5] is False and step.arguments[3] is not None)
    return _position_by_position(step) if is_eval else None


@local("cat")
def _concatenation(step: Step) -> Geometry | None:
    axis = step.arguments[1] if len(step.arguments) > 1 else step.options.get("dim", 0)
    is_of_channels = axis % len(step.outputs[0].shape) == 1
    return (
        _position_by_position(step)
        if is_of_channels and all(isinstance(part, Value) for part in step.arguments[0])
        else None
    )


@local(
    *"relu leaky_relu elu celu silu gelu mish hardswish hardsigmoid hardtanh sigmoid tanh softplus threshold clamp "
    "_prelu_kernel abs neg exp sqrt square add sub mul div".split()
)
def _elementwise(step: Step) -> Geometry | None:
    fixed = [given for given in (*step.arguments, *step.options.values()) if isinstance(given, Tensor)]
    is_same_everywhere = all(given[(0,) * min(given.ndim, 2)].numel() == 1 or given.numel() == 1 for given in fixed)
    return _position_by_position(step) if is_same_everywhere else None


def _position_by_position(step: Step) -> Geometry:
    """A step that looks at one position at a time."""
    ones = (1,) * (len(step.outputs[0].shape) - 2)

    def compute(read: Read) -> Tensor:
        return next(tensors_of(step.function(*put(step.arguments, read), **step.options)))

    return Geometry(ones, ones, (0,) * len(ones), ones, 0.0, compute)


def put(argument: Any, read: Read) -> Any:
    """``argument`` with tensors in the place of values."""
    if isinstance(argument, Value):
        return read(argument)
    if isinstance(argument, list | tuple):
        return [put(part, read) for part in argument]
    return argument


def _axes(given: int | Sequence[int], dims: int) -> Axes:
    """One number an axis; empty stays empty."""
    if isinstance(given, int):
        return (given,) * dims
    return tuple(given) * (dims if len(given) == 1 else 1)
