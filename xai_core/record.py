"""The Recording: one forward pass of an unmodified module, kept as a list of ATen operations.

A dispatch mode sees every operation below autograd: modules, functionals, in-place and nested calls alike.
Each becomes a :class:`Step` over :class:`Value` objects numbered by version: an in-place write makes a new value,
views written through make new values of everything that shares the memory. Tensors that rules usually need are kept;
any other is recomputed from its producer when a rule asks for it. The module is left as it was found.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from xai_core.allocation import keep_freed_memory
from xai_core.closing import logit_of
from xai_core.errors import ForwardError, LightboxError, ModuleStateError
from xai_core.keeping import FOR_RULES, Keeping
from xai_core.recorder import Recorder
from xai_core.steps import Recording, Step, Value, tensors_of

__all__ = ["Recording", "Step", "Value", "check_input", "forward_of", "hides_operations", "record", "record_after"]


def record(
    module: nn.Module, x: Tensor, keeping: Keeping = FOR_RULES, laid_out: Mapping[int, Tensor] | None = None
) -> Recording:
    """Run ``module(x)`` once, unmodified and in eval mode, and keep what happened.

    x: (N, C, *space) floating point on the module's device. ``keeping``: which tensors it holds on to: what every rule needs,
    or the little that the chain rule needs (``FOR_GRADIENTS``). ``laid_out``: the same weights of convolutions in another order
    in memory, by the id of the module's own, for who runs many copies. Returns a :class:`Recording`.
    Raises :class:`ModuleStateError` for a module in train mode, a scripted one, another device, or values that are not finite.
    """
    parts = _check(module, x)
    keep_freed_memory()
    recorder = Recorder({id(part): name for name, part in parts.items()}, keeping, laid_out)
    with torch.inference_mode(False), torch.no_grad():
        # A fresh object and fresh memory: the caller's tensor is neither written to nor confused with ours.
        own = x.detach().clone(memory_format=torch.preserve_format)
        start = recorder.begin(own)
        output = _forward(recorder, module, own, parts)
    return _recording(recorder, module, x, start, output)


def record_after(module: nn.Module, x: Tensor, path: str, keeping: Keeping = FOR_RULES) -> Recording:
    """As :func:`record`, but only what comes after the first output of the submodule ``path``, which is the recording's input.

    The pass up to there costs no more than a plain forward. Raises :class:`ModuleStateError` also where the submodule
    returns no tensor or does not run.
    """
    parts = _check(module, x)
    keep_freed_memory()
    recorder = Recorder({id(part): name for name, part in parts.items()}, keeping)
    started: list[Value] = []
    modes = ExitStack()

    def begin(_module: nn.Module, _arguments: Any, output: Any) -> None:
        if not started and isinstance(output, Tensor) and recorder.is_own_thread():
            started.append(recorder.begin(output))
            recorder.module_outputs[path] = started[0]
            modes.enter_context(recorder.watching())

    handle = parts[path].register_forward_hook(begin)
    try:
        with torch.inference_mode(False), torch.no_grad(), modes:
            output = _guarded(module, x.detach().clone(memory_format=torch.preserve_format), parts)
    finally:
        handle.remove()
    if not started:
        raise ModuleStateError(
            f"The layer '{path}' did not run or returned no tensor.", "Choose another layer of the network."
        )
    return _recording(recorder, module, x, started[0], output)


def _recording(recorder: Recorder, module: nn.Module, x: Tensor, start: Value, output: Any) -> Recording:
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
    recording = Recording(first, recorder.steps, start, result, module, x, recorder.module_outputs)
    logit_of(recording)  # at once, so that recordings of one network have the same steps
    return recording


def _forward(recorder: Recorder, module: nn.Module, x: Tensor, parts: Mapping[str, nn.Module]) -> Any:
    """The recorded pass."""
    with recorder.watching():
        return _guarded(module, x, parts)


def _guarded(module: nn.Module, x: Tensor, parts: Mapping[str, nn.Module]) -> Any:
    """The forward pass, with attention modules kept off their fused path, which hides what happens inside."""
    has_attention = any(isinstance(part, nn.MultiheadAttention) for part in parts.values())
    with _SlowAttention() if has_attention else nullcontext():
        return forward_of(module, x)


def forward_of(module: nn.Module, x: Tensor) -> Any:
    """``module(x)``; whatever the network itself raises on this input becomes a :class:`ForwardError` that says so."""
    try:
        return module(x)
    except (LightboxError, MemoryError):
        raise
    except Exception as error:  # networks raise what they like: assertions, ValueError, AttributeError
        told = str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__
        raise ForwardError(
            f"The network cannot run on an input of shape {tuple(x.shape)}: {told}.",
            "Check the number of channels and the size that it was built for.",
        ) from error


class _SlowAttention(TorchFunctionMode):
    """Changes nothing; its presence alone keeps nn.MultiheadAttention from its fused fast path."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return function(*args, **(kwargs or {}))


def hides_operations(module: nn.Module) -> bool:
    """Whether a part of ``module`` is a program that cannot be looked into: scripted, or marked by ``is_opaque``."""
    return isinstance(module, nn.Module) and any(
        isinstance(part, torch.jit.ScriptModule) or getattr(part, "is_opaque", False) for part in module.modules()
    )


def _check(module: nn.Module, x: Tensor) -> dict[str, nn.Module]:
    """Refuse what cannot be recorded; returns every module by its dotted path."""
    if not isinstance(module, nn.Module):
        raise ModuleStateError(f"A torch.nn.Module is needed, not {type(module).__name__}.", "Pass the network itself.")
    parts = dict(module.named_modules())
    if hides_operations(module):
        raise ModuleStateError(
            "A scripted or traced module hides its operations.",
            "Load the original nn.Module, or use a black-box explainer such as occlusion.",
        )
    if any(part.training for part in parts.values()):
        raise ModuleStateError(
            "The network is in train mode, where dropout and batch norm change the answer.", "Call module.eval() first."
        )
    check_input(x)
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
    return parts


def check_input(x: Tensor) -> None:
    """Raises :class:`ModuleStateError` for what is no batch (N, C, *space) of finite numbers."""
    is_dense = isinstance(x, Tensor) and x.is_floating_point() and not x.is_sparse and not x.is_meta
    if not is_dense or x.ndim < 2 or x.numel() == 0:
        raise ModuleStateError(
            "The input is not a dense floating point tensor (N, C, ...) with samples in it.",
            "Pass a float32 or float64 batch.",
        )
    if not bool(torch.isfinite(x).all()):
        raise ModuleStateError("The input holds NaN or infinite values.", "Replace them before explaining.")
