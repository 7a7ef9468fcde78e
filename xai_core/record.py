"""The Recording: one forward pass of an unmodified module, kept as a list of ATen operations.

A dispatch mode sees every operation below autograd: modules, functionals, in-place and nested calls alike.
Each becomes a :class:`Step` over :class:`Value` objects numbered by version: an in-place write makes a new value,
views written through make new values of everything that shares the memory. Tensors that rules usually need are kept;
any other is recomputed from its producer when a rule asks for it. The module is left as it was found.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from xai_core.errors import ForwardError, ModuleStateError
from xai_core.keeping import FOR_RULES, Keeping
from xai_core.recorder import Recorder
from xai_core.steps import Recording, Step, Value, tensors_of

__all__ = ["Recording", "Step", "Value", "record"]


def record(module: nn.Module, x: Tensor, keeping: Keeping = FOR_RULES) -> Recording:
    """Run ``module(x)`` once, unmodified and in eval mode, and keep what happened.

    x: (N, C, *space) floating point on the module's device. ``keeping``: which tensors it holds on to: what every rule needs,
    or the little that the chain rule needs (``FOR_GRADIENTS``). Returns a :class:`Recording`.
    Raises :class:`ModuleStateError` for a module in train mode, a scripted one, another device, or values that are not finite.
    """
    names = _check(module, x)
    recorder = Recorder(names, keeping)
    with torch.inference_mode(False), torch.no_grad():
        # A fresh object and fresh memory: the caller's tensor is neither written to nor confused with ours.
        own = x.detach().clone(memory_format=torch.preserve_format)
        start = recorder.begin(own)
        output = _forward(recorder, module, own)
    first = next(iter(tensors_of(output)), None)
    result = recorder.value_of(first) if first is not None else None
    if first is None or result is None or result.is_constant:
        raise ModuleStateError(
            "The network's output does not come from its input by recorded operations.",
            "Give a module whose forward(x) computes a tensor from x with PyTorch operations.",
        )
    if not bool(torch.isfinite(first).all()):
        raise ModuleStateError(
            "The network's output holds NaN or infinite values.", "Check the weights and the range of the input."
        )
    result.tensor = first
    return Recording(first, recorder.steps, start, result, module, x, recorder.module_outputs)


def _forward(recorder: Recorder, module: nn.Module, x: Tensor) -> Any:
    """The recorded pass; attention modules are kept off their fused path, which hides what happens inside."""
    has_attention = any(isinstance(part, nn.MultiheadAttention) for part in module.modules())
    try:
        with _SlowAttention() if has_attention else nullcontext():
            return recorder.run(module, x)
    except (RuntimeError, IndexError) as error:
        reason = str(error).strip().split("\n")[0]
        raise ForwardError(
            f"The network cannot run on an input of shape {tuple(x.shape)}: {reason}",
            "Check the number of channels and the size that it was built for.",
        ) from error


class _SlowAttention(TorchFunctionMode):
    """Changes nothing; its presence alone keeps nn.MultiheadAttention from its fused fast path."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return function(*args, **(kwargs or {}))


def _check(module: nn.Module, x: Tensor) -> dict[int, str]:
    """Refuse what cannot be recorded; returns the dotted path of every module by id."""
    if not isinstance(module, nn.Module):
        raise ModuleStateError(f"A torch.nn.Module is needed, not {type(module).__name__}.", "Pass the network itself.")
    parts = dict(module.named_modules())
    if any(isinstance(part, torch.jit.ScriptModule) for part in parts.values()):
        raise ModuleStateError(
            "A scripted or traced module hides its operations.",
            "Load the original nn.Module, or use a black-box explainer such as occlusion.",
        )
    if any(part.training for part in parts.values()):
        raise ModuleStateError(
            "The network is in train mode, where dropout and batch norm change the answer.", "Call module.eval() first."
        )
    if not isinstance(x, Tensor) or not x.is_floating_point() or x.ndim < 2 or x.numel() == 0 or x.is_sparse:
        raise ModuleStateError(
            "The input is not a dense floating point tensor (N, C, ...) with samples in it.",
            "Pass a float32 or float64 batch.",
        )
    for name, parameter in module.named_parameters():
        if parameter.device != x.device:
            raise ModuleStateError(
                f"The parameter '{name}' is on {parameter.device}, the input on {x.device}.",
                "Move both to the same device with .to(device).",
            )
        if parameter.is_floating_point() and parameter.dtype != x.dtype:
            raise ModuleStateError(
                f"The parameter '{name}' is {parameter.dtype}, the input {x.dtype}.",
                "Convert one of them with .to(dtype).",
            )
        break
    if not bool(torch.isfinite(x).all()):
        raise ModuleStateError("The input holds NaN or infinite values.", "Replace them before explaining.")
    return {id(part): name for name, part in parts.items()}
