"""What a recorded forward pass is made of: values numbered by version, steps over them, and the Recording that holds both."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

NORMS = frozenset({"native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_no_training"})
OVERWRITE = "overwrite"
Layout = tuple[tuple[int, ...], tuple[int, ...], int]


class Value:
    """One version of one tensor of the forward pass.

    ``shape``, ``dtype``; ``is_constant``: does not depend on the input; ``is_non_negative``: known to hold no negative
    sample; ``positive``: where it is above zero, kept in the place of its samples; ``producer``: the step that made it, None for the input; ``consumers``: how many steps read it.
    """

    __slots__ = (
        "_producer",
        "consumers",
        "dtype",
        "index",
        "is_constant",
        "is_non_negative",
        "positive",
        "ref",
        "shape",
        "tensor",
    )

    def __init__(self, index: int, tensor: Tensor, is_constant: bool) -> None:
        self.index = index
        self.shape = tensor.shape
        self.dtype = tensor.dtype
        self.ref = weakref.ref(tensor)
        self.tensor: Tensor | None = None
        self.is_constant = is_constant
        self.is_non_negative = False
        self.positive: Tensor | None = None
        self._producer: weakref.ref[Step] | None = None
        self.consumers = 0

    @property
    def producer(self) -> Step | None:
        """The step that made it. Held weakly, so that a recording is freed the moment it is let go."""
        return None if self._producer is None else self._producer()

    @producer.setter
    def producer(self, step: Step) -> None:
        self._producer = weakref.ref(step)

    def __repr__(self) -> str:
        return f"Value({self.index}, {tuple(self.shape)}{', constant' if self.is_constant else ''})"


class Step:
    """One operation: ``operation`` (ATen name without overload or trailing underscore), ``arguments`` and ``options`` as called,
    with a :class:`Value` in the place of every tensor that the pass computed, ``inputs`` (all those values), ``outputs``, and the ``path`` of the module it ran in.
    """

    __slots__ = ("__weakref__", "arguments", "function", "inputs", "operation", "options", "outputs", "path")

    def __init__(
        self,
        operation: str,
        function: Any,
        arguments: tuple[Any, ...],
        options: dict[str, Any],
        path: str,
        inputs: tuple[Value, ...],
    ) -> None:
        self.inputs = inputs
        self.operation = operation
        self.function = function
        self.arguments = arguments
        self.options = options
        self.outputs: tuple[Value, ...] = ()
        self.path = path

    def __repr__(self) -> str:
        return f"{self.outputs} = {self.operation}{self.inputs} in '{self.path}'"


def lower_bound(step: Step) -> float | None:
    """The number below which a clamp lets nothing through; None where it is no number."""
    low = step.arguments[1] if len(step.arguments) > 1 else step.options.get("min", -1.0)
    return float(low) if isinstance(low, int | float) else None


def moves_samples(step: Step) -> bool:
    """Whether the operation moves the first axis, that of samples, elsewhere."""
    if step.operation == "permute":
        return step.arguments[1][0] not in (0, -len(step.outputs[0].shape))
    if step.operation == "transpose":
        axes = len(step.outputs[0].shape)
        return any(axis % axes == 0 for axis in step.arguments[1:3])
    return step.operation == "t"


def values_of(arguments: Any) -> Iterator[Value]:
    """The values among nested arguments."""
    for argument in arguments:
        if isinstance(argument, Value):
            yield argument
        elif isinstance(argument, list | tuple):
            yield from values_of(argument)


@dataclass
class Recording:
    """A forward pass that can be walked backwards as often as one likes.

    ``output``: what the module returned (its first tensor). ``steps``: in order of execution. ``input``, ``result``: their values.
    ``module``, ``x``: what was run. ``module_outputs``: the last value each module returned, by dotted path.
    ``logit``: what is explained of it, once that has been asked for.
    """

    output: Tensor
    steps: list[Step]
    input: Value
    result: Value
    module: nn.Module
    x: Tensor
    module_outputs: dict[str, Value] = field(default_factory=dict)
    logit: Value | None = field(default=None, repr=False)

    def ending_at(self, value: Value) -> Recording:
        """The same pass, seen as if ``value`` were its result."""
        return replace(self, result=value, logit=None)

    @property
    def mixes_samples(self) -> bool:
        """Whether some operation puts samples of the batch into one row or spreads one over several (tokens, attention)."""
        samples = self.x.shape[0]
        return any(
            moves_samples(step) or tuple(value.shape[:1]) != (samples,)
            for step in self.steps
            for value in step.outputs[:1]
            if not value.is_constant
        )

    @property
    def is_channels_last(self) -> bool:
        """Whether the maps of a film's pass lie in memory channels last, as convolutions on a CPU like best."""
        return self.x.ndim == 4 and self.x.stride(1) == 1

    def tensor(self, value: Value) -> Tensor:
        """The samples of ``value``: kept ones at once, others recomputed from their producer."""
        if value.tensor is not None:
            return value.tensor
        assert value.producer is not None
        results = self.replay(value.producer)
        return results[value.producer.outputs.index(value)]

    def replay(self, step: Step) -> tuple[Tensor, ...]:
        """Outputs of ``step`` computed again, without writing into anything kept."""
        arguments = [self._resolved(argument) for argument in step.arguments]
        options = {name: self._resolved(option) for name, option in step.options.items()}
        if step.function is OVERWRITE:
            return (_overwritten(arguments[0], arguments[1], step.options),)
        for position in describe(step.function).written:
            if position < len(arguments) and isinstance(arguments[position], Tensor):
                arguments[position] = arguments[position].clone()
        with torch.no_grad():
            results = step.function(*arguments, **options)
        return tuple(tensors_of(results))

    def _resolved(self, argument: Any) -> Any:
        if isinstance(argument, Value):
            return self.tensor(argument)
        if isinstance(argument, list | tuple):
            return [self._resolved(part) for part in argument]
        return argument


