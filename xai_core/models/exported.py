"""Programs of ``torch.export`` (``.pt2``) as models: black-box explainers alone.

``torch.export.load`` cannot be used on a file of somebody else: it unpickles parts of the archive without restriction where the
restricted way fails, evaluates text as Python (symbolic shapes, guards), and takes any attribute under ``torch`` for an operator
(torch 2.15, ``torch/_export/serde/serialize.py``). So the archive is read here as data: the graph from its JSON, the weights from
their bytes, and nothing is called but operators of ``torch.ops.aten`` that compute tensors. Files of PyTorch 2.9 and later.
"""

from __future__ import annotations

import io
import json
import math
import operator
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from xai_core.errors import ModelError
from xai_core.models.card import Card
from xai_core.models.scripted import Program

ARCHITECTURE = "exported"
_ATEN = re.compile(r"torch\.ops\.aten\.(\w+)\.(\w+)")
_BEYOND_TENSORS = frozenset({"from_file", "save", "load", "warn", "_print", "record_stream"})
_ARITHMETIC: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {f"_operator.{name}": getattr(operator, name) for name in ("add", "sub", "mul", "floordiv", "getitem", "neg")}
)
_TYPES = MappingProxyType(
    {
        1: torch.uint8,
        2: torch.int8,
        3: torch.int16,
        4: torch.int32,
        5: torch.int64,
        6: torch.float16,
        7: torch.float32,
        8: torch.float64,
        12: torch.bool,
        13: torch.bfloat16,
    }
)
"""Types of samples by their number in the archive (``torch._export.serde.schema.ScalarType``)."""
_WIDEN = (torch.float16, torch.float64, torch.bfloat16)
Environment = dict[str, Any]


