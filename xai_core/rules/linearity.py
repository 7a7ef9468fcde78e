"""Which recorded operations are linear in what depends on the input, and which act on every element alone."""

from __future__ import annotations

import torch

from xai_core.rules.layers import constant, is_free
from xai_core.rules.operations import AVERAGES, HOLDS_CONSTANTS, RESIZES, STRUCTURE
from xai_core.steps import NORMS, OVERWRITE, Step, Value

ALWAYS_LINEAR = frozenset(
    {
        *STRUCTURE,
        *HOLDS_CONSTANTS,
        *AVERAGES,
        *RESIZES,
        "add",
        "sub",
        "rsub",
        "neg",
        "native_dropout",
        "overwrite",
        "copy",
    }
)
_UNTAGGED = frozenset(
    "_prelu_kernel prelu rrelu_with_noise log_sigmoid_forward hardswish".split()
)  # PyTorch's tag lacks them
BILINEAR = frozenset("mul convolution mm bmm addmm baddbmm addbmm addmv mv dot".split())


def uses_batch_statistics(step: Step) -> bool:
    """Whether a batch norm takes mean and variance from what it gets (also: instance norm)."""
    if step.operation == "_native_batch_norm_legit_no_training":
        return False
    is_training = step.arguments[3] if len(step.arguments) == 6 else step.arguments[5]  # ..._legit.no_stats has 6
    return bool(is_training) or len(step.arguments) == 6 or constant(step.arguments[4]) is None


def is_linear(step: Step) -> bool:
    """Whether the outputs are an affine function of the inputs that depend on the network's input."""
    operation = step.operation
    if operation in ALWAYS_LINEAR:
        return True
    if operation in NORMS:
        return not uses_batch_statistics(step)
    free = [value for value in step.inputs if not value.is_constant]
    if operation in BILINEAR:
        return len(free) == 1
    return operation == "div" and len(free) == 1 and is_free(step.arguments[1]) and not step.options


def is_pointwise(step: Step) -> bool:
    """Whether each element of the output depends on the same element of one value (and on constants) alone."""
    free = {value.index: value for value in step.inputs if not value.is_constant}
    if step.function is OVERWRITE or len(free) != 1:
        return False
    (value,) = free.values()
    is_tagged = step.operation in _UNTAGGED or torch.Tag.pointwise in step.function.tags
    return is_tagged and value.shape == step.outputs[0].shape


def free_value(step: Step) -> Value:
    """The first input that depends on the network's input."""
    return next(value for value in step.inputs if not value.is_constant)