@dataclass(frozen=True)
class Description:
    """What the schema of an ATen function says: its name, which arguments are tensors, which lists of them, and which it writes to."""

    name: str
    tensors: tuple[int, ...]
    lists: tuple[int, ...]
    written: tuple[int, ...]


_DESCRIPTIONS: dict[Any, Description] = {}


def describe(function: Any) -> Description:
    known = _DESCRIPTIONS.get(function)
    if known is None:
        schema = function._schema
        written = tuple(
            position
            for position, argument in enumerate(schema.arguments)
            if argument.alias_info is not None and argument.alias_info.is_write
        )
        name = schema.name.split("::")[1]
        if written and name.endswith("_") and not name.endswith("__"):
            name = name[:-1]
        kinds = [str(argument.type) for argument in schema.arguments]
        lists = tuple(position for position, kind in enumerate(kinds) if "Tensor" in kind and "List" in kind)
        tensors = tuple(position for position, kind in enumerate(kinds) if "Tensor" in kind and "List" not in kind)
        known = Description(name, tensors, lists, written)
        _DESCRIPTIONS[function] = known
    return known


def tensors_of(result: Any) -> Iterator[Tensor]:
    if isinstance(result, Tensor):
        yield result
    elif isinstance(result, Mapping):
        for part in result.values():
            yield from tensors_of(part)
    elif isinstance(result, list | tuple):
        for part in result:
            yield from tensors_of(part)


def layout_of(tensor: Tensor) -> Layout:
    """(shape, stride, offset) of a tensor in its memory."""
    return tuple(tensor.shape), tensor.stride(), int(tensor.storage_offset())


def spread(tensor: Tensor, layout: Layout, extent: int) -> Tensor:
    """``tensor`` laid into flat memory of ``extent`` samples as ``layout`` (shape, stride, offset) says, zero elsewhere."""
    shape, stride, offset = layout
    memory = torch.zeros(extent, dtype=tensor.dtype, device=tensor.device)
    if is_shared(layout):
        memory[_places(layout, extent, tensor.device)] = tensor
    else:
        memory.as_strided(shape, stride, offset).copy_(tensor)
    return memory


def is_shared(layout: Layout) -> bool:
    """Whether several samples of one tensor may lie in one place of its memory (expanded, unfolded)."""
    reach = 0
    for step, size in sorted((step, size) for size, step in zip(layout[0], layout[1], strict=True) if size > 1):
        if step <= reach:
            return True
        reach += step * (size - 1)
    return False


def _places(layout: Layout, extent: int, device: torch.device) -> Tensor:
    return torch.arange(extent, device=device).as_strided(*layout)


def parted(relevance: Tensor, old: Layout, new: Layout) -> tuple[Tensor, Tensor]:
    """Relevance of memory ``old`` that was written through ``new``: what stays with the old samples, what goes to the new."""
    extent = extent_of(old, new)
    if not is_shared(old):
        memory = spread(relevance.expand(old[0]), old, extent)
        written = memory.as_strided(*new).clone()
        memory.as_strided(*new).zero_()
        return memory.as_strided(*old).clone(), written
    places, flat = _places(old, extent, relevance.device), relevance.expand(old[0]).reshape(-1)
    memory = torch.zeros(extent, dtype=relevance.dtype, device=relevance.device).index_add_(0, places.reshape(-1), flat)
    is_written = torch.zeros(extent, dtype=torch.bool, device=relevance.device)
    is_written.as_strided(*new).fill_(True)
    return relevance.expand(old[0]).masked_fill(is_written[places], 0), memory.as_strided(*new).clone()


def extent_of(*layouts: Layout) -> int:
    """Samples of memory that the layouts reach."""
    ends = [
        offset + sum((size - 1) * step for size, step in zip(shape, stride, strict=True))
        for shape, stride, offset in layouts
    ]
    return max(ends) + 1


def _overwritten(old: Tensor, new: Tensor, layouts: Mapping[str, Any]) -> Tensor:
    memory = spread(old, layouts["old"], extent_of(layouts["old"], layouts["new"]))
    memory.as_strided(*layouts["new"]).copy_(new)
    return memory.as_strided(*layouts["old"]).clone()
