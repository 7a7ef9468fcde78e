"""A file of weights read as tensors, and nothing else: safetensors, or a PyTorch checkpoint without running its pickle.

``torch.load(weights_only=True)`` builds tensors and plain containers and calls nothing that a file names. Checkpoints that
hold a whole pickled network are read the same way: its classes are replaced by inert ones that only keep what they are given
(:class:`Inert`), so that the tensors can be taken out and no code of the network or of the file runs.
"""

from __future__ import annotations

import pickle
import threading
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import Tensor

from xai_core.errors import ModelError

State = dict[str, Tensor]
INSIDE = ("state_dict", "model_state_dict", "model", "net", "network", "weights")
"""Where training scripts put the weights inside a checkpoint."""
WRAPPERS = ("module.", "_orig_mod.")
"""What DataParallel and torch.compile put before every key."""
_LOADING = threading.Lock()


@dataclass(frozen=True)
class Checkpoint:
    """``state``: tensors by key, without the prefixes of wrappers; ``extras``: plain values that stood beside them (epoch,
    thresholds); ``file``: the name as given; ``facts``: what a JSON file of the same name beside it says."""

    state: State
    extras: Mapping[str, Any] = field(default_factory=dict)
    file: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


def read_checkpoint(source: Path | BinaryIO, name: str = "", facts: Mapping[str, Any] | None = None) -> Checkpoint:
    """The tensors of a file. Raises :class:`ModelError` for what holds none, is damaged, or would have to run code."""
    name = name or (source.name if isinstance(source, Path) else "the file")
    try:
        if isinstance(source, Path):
            with source.open("rb") as stream:
                state, extras = _tensors(stream, name)
        else:
            state, extras = _tensors(source, name)
    except OSError as problem:
        raise ModelError(f"'{name}' cannot be opened: {problem.strerror}.", "Name another file.") from None
    return Checkpoint(without_wrappers(state), extras, name, facts or {})


def without_wrappers(state: Mapping[str, Tensor]) -> State:
    """``state`` without the prefixes that wrappers put before every key."""
    found = dict(state)
    while prefix := next((p for p in WRAPPERS if found and all(key.startswith(p) for key in found)), ""):
        found = {key.removeprefix(prefix): value for key, value in found.items()}
    return found


def _tensors(stream: BinaryIO, name: str) -> tuple[State, dict[str, Any]]:
    if is_safetensors(stream):
        try:
            return dict(load_safetensors(stream.read())), {}
        except (SafetensorError, ValueError, KeyError) as problem:
            raise ModelError(f"'{name}' cannot be read: {problem}.", "Fetch the file again.") from None
    loaded = _unpickled(stream, name)
    inside = loaded
    if isinstance(loaded, Mapping):
        inside = next((loaded[key] for key in INSIDE if isinstance(loaded.get(key), Mapping | Inert)), loaded)
    state = dict(inside.tensors()) if isinstance(inside, Inert) else _of_mapping(inside)
    if not state:
        raise ModelError(
            f"'{name}' holds no weights: no tensors by name were found in it.",
            "Give a state dict (torch.save(model.state_dict(), ...)) or safetensors.",
        )
    outside = loaded if isinstance(loaded, Mapping) and inside is not loaded else {}
    held = inside.__dict__ if isinstance(inside, Inert) else {}
    extras = {str(k): v for k, v in {**held, **outside}.items() if isinstance(v, int | float | str | list | tuple)}
    return state, extras


def _of_mapping(found: Any) -> State:
    if not isinstance(found, Mapping):
        return {}
    return {key: v.detach() for key, v in found.items() if isinstance(key, str) and isinstance(v, Tensor)}


def is_safetensors(stream: BinaryIO) -> bool:
    """Whether a file begins as safetensors do: the length of a JSON header, then the header."""
    head = stream.read(9)
    stream.seek(0)
    return len(head) == 9 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 100_000_000


