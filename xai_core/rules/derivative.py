"""The derivative of one recorded operation: R of the outputs to R of the inputs, by the chain rule.

Hot operations call ATen's own backward functions on what was kept; any other is differentiated by autograd alone, on
detached inputs. So gradients equal autograd's for whatever PyTorch can differentiate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from xai_core.errors import UnsupportedOperationError
from xai_core.keeping import SHAPE_ONLY, has_fixed_statistics
from xai_core.rules.layers import constant, is_free
from xai_core.steps import NORMS, Recording, Step, Value, parted

Derivative = Callable[[Recording, Step, Tensor], "list[tuple[Value, Tensor]]"]
_DERIVATIVES: dict[str, Derivative] = {}


def derivative_of(recording: Recording, step: Step, grads: Sequence[Tensor | None]) -> Iterator[tuple[Value, Tensor]]:
    """Pairs (value, gradient) for every input of ``step`` that depends on the network's input."""
    known = _DERIVATIVES.get(step.operation)
    if known is not None and grads[0] is not None:
        yield from known(recording, step, grads[0])
        return
    yield from _by_autograd(recording, step, grads)


def derivative(*operations: str) -> Callable[[Derivative], Derivative]:
    """Register a hand-written derivative for ATen operations with one output that matters."""

    def add(function: Derivative) -> Derivative:
        for operation in operations:
            _DERIVATIVES[operation] = function
        return function

    return add


@derivative("convolution")
def _convolution(recording: Recording, step: Step, grad: Tensor) -> list[tuple[Value, Tensor]]:
    a, weight = step.arguments[:2]
    if is_free(a) or not is_free(weight) or not is_free(step.arguments[2]):
        return list(_by_autograd(recording, step, [grad]))
    like = unread(recording, a, grad)
    result = torch.ops.aten.convolution_backward(
        grad, like, constant(weight), None, *step.arguments[3:], [True, False, False]
    )
    return [(a, result[0])]


def unread(recording: Recording, value: Value, grad: Tensor) -> Tensor:
    """Memory shaped and laid out like ``value`` (as many samples as ``grad``), for backward functions that read none of it."""
    is_last = recording.is_channels_last and len(value.shape) == 4
    layout = torch.channels_last if is_last else torch.contiguous_format
    shape = (grad.shape[0], *value.shape[1:])
    return torch.empty(shape, dtype=grad.dtype, device=grad.device, memory_format=layout)


@derivative("addmm")
def _fully_connected(recording: Recording, step: Step, grad: Tensor) -> list[tuple[Value, Tensor]]:
    bias, a, weight = step.arguments[:3]
    if is_free(a) or not is_free(weight) or not is_free(bias) or step.options:
        return list(_by_autograd(recording, step, [grad]))
    return [(a, grad @ constant(weight).t())]


@derivative("relu")
def _relu(recording: Recording, step: Step, grad: Tensor) -> list[tuple[Value, Tensor]]:
    value, out = step.inputs[0], step.outputs[0]
    if out.positive is not None:
        return [(value, grad * out.positive)]
    return [(value, torch.ops.aten.threshold_backward(grad, recording.tensor(out), 0))]


@derivative("view", "_unsafe_view", "reshape", "unsqueeze", "squeeze")
def _view(recording: Recording, step: Step, grad: Tensor) -> list[tuple[Value, Tensor]]:
    value = step.inputs[0]
    return [(value, grad.reshape(value.shape))]


@derivative("cat")
def _concatenation(recording: Recording, step: Step, grad: Tensor) -> list[tuple[Value, Tensor]]:
    parts = step.arguments[0]
    dim = step.arguments[1] if len(step.arguments) > 1 else step.options.get("dim", 0)
    shares, start = [], 0
    for part in parts:
        if len(part.shape) == 1 and part.shape[0] == 0:
            continue
        size = part.shape[dim]
        if not is_free(part):
            shares.append((part, grad.narrow(dim, start, size)))
        start += size
    return shares


@derivative("max_pool2d_with_indices", "max_pool3d_with_indices")
def _max_pool(recording: Recording, step: Step, grad: Tensor) -> list[tuple[Value, Tensor]]:
    value = step.arguments[0]
    kernel, stride, padding, dilation, ceil_mode = pool_settings(step)
    like = unread(recording, value, grad)
    if not recording.is_channels_last:
        grad = grad.contiguous()
    backward = getattr(torch.ops.aten, f"{step.operation}_backward")
    indices = recording.tensor(step.outputs[1])
    return [(value, backward(grad, like, kernel, stride, padding, dilation, ceil_mode, indices))]


def pool_settings(step: Step) -> list[Any]:
    """Kernel, stride, padding, dilation and ceil mode of a max pool, defaults filled in."""
    given = list(step.arguments[1:])
    return given + [[], 0, 1, False][len(given) - 1 :]


@derivative("add", "sub")
def _sum(recording: Recording, step: Step, grad: Tensor) -> list[tuple[Value, Tensor]]:
    factor = step.options.get("alpha", 1) * (1 if step.operation == "add" else -1)
    shares = []
    for part, sign in zip(step.arguments[:2], (1, factor), strict=True):
        if not is_free(part):
            share = grad if sign == 1 else grad * sign
            shares.append((part, share if share.shape == part.shape else share.sum_to_size(part.shape)))
    return shares


