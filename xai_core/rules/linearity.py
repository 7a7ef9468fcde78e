"""Which recorded operations are linear in what depends on the input, and which act on every element alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from xai_core.keeping import Keeping, has_fixed_statistics
from xai_core.rules.layers import is_free
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


def is_linear(step: Step) -> bool:
    """Whether the outputs are an affine function of the inputs that depend on the network's input."""
    operation = step.operation
    if operation in ALWAYS_LINEAR:
        return True
    if operation in NORMS:
        return has_fixed_statistics(step)
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


class _ForDifferences:
    """Holds the inputs of every operation that is not linear: of linear ones the walk needs their weights alone."""

    def inputs(self, step: Step) -> Iterable[Value]:
        return () if is_linear(step) else step.inputs

    def keep_outputs(self, step: Step, outputs: Sequence[Tensor]) -> None:
        return None


FOR_DIFFERENCES: Keeping = _ForDifferences()
