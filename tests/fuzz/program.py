"""A network as a short text: its layers, then its forward pass, a line an operation.

    # seed 17, input (2, 3, 7, 6), float64
    m.conv1 = nn.Conv2d(3, 4, 3)
    a = m.conv1(x)
    a[:, :2] += 0.5
    return a.mean((2, 3))

The text is the whole truth of a fuzzed network: its weights and its input follow from the seed, so that a failure
can be pasted into a test as it was printed.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NAMES: dict[str, Any] = {"torch": torch, "nn": nn, "F": F}
_HEAD = re.compile(r"# seed (\d+), input \(([\d, ]+)\), (float\d\d)(, not negative)?")
_LAYER = re.compile(r"m\.(\w+) = (nn\..*)")
_CLOSING = re.compile(r"return torch\.\w+\((\w+)(?:, 1)?\)")


@dataclass(frozen=True)
class Program:
    """``shape`` (N, C, *space) of the input; ``layers``: (name, constructor); ``lines`` of the forward pass, the last one a return."""

    seed: int
    shape: tuple[int, ...]
    dtype: torch.dtype
    layers: tuple[tuple[str, str], ...]
    lines: tuple[str, ...]
    is_non_negative: bool = False

    @property
    def text(self) -> str:
        kind = str(self.dtype).removeprefix("torch.") + (", not negative" if self.is_non_negative else "")
        body = "\n".join(self.lines)
        used = [f"m.{name} = {code}" for name, code in self.layers if re.search(rf"\bm\.{name}\b", body)]
        return "\n".join([f"# seed {self.seed}, input {self.shape}, {kind}", *used, *self.lines])

    @classmethod
    def parse(cls, text: str) -> Program:
        head, *lines = (line.strip() for line in text.strip().splitlines())
        found = _HEAD.fullmatch(head)
        assert found is not None, head
        layers = [match.groups() for line in lines if (match := _LAYER.fullmatch(line))]
        return cls(
            int(found[1]),
            tuple(int(size) for size in found[2].split(",") if size.strip()),
            getattr(torch, found[3]),
            tuple((name, code) for name, code in layers),
            tuple(line for line in lines if not _LAYER.fullmatch(line)),
            found[4] is not None,
        )

    def network(self) -> nn.Module:
        return Network(self)

    def input(self) -> Tensor:
        """The batch that belongs to the network; a fresh tensor at every call, for networks that write into it."""
        return input_of(self.seed, self.shape, self.dtype, self.is_non_negative)

    def opened(self) -> Program:
        """The same without a closing sigmoid or softmax: what it returns is the logits."""
        closing = _CLOSING.fullmatch(self.lines[-1])
        return self if closing is None else replace(self, lines=(*self.lines[:-1], f"return {closing[1]}"))


class Network(nn.Module):
    """The module of a program, in eval mode, with the weights of its seed."""

    def __init__(self, program: Program) -> None:
        super().__init__()
        for name, code in program.layers:
            setattr(self, name, layer_of(code, name, program.seed))
        source = "\n    ".join(["def forward(m, x):", *program.lines])
        names = dict(NAMES)
        exec(compile(source, f"<network of seed {program.seed}>", "exec"), names)
        self._forward = names["forward"]
        self.to(program.dtype).eval()

    def forward(self, x: Tensor) -> Tensor:
        return self._forward(self, x)


def layer_of(code: str, name: str, seed: int) -> Any:
    """A module or parameter by its constructor, with lively weights that depend on the seed and its name alone."""
    made = eval(code, dict(NAMES))
    generator = torch.Generator().manual_seed(seed * 1000003 + zlib.crc32(name.encode()))
    entries = (
        [("weight", made)] if isinstance(made, nn.Parameter) else [*made.named_parameters(), *made.named_buffers()]
    )
    for entry, value in entries:
        if not value.is_floating_point():
            continue
        with torch.no_grad():
            if entry.endswith("running_var"):
                value.uniform_(0.5, 1.5, generator=generator)
            elif entry.endswith("weight") and value.ndim == 1:  # of a norm: mostly positive, some not
                value.normal_(0.8, 0.5, generator=generator)
            elif value.ndim <= 1:
                value.normal_(0.0, 0.3, generator=generator)
            else:
                value.normal_(0.0, (2.0 / value[0].numel()) ** 0.5, generator=generator)
    return made.eval() if isinstance(made, nn.Module) else made


def input_of(seed: int, shape: tuple[int, ...], dtype: torch.dtype, is_non_negative: bool) -> Tensor:
    generator = torch.Generator().manual_seed(seed + 7919)
    x = torch.randn(shape, generator=generator, dtype=torch.float64)
    return (x.abs() if is_non_negative else x).to(dtype)
