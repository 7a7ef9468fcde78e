"""What a recording holds on to. Whatever else a rule asks for is computed again from what is held.

``FOR_RULES`` keeps what relevance rules read, so that any explainer may walk the recording. ``FOR_GRADIENTS`` keeps what the
chain rule reads: of a ReLU only where it is open, of a max pool only the winners, of convolutions, sums and norms nothing.
Such a recording takes about a quarter of the memory, and several copies of an image run at once in the room of one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from torch import Tensor

from xai_core.steps import NORMS, Step, Value

_INPUTS: Mapping[str, tuple[int, ...]] = {
    **dict.fromkeys(
        "convolution silu gelu hardswish mish avg_pool2d avg_pool3d _adaptive_avg_pool2d _adaptive_avg_pool3d mean sum "
        "native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training native_layer_norm "
        "native_group_norm".split(),
        (0,),
    ),
    **dict.fromkeys("mm bmm add sub mul div".split(), (0, 1)),
    "addmm": (1,),
}
_OUTPUTS: Mapping[str, int] = {
    **dict.fromkeys("addmm relu _softmax sigmoid tanh hardsigmoid".split(), 0),
    **dict.fromkeys(
        "max_pool2d_with_indices max_pool3d_with_indices adaptive_max_pool2d adaptive_max_pool3d".split(), 1
    ),
}
_CHEAP_BELOW_NORMS = frozenset({"convolution", "addmm", "mm", "cat"})
"""Below a batch norm these are computed again where a rule asks: folding needs no input, a concatenation's parts are held."""
SHAPE_ONLY = frozenset(
    "view _unsafe_view reshape _reshape_alias t transpose permute slice select squeeze unsqueeze expand clone detach alias "
    "_to_copy split split_with_sizes unsafe_split unsafe_split_with_sizes unbind stack flip roll constant_pad_nd reflection_pad1d reflection_pad2d reflection_pad3d "
    "replication_pad2d replication_pad3d _adaptive_avg_pool2d _adaptive_avg_pool3d avg_pool2d avg_pool3d mean sum pixel_shuffle "
    "upsample_nearest1d upsample_nearest2d upsample_nearest3d upsample_linear1d upsample_bilinear2d upsample_trilinear3d".split()
)
"""Operations whose derivative depends on shapes alone."""
_PRODUCTS = frozenset({"convolution", "addmm", "mul"})
"""Their derivative reads the other factor: nothing where that is a constant."""
_NEVER_READ = SHAPE_ONLY | {"relu", "cat", "add", "sub", "max_pool2d_with_indices", "max_pool3d_with_indices"}


class Keeping(Protocol):
    """Decides at every step, right before and right after it runs."""

    def inputs(self, step: Step) -> Iterable[Value]:
        """The inputs whose tensors are to be held."""

    def keep_outputs(self, step: Step, outputs: Sequence[Tensor]) -> None:
        """Hold what is needed of the outputs."""


class _ForRules:
    def inputs(self, step: Step) -> Iterable[Value]:
        operation = step.operation
        positions = _INPUTS.get(operation)
        if positions is None:
            return step.inputs if operation == "cat" else ()
        kept = [step.arguments[position] for position in positions if position < len(step.arguments)]
        values = [value for value in kept if isinstance(value, Value)]
        if operation in NORMS and values and values[0].producer is not None:
            return () if values[0].producer.operation in _CHEAP_BELOW_NORMS else values
        return values

    def keep_outputs(self, step: Step, outputs: Sequence[Tensor]) -> None:
        position = _OUTPUTS.get(step.operation)
        if position is not None:
            step.outputs[position].tensor = outputs[position]


class _ForGradients:
    def inputs(self, step: Step) -> Iterable[Value]:
        if step.operation in _NEVER_READ or (step.operation in NORMS and has_fixed_statistics(step)):
            return ()
        if step.operation in _PRODUCTS and len([v for v in step.inputs if not v.is_constant]) < 2:
            return ()
        return step.inputs

    def keep_outputs(self, step: Step, outputs: Sequence[Tensor]) -> None:
        if step.operation == "relu":
            step.outputs[0].positive = outputs[0] > 0


def has_fixed_statistics(step: Step) -> bool:
    """Whether a batch norm scales by statistics of its own, not by those of what runs through it."""
    if step.operation == "_native_batch_norm_legit_no_training":
        return True
    return not step.arguments[5] and step.arguments[4] is not None


FOR_RULES: Keeping = _ForRules()
FOR_GRADIENTS: Keeping = _ForGradients()