@derivative("mul")
def _product(recording: Recording, step: Step, grad: Tensor) -> list[tuple[Value, Tensor]]:
    left, right = step.arguments[:2]
    shares = []
    for part, other in ((left, right), (right, left)):
        if not is_free(part):
            factor = recording.tensor(other) if isinstance(other, Value) else other
            share = grad * factor
            shares.append((part, share if share.shape == part.shape else share.sum_to_size(part.shape)))
    return shares


@derivative(*NORMS)
def _batch_norm(recording: Recording, step: Step, grad: Tensor) -> list[tuple[Value, Tensor]]:
    value, weight = step.arguments[0], constant(step.arguments[1])
    variance = constant(step.arguments[4])
    if not has_fixed_statistics(step):
        return list(_by_autograd(recording, step, [grad]))
    scale = torch.rsqrt(variance + step.arguments[-1])
    scale = scale if weight is None else scale * weight
    return [(value, grad * scale.reshape((1, -1) + (1,) * (grad.ndim - 2)))]


@derivative("rrelu_with_noise")
def _random_leak(recording: Recording, step: Step, grad: Tensor) -> list[tuple[Value, Tensor]]:
    """In eval mode a leaky ReLU with the mean of both slopes."""
    value = step.inputs[0]
    low, high = (*step.arguments[2:4], 1 / 8, 1 / 3)[:2]
    return [(value, torch.where(recording.tensor(value) > 0, grad, grad * (low + high) / 2))]


@derivative("overwrite")
def _overwrite(recording: Recording, step: Step, grad: Tensor) -> list[tuple[Value, Tensor]]:
    old, new = step.arguments
    shares = zip((old, new), parted(grad, step.options["old"], step.options["new"]), strict=True)
    return [(value, share) for value, share in shares if not value.is_constant]


def _by_autograd(recording: Recording, step: Step, grads: Sequence[Tensor | None]) -> Iterator[tuple[Value, Tensor]]:
    """The operation run again on detached inputs under autograd; its in-place form on clones."""
    leaves: dict[int, tuple[Value, Tensor]] = {}
    with torch.enable_grad():
        arguments = [_leaf(argument, recording, step, leaves) for argument in step.arguments]
        options = {name: _leaf(option, recording, step, leaves) for name, option in step.options.items()}
        arguments = [a.clone() if isinstance(a, Tensor) and a.requires_grad else a for a in arguments]
        results = step.function(*arguments, **options)
    results = [results] if isinstance(results, Tensor) else list(results)
    pairs = [(r, g) for r, g in zip(results, grads, strict=False) if g is not None and r.requires_grad]
    if not pairs and step.operation != "detach":  # a step function has a derivative, which is zero; this has none
        raise _no_derivative(step)
    if not pairs:
        return
    own = [(value, samples) for value, samples in leaves.values() if samples.requires_grad]
    inputs = [samples for _, samples in own]
    try:
        found = torch.autograd.grad(
            [r for r, _ in pairs], inputs, [laid_out(g.expand_as(r)) for r, g in pairs], allow_unused=True
        )
    except RuntimeError as error:
        if step.function.namespace == "aten" and not isinstance(error, NotImplementedError):
            raise
        raise _no_derivative(step) from error
    if all(gradient is None for gradient in found):  # an operation from elsewhere that autograd was not told of
        raise _no_derivative(step)
    for (value, _), gradient in zip(own, found, strict=True):
        if gradient is not None:
            yield value, gradient


def _no_derivative(step: Step) -> UnsupportedOperationError:
    where = f" in '{step.path}'" if step.path else ""
    sentence = f"PyTorch has no derivative of the operation {step.operation}{where}."
    return UnsupportedOperationError(step.operation, step.path, "", ("occlusion", "rise", "lime"), sentence)


def _leaf(argument: Any, recording: Recording, step: Step, leaves: dict[int, tuple[Value, Tensor]]) -> Any:
    """``argument`` with a detached tensor in the place of every value, new ones noted in ``leaves``.

    No closure that calls itself: it would hold the recording until the collector comes by.
    """
    if isinstance(argument, Value):
        if argument.is_constant:
            return argument.tensor
        if argument.index not in leaves:
            if step.operation in SHAPE_ONLY:
                samples = torch.zeros(argument.shape, dtype=argument.dtype, device=recording.output.device)
            else:
                samples = recording.tensor(argument).detach().clone()
            leaves[argument.index] = (argument, samples.requires_grad_(samples.is_floating_point()))
        return leaves[argument.index][1]
    if isinstance(argument, list | tuple):
        return [_leaf(part, recording, step, leaves) for part in argument]
    return argument


def laid_out(grad: Tensor) -> Tensor:
    """``grad`` in plain or true channels-last order: on others some of ATen's backwards err, silently.

    (torch 2.15 on the CPU: that of ``native_batch_norm`` where the first axis has one entry and a stride of its own.)
    """
    if grad.is_contiguous():
        return grad
    order = {4: torch.channels_last, 5: torch.channels_last_3d}.get(grad.ndim)
    if order is not None and grad.is_contiguous(memory_format=order) and grad.stride(0) == grad[0].numel():
        return grad
    return grad.contiguous()