def _unpickled(stream: BinaryIO, name: str) -> Any:
    try:
        with _LOADING, warnings.catch_warnings(), torch.serialization.safe_globals(_STAND_INS):  # type: ignore[arg-type]
            warnings.simplefilter("ignore", UserWarning)  # of a pickle's protocol, which the errors say too
            return torch.load(stream, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as problem:
        if "persistent_load of storage" in str(problem):
            raise ModelError(
                f"'{name}' was not opened: it holds a whole network as PyTorch before 1.6 pickled it, with its code.",
                "Where you trust it, load it with its own library and save its state_dict(); then add that file.",
            ) from None
        raise ModelError(_refusal(name, str(problem)), _REMEDY) from None
    except (RuntimeError, EOFError, ValueError, KeyError, AttributeError, TypeError, IndexError) as problem:
        if "TorchScript" in str(problem):
            raise ModelError(
                f"'{name}' is a TorchScript program, not a file of weights.",
                "Add it with the architecture 'torchscript': black-box explainers can explain it.",
            ) from None
        reason = (str(problem).strip().splitlines() or [type(problem).__name__])[0]
        raise ModelError(
            f"'{name}' cannot be read as a PyTorch checkpoint: {reason[:200]}.", "Fetch the file again, whole."
        ) from None


def _refusal(name: str, message: str) -> str:
    """What the restricted reader did not like, in one sentence."""
    for sign in ("GLOBAL ", "Unsupported class ", "Unsupported global: "):
        if sign in message:
            wanted = message.split(sign, 1)[1].split()[0].strip("`'\".,")
            return f"'{name}' was not opened: it asks to run '{wanted}', and a file of weights has no need to run anything."
    return f"'{name}' is no file of weights, or one that would have to run code to be read; it was not opened."


_REMEDY = (
    "Ask its author for safetensors or a plain state dict; do not open the file by other means unless you trust it."
)


class Inert:
    """Stands where a pickled network has an object: keeps what it is given and does nothing."""

    def __new__(cls, *_arguments: Any) -> Inert:
        return super().__new__(cls)

    def __init__(self, *_arguments: Any) -> None:
        pass

    def tensors(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        """Parameters and buffers by dotted path, as ``state_dict`` names them."""
        for kind in ("_parameters", "_buffers"):
            held = self.__dict__.get(kind)
            for key, value in held.items() if isinstance(held, Mapping) else ():
                if isinstance(value, Tensor):
                    yield f"{prefix}{key}", value.detach()
        parts = self.__dict__.get("_modules")
        for key, part in parts.items() if isinstance(parts, Mapping) else ():
            if isinstance(part, Inert):
                yield from part.tensors(f"{prefix}{key}.")


def _stand_in(path: str) -> tuple[type[Inert], str]:
    return type(path.rsplit(".", 1)[1], (Inert,), {}), path


_LAYERS = {
    "container": ("Sequential", "ModuleList", "ModuleDict"),
    "conv": ("Conv1d", "Conv2d", "Conv3d", "ConvTranspose2d", "ConvTranspose3d"),
    "batchnorm": ("BatchNorm1d", "BatchNorm2d", "BatchNorm3d"),
    "activation": ("ReLU", "LeakyReLU", "ELU", "PReLU", "Sigmoid", "Softmax", "SiLU", "GELU", "Tanh"),
    "pooling": ("MaxPool2d", "MaxPool3d", "AvgPool2d", "AvgPool3d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d"),
    "linear": ("Linear", "Identity"),
    "dropout": ("Dropout", "Dropout2d", "Dropout3d"),
    "flatten": ("Flatten",),
}
_NETWORKS = {
    "torch.nn.parallel.data_parallel": ("DataParallel",),
    "torchxrayvision.models": ("DenseNet", "_DenseBlock", "_DenseLayer", "_Transition"),
    "torchvision.models.densenet": ("DenseNet", "_DenseBlock", "_DenseLayer", "_Transition"),
    "torchvision.models.resnet": ("ResNet", "BasicBlock", "Bottleneck"),
    "torchvision.models.vgg": ("VGG",),
}
_PLACES = {**{f"torch.nn.modules.{module}": names for module, names in _LAYERS.items()}, **_NETWORKS}
_STAND_INS = [_stand_in(f"{module}.{name}") for module, names in _PLACES.items() for name in names]
