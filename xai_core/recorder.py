"""The dispatch mode behind ``record``: sees every ATen operation of one thread and writes it down.

In-place writes make new values; what shares their memory becomes new values too. What rules usually need is kept,
cloned before a later write would change it; the rest may be freed as in any forward pass.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode

from xai_core.steps import NORMS, OVERWRITE, Description, Step, Value, describe, tensors_of, values_of

KEPT_INPUTS: Mapping[str, tuple[int, ...]] = {
    **dict.fromkeys(
        "convolution silu gelu hardswish mish avg_pool2d avg_pool3d _adaptive_avg_pool2d _adaptive_avg_pool3d mean sum "
        "native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training native_layer_norm "
        "native_group_norm".split(),
        (0,),
    ),
    **dict.fromkeys("mm bmm add sub mul div".split(), (0, 1)),
    "addmm": (1,),
}
KEPT_OUTPUTS: Mapping[str, tuple[int, ...]] = {
    **dict.fromkeys("addmm relu _softmax sigmoid tanh hardsigmoid".split(), (0,)),
    **dict.fromkeys(
        "max_pool2d_with_indices max_pool3d_with_indices adaptive_max_pool2d adaptive_max_pool3d".split(), (1,)
    ),
}
LINEAR_PRODUCERS = frozenset({"convolution", "addmm", "mm"})
_NON_NEGATIVE_ALWAYS = frozenset({"relu", "sigmoid", "_softmax", "hardsigmoid", "abs", "square", "exp"})
_NON_NEGATIVE_KEPT = frozenset(
    "max_pool2d_with_indices max_pool3d_with_indices avg_pool2d avg_pool3d _adaptive_avg_pool2d _adaptive_avg_pool3d "
    "adaptive_max_pool2d adaptive_max_pool3d mean sum amax cat stack add mul view _unsafe_view reshape t transpose permute "
    "slice select squeeze unsqueeze expand clone detach alias split split_with_sizes unbind constant_pad_nd flip "
    "native_dropout upsample_bilinear2d upsample_nearest2d upsample_nearest3d upsample_trilinear3d".split()
)


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees every ATen operation of this thread between ``run``'s start and end."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.steps: list[Step] = []
        self.module_outputs: dict[str, Value] = {}
        self._names = {id(part): name for name, part in module.named_modules(remove_duplicate=True)}
        self._path: list[str] = [""]
        self._values: dict[int, Value] = {}
        self._sharing: dict[int, list[Value]] = {}
        self._count = 0
        self._thread = threading.get_ident()

    def begin(self, x: Tensor) -> Value:
        value = self._new(x, is_constant=False)
        value.tensor = x
        value.is_non_negative = bool((x >= 0).all())
        return value

    def run(self, module: nn.Module, x: Tensor) -> Any:
        enter = register_module_forward_pre_hook(self._enter)
        leave = register_module_forward_hook(self._leave)
        try:
            with self:
                return module(x)
        finally:
            enter.remove()
            leave.remove()

    def value_of(self, tensor: Tensor) -> Value | None:
        value = self._values.get(id(tensor))
        return value if value is not None and value.ref() is tensor else None

    def _enter(self, module: nn.Module, _arguments: Any) -> None:
        if threading.get_ident() == self._thread:
            self._path.append(self._names.get(id(module), self._path[-1]))

    def _leave(self, _module: nn.Module, _arguments: Any, output: Any) -> None:
        if threading.get_ident() != self._thread:
            return
        path = self._path.pop()
        first = next(tensors_of(output), None)
        value = self.value_of(first) if first is not None else None
        if value is not None and not value.is_constant:
            self.module_outputs[path] = value

    def _new(self, tensor: Tensor, is_constant: bool) -> Value:
        value = Value(self._count, tensor, is_constant)
        self._count += 1
        self._values[id(tensor)] = value
        key = tensor.untyped_storage().data_ptr()
        sharing = self._sharing.get(key)
        if sharing is None:
            self._sharing[key] = [value]
        else:
            sharing.append(value)
        return value

    def _replaced(self, argument: Any) -> Any:
        if isinstance(argument, Tensor):
            value = self._values.get(id(argument))
            if value is not None and value.ref() is argument:
                value.consumers += 1
                return value
            return argument
        if isinstance(argument, list | tuple):
            return [self._replaced(part) for part in argument]
        return argument

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        description = describe(function)
        options = kwargs or {}
        arguments = tuple([self._replaced(argument) for argument in args])
        if options:
            options = {name: self._replaced(option) for name, option in options.items()}
        step = Step(description.name, function, arguments, options, self._path[-1])
        self._keep_inputs(step, description, args)
        for position in description.written:
            if position < len(args) and isinstance(args[position], Tensor):
                self._save_before_write(args[position])
        result = function(*args, **(kwargs or {}))
        self._finish(step, description, args, result)
        return result

    def _keep_inputs(self, step: Step, description: Description, args: Any) -> None:
        wanted = KEPT_INPUTS.get(description.name)
        if wanted is None:
            return
        for position in wanted:
            if position < len(step.arguments):
                value = step.arguments[position]
                if isinstance(value, Value) and value.tensor is None:
                    producer = value.producer
                    if description.name in NORMS and producer is not None and producer.operation in LINEAR_PRODUCERS:
                        continue
                    value.tensor = args[position]

    def _finish(self, step: Step, description: Description, args: Any, result: Any) -> None:
        inputs = list(values_of(step.arguments))
        is_constant = all(value.is_constant for value in inputs)
        if is_constant and not inputs and not description.written and not self._may_be_written(description):
            return
        written = {id(args[position]): args[position] for position in description.written if position < len(args)}
        aliases = [(tensor, self._aliases(tensor)) for tensor in written.values() if isinstance(tensor, Tensor)]
        outputs = list(tensors_of(result))
        known_sign = self._is_non_negative(description.name, step, inputs)
        values = []
        for tensor in outputs:
            value = self._new(tensor, is_constant)
            value.producer = step
            value.is_non_negative = known_sign
            values.append(value)
        step.outputs = tuple(values)
        for position in KEPT_OUTPUTS.get(description.name, ()):
            if position < len(values):
                values[position].tensor = outputs[position]
        if is_constant:
            for value, tensor in zip(values, outputs, strict=True):
                value.tensor = tensor
        if not is_constant:
            self.steps.append(step)
        for tensor, others in aliases:
            new = self.value_of(tensor)
            if new is not None:
                for other in others:
                    self._overwrite(other, new)

    @staticmethod
    def _may_be_written(description: Description) -> bool:
        return description.name.startswith(
            ("empty", "zeros", "ones", "full", "new_", "arange", "scalar_tensor", "rand")
        )

    @staticmethod
    def _is_non_negative(name: str, step: Step, inputs: list[Value]) -> bool:
        if name in _NON_NEGATIVE_ALWAYS:
            return True
        if name == "hardtanh" or name == "clamp":
            low = step.arguments[1] if len(step.arguments) > 1 else step.options.get("min", -1.0)
            return isinstance(low, int | float) and low >= 0
        if name not in _NON_NEGATIVE_KEPT or not all(value.is_non_negative for value in inputs):
            return False
        if name in ("add", "mul"):
            return len(inputs) == 2 and float(step.options.get("alpha", 1)) > 0
        if name == "constant_pad_nd":
            return len(step.arguments) < 3 or float(step.arguments[2]) >= 0
        return True

    def _sharers(self, tensor: Tensor) -> list[Value]:
        key = tensor.untyped_storage().data_ptr()
        sharing = [value for value in self._sharing.get(key, ()) if value.tensor is not None or value.ref() is not None]
        self._sharing[key] = sharing
        return sharing

    def _save_before_write(self, tensor: Tensor) -> None:
        """Clone every kept value that the coming write would change."""
        key = tensor.untyped_storage().data_ptr()
        for value in self._sharers(tensor):
            kept = value.tensor
            if kept is not None and kept.untyped_storage().data_ptr() == key:
                value.tensor = kept.clone()

    def _aliases(self, tensor: Tensor) -> list[Value]:
        """Live values of other tensors that share the memory of ``tensor``."""
        key = tensor.untyped_storage().data_ptr()
        found = []
        for value in self._sharers(tensor):
            other = value.ref()
            if (
                other is not None
                and other is not tensor
                and self._values.get(id(other)) is value
                and other.untyped_storage().data_ptr() == key
            ):
                found.append(value)
        return found

    def _overwrite(self, old: Value, new: Value) -> None:
        """A write through one view changes what its siblings hold: they become new values."""
        other = old.ref()
        assert other is not None
        if old.is_constant and new.is_constant:
            return
        layouts = {"old": (tuple(old.shape), *old.layout), "new": (tuple(new.shape), *new.layout)}
        step = Step(OVERWRITE, OVERWRITE, (old, new), layouts, self._path[-1])
        old.consumers += 1
        new.consumers += 1
        value = self._new(other, is_constant=False)
        value.producer = step
        step.outputs = (value,)
        self.steps.append(step)