def opened(card: Card, content: bytes) -> nn.Module:
    """The program of a file; raises :class:`ModelError` where it is none, or asks for more than tensors."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return Program(Graph(card.name, archive)).eval().requires_grad_(False)
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, IndexError, AttributeError, RuntimeError) as problem:
        raise ModelError(
            f"'{card.name}' is no program of torch.export that can be read here ({type(problem).__name__}: {problem}).",
            "Save it with torch.export.save of PyTorch 2.9 or later.",
        ) from None


class Graph(nn.Module):
    """The nodes of an archive in order, and the tensors they read as buffers ``value0``, ``value1``, ..."""

    def __init__(self, name: str, archive: zipfile.ZipFile) -> None:
        super().__init__()
        self.title = name
        root = next(entry for entry in archive.namelist() if entry.endswith("models/model.json")).removesuffix(
            "models/model.json"
        )
        model = json.loads(archive.read(f"{root}models/model.json"))
        graph, signature = model["graph_module"]["graph"], model["graph_module"]["signature"]
        stored = _stored(archive, root)
        self.held: dict[str, str] = {}
        self.inputs: list[str] = []
        for number, entry in enumerate(signature["input_specs"]):
            ((kind, spec),) = entry.items()
            if kind == "user_input":
                self.inputs.append(spec["arg"]["as_tensor"]["name"])
                continue
            target = next(spec[key] for key in _NAMED if key in spec)
            value = stored[target]
            self.register_buffer(f"value{number}", value.float() if value.dtype in _WIDEN else value)
            self.held[spec["arg"]["name"]] = f"value{number}"
        if len(self.inputs) != 1:
            raise ModelError(
                f"The program '{name}' takes {len(self.inputs)} inputs.", "Export a network of one image tensor."
            )
        self.nodes = [_Node(name, node) for node in graph["nodes"]]
        self.output = graph["outputs"][0]

    def forward(self, x: Tensor) -> Any:
        values: Environment = {name: getattr(self, place) for name, place in self.held.items()}
        values[self.inputs[0]] = x
        for node in self.nodes:
            node.run(values)
        return _read(self.output, values)


_NAMED = ("parameter_name", "buffer_name", "tensor_constant_name")


class _Node:
    """One call: the operator, its arguments as the archive writes them, and the names of what it gives."""

    def __init__(self, program: str, node: Mapping[str, Any]) -> None:
        self.function = _function(program, node["target"])
        self.positional = [entry["arg"] for entry in node["inputs"] if entry.get("kind", 1) != 2]
        self.named = {entry["name"]: entry["arg"] for entry in node["inputs"] if entry.get("kind", 1) == 2}
        self.outputs = node["outputs"]

    def run(self, values: Environment) -> None:
        arguments = [_read(entry, values) for entry in self.positional]
        answer = self.function(*arguments, **{name: _read(entry, values) for name, entry in self.named.items()})
        several = len(self.outputs) > 1
        for entry, value in zip(self.outputs, answer if several else [answer], strict=False):
            _keep(entry, value, values)


def _function(program: str, target: str) -> Callable[..., Any]:
    if target in _ARITHMETIC:
        return _ARITHMETIC[target]
    found = _ATEN.fullmatch(target)
    if found is None or found[1] in _BEYOND_TENSORS:
        raise ModelError(
            f"The program '{program}' was not opened: it calls '{target}', which is no operator on tensors.",
            "Export the network alone: torch.export.export(model.eval(), (image,)).",
        )
    function: Callable[..., Any] = getattr(getattr(torch.ops.aten, found[1]), found[2])
    return function


def _keep(entry: Mapping[str, Any], value: Any, values: Environment) -> None:
    ((kind, named),) = entry.items()
    if kind == "as_tensors":
        values.update({one["name"]: part for one, part in zip(named, value, strict=True)})
    elif named is not None and kind != "as_none":
        values[named["name"] if "name" in named else named["as_name"]] = value


def _read(entry: Mapping[str, Any], values: Environment) -> Any:
    """The value of an argument as the archive writes it: one key that says its kind."""
    ((kind, content),) = entry.items()
    if kind not in _KINDS:
        raise ValueError(f"an argument of the kind {kind}")
    return _KINDS[kind](content, values)


def _plain(content: Any, values: Environment) -> Any:
    return content


def _tensor(content: Mapping[str, Any], values: Environment) -> Any:
    return values[content["name"]]


def _tensors(content: Sequence[Mapping[str, Any]], values: Environment) -> Any:
    return [None if "as_none" in one else values[one.get("as_tensor", one)["name"]] for one in content]


def _symbol(content: Mapping[str, Any], values: Environment) -> Any:
    return values[content["as_name"]] if "as_name" in content else next(iter(content.values()))


def _symbols(content: Sequence[Mapping[str, Any]], values: Environment) -> Any:
    return [_symbol(one, values) for one in content]


def _type(content: int, values: Environment) -> torch.dtype:
    return _TYPES[content]


def _nothing(content: Any, values: Environment) -> None:
    return None


_KINDS: Mapping[str, Callable[[Any, Environment], Any]] = MappingProxyType(
    {
        "as_tensor": _tensor,
        "as_tensors": _tensors,
        "as_optional_tensors": _tensors,
        "as_optional_tensor": lambda content, values: _read(content, values),
        "as_sym_int": _symbol,
        "as_sym_ints": _symbols,
        "as_sym_float": _symbol,
        "as_scalar_type": _type,
        "as_none": _nothing,
        "as_memory_format": _nothing,
        "as_layout": _nothing,
        "as_device": _nothing,
        **dict.fromkeys(
            ("as_int", "as_ints", "as_float", "as_floats", "as_bool", "as_bools", "as_string", "as_strings"), _plain
        ),
    }
)


def _stored(archive: zipfile.ZipFile, root: str) -> dict[str, Tensor]:
    """Weights and constants by their names in the module, from raw bytes alone."""
    found = {}
    for folder in ("weights", "constants"):
        config = json.loads(archive.read(f"{root}data/{folder}/model_{folder}_config.json"))["config"]
        for name, entry in config.items():
            if entry.get("use_pickle") or entry.get("tensor_meta") is None:
                raise ModelError(
                    f"The program was not opened: it stores '{name}' as a pickle, which can run code.",
                    "Export the network without custom objects, its weights contiguous and on the CPU.",
                )
            found[name] = _from_bytes(archive.read(f"{root}data/{folder}/{entry['path_name']}"), entry["tensor_meta"])
    return found


def _from_bytes(content: bytes, meta: Mapping[str, Any]) -> Tensor:
    sizes = [int(one["as_int"]) for one in meta["sizes"]]
    kind = _TYPES[meta["dtype"]]
    count = math.prod(sizes)
    if not count:
        return torch.zeros(sizes, dtype=kind)
    strides = [int(one["as_int"]) for one in meta["strides"]]
    flat = torch.frombuffer(bytearray(content), dtype=kind)
    offset = int(meta.get("storage_offset", {}).get("as_int", 0))
    reach = offset + sum((size - 1) * step for size, step in zip(sizes, strides, strict=True))
    if min([offset, *strides]) < 0 or reach >= flat.numel():
        raise ValueError("a tensor that reaches beyond its bytes")
    return flat.as_strided(sizes, strides, offset).contiguous()
