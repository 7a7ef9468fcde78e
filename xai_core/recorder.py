"""The dispatch mode behind ``record``: sees every ATen operation of one thread and writes it down.

In-place writes make new values; what shares their memory becomes new values too. What rules usually need is kept,
cloned before a later write would change it (:mod:`xai_core.keeping`); the rest may be freed as in any forward pass.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode

from xai_core.keeping import FOR_RULES, Keeping
from xai_core.steps import OVERWRITE, Step, Value, describe, layout_of, lower_bound, tensors_of

_NON_NEGATIVE_ALWAYS = frozenset({"relu", "sigmoid", "_softmax", "hardsigmoid", "abs", "square", "exp"})
_NON_NEGATIVE_KEPT = frozenset(
    "max_pool2d_with_indices max_pool3d_with_indices avg_pool2d avg_pool3d _adaptive_avg_pool2d _adaptive_avg_pool3d "
    "adaptive_max_pool2d adaptive_max_pool3d mean sum amax cat stack add mul view _unsafe_view reshape t transpose permute "
    "slice select squeeze unsqueeze expand clone detach alias split split_with_sizes unsafe_split unbind constant_pad_nd flip "
    "native_dropout upsample_bilinear2d upsample_nearest2d upsample_nearest3d upsample_trilinear3d".split()
)


@dataclass(frozen=True)
class _Plan:
    """What recording does at one ATen function, worked out once from its schema and the tables above."""

    name: str
    tensors: tuple[int, ...]
    lists: tuple[int, ...]
    written: tuple[int, ...]
    creates: bool

    def is_non_negative(self, step: Step) -> bool:
        """Whether its outputs are known to hold no negative sample."""
        name = self.name
        if name in _NON_NEGATIVE_KEPT:
            for value in step.inputs:
                if not value.is_non_negative:
                    return False
            return _keeps_sign(name, step)
        if name in ("hardtanh", "clamp"):
            low = lower_bound(step)
            return low is not None and low >= 0
        return name in _NON_NEGATIVE_ALWAYS


def _keeps_sign(name: str, step: Step) -> bool:
    """Whether an operation that keeps signs as a rule does so with these arguments."""
    if name in ("add", "mul"):
        return len(step.inputs) == 2 and float(step.options.get("alpha", 1)) > 0
    if name == "constant_pad_nd":
        return len(step.arguments) < 3 or float(step.arguments[2]) >= 0
    return True


_CREATORS = (
    "empty",
    "zeros",
    "ones",
    "full",
    "new_",
    "arange",
    "scalar_tensor",
    "rand",
)  # ..._like too: no sample is read
_PLANS: dict[Any, _Plan] = {}


def _plan(function: Any) -> _Plan:
    description = describe(function)
    name = description.name
    found = _Plan(
        name,
        description.tensors,
        description.lists,
        description.written,
        name.startswith(_CREATORS),
    )
    _PLANS[function] = found
    return found


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees every ATen operation of this thread between ``run``'s start and end; ``names``: dotted path by id of a module;
    ``keeping``: which tensors are held on to; ``laid_out``: other layouts of convolutions' weights, by the weight's id."""

    def __init__(
        self, names: Mapping[int, str], keeping: Keeping = FOR_RULES, laid_out: Mapping[int, Tensor] | None = None
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._keeping = keeping
        self._laid_out = laid_out or {}
        self.steps: list[Step] = []
        self.module_outputs: dict[str, Value] = {}
        self._names = names
        self._path: list[str] = [""]
        self._values: dict[int, Value] = {}
        self._sharing: dict[int, list[Value]] = {}
        self._count = 0
        self._thread = threading.get_ident()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled here: spares the wrapper that torch puts around every dispatch of a mode."""
        return False

    def begin(self, x: Tensor) -> Value:
        value = self._new(x, is_constant=False)
        value.tensor = x
        value.is_non_negative = bool((x >= 0).all())
        return value

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Within it, every operation of this thread is written down, with the path of the module it runs in."""
        enter = register_module_forward_pre_hook(self._enter)
        leave = register_module_forward_hook(self._leave)
        try:
            with self:
                yield
        finally:
            enter.remove()
            leave.remove()

    def is_own_thread(self) -> bool:
        return threading.get_ident() == self._thread

    def value_of(self, tensor: Tensor) -> Value | None:
        value = self._values.get(id(tensor))
        return value if value is not None and value.ref() is tensor else None

    def _enter(self, module: nn.Module, _arguments: Any) -> None:
        if self.is_own_thread():
            self._path.append(self._names.get(id(module), self._path[-1]))

    def _leave(self, _module: nn.Module, _arguments: Any, output: Any) -> None:
        if not self.is_own_thread() or len(self._path) == 1:  # its start was not seen
            return
        path = self._path.pop()
        first = output if isinstance(output, Tensor) else next(tensors_of(output), None)
        value = self.value_of(first) if first is not None else None
        if value is not None and not value.is_constant:
            self.module_outputs[path] = value

    def _new(self, tensor: Tensor, is_constant: bool) -> Value:
        value = Value(self._count, tensor, is_constant)
        self._count += 1
        self._values[id(tensor)] = value
        self._sharing.setdefault(tensor.untyped_storage().data_ptr(), []).append(value)
        return value

    def _replaced(self, argument: Any, found: list[Value]) -> Any:
        """``argument`` with values in the place of tensors that this pass made; they are added to ``found``."""
        if isinstance(argument, Tensor):
            value = self._values.get(id(argument))
            if value is None or value.ref() is not argument:
                return argument
            value.consumers += 1
            found.append(value)
            return value
        if type(argument) in (list, tuple):
            return [self._replaced(part, found) for part in argument]
        return argument

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        plan = _PLANS.get(function) or _plan(function)
        if self._laid_out and plan.name == "convolution":
            args = (args[0], self._laid_out.get(id(args[1]), args[1]), *args[2:])
        inputs: list[Value] = []
        arguments = list(args)
        count = len(arguments)
        values = self._values
        for position in plan.tensors:
            if position >= count:
                break
            argument = arguments[position]
            value = values.get(id(argument))
            if value is not None and value.ref() is argument:
                value.consumers += 1
                inputs.append(value)
                arguments[position] = value
        for position in plan.lists:
            if position < count:
                arguments[position] = self._replaced(arguments[position], inputs)
        options = {name: self._replaced(option, inputs) for name, option in kwargs.items()} if kwargs else {}
        if not inputs and not plan.written:
            result = function(*args, **kwargs) if kwargs else function(*args)
            if not plan.creates or not isinstance(result, Tensor) or not result.numel():
                return result
            self._finish(Step(plan.name, function, tuple(arguments), options, self._path[-1], ()), plan, result)
            return result
        step = Step(plan.name, function, tuple(arguments), options, self._path[-1], tuple(inputs))
        for value in self._keeping.inputs(step):
            if value.tensor is None:
                value.tensor = value.ref()
        if not plan.written:
            result = function(*args, **kwargs) if kwargs else function(*args)
            self._finish(step, plan, result)
            return result
        targets = [args[position] for position in plan.written if position < count]
        sharers = [(tensor, self._prepare_write(tensor)) for tensor in targets if isinstance(tensor, Tensor)]
        result = function(*args, **(kwargs or {}))
        self._finish(step, plan, result)
        for tensor, others in sharers:
            new = self.value_of(tensor)
            if new is not None:
                for other in others:
                    self._overwrite(other, new)
        return result

    def _finish(self, step: Step, plan: _Plan, result: Any) -> None:
        is_constant = plan.creates or all(value.is_constant for value in step.inputs)
        outputs = [result] if isinstance(result, Tensor) else [part for part in tensors_of(result) if part.numel()]
        is_non_negative = plan.is_non_negative(step)
        values = []
        for tensor in outputs:
            value = self._new(tensor, is_constant or not tensor.is_floating_point())
            value.producer = step
            value.is_non_negative = is_non_negative
            if value.is_constant:
                value.tensor = tensor
            values.append(value)
        step.outputs = tuple(values)
        self._keeping.keep_outputs(step, outputs)
        if not all(value.is_constant for value in values):
            self.steps.append(step)

    def _prepare_write(self, tensor: Tensor) -> list[Value]:
        """Clone every kept value that a write to ``tensor`` would change; return live values of other tensors that share its memory."""
        key = tensor.untyped_storage().data_ptr()
        living = []
        others = []
        for value in self._sharing.get(key, ()):
            other, kept = value.ref(), value.tensor
            if kept is not None and kept.untyped_storage().data_ptr() == key:
                value.tensor = kept.clone()
            if other is None or self._values.get(id(other)) is not value:
                continue
            living.append(value)
            if other is not tensor and other.untyped_storage().data_ptr() == key:
                others.append(value)
        self._sharing[key] = living
        return others

    def _overwrite(self, old: Value, new: Value) -> None:
        """A write through one view changes what its siblings hold: they become new values."""
        other, written = old.ref(), new.ref()
        if other is None or written is None:
            return
        if old.is_constant and new.is_constant:
            self._new(other, is_constant=True).tensor = other
            return
        layouts = {"old": layout_of(other), "new": layout_of(written)}
        step = Step(OVERWRITE, OVERWRITE, (old, new), layouts, self._path[-1], (old, new))
        old.consumers += 1
        new.consumers += 1
        value = self._new(other, is_constant=False)
        value.producer = step
        step.outputs = (value,)
        self.steps.append(step)
