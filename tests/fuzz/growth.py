"""Networks grown at random, a line at a time; every line is run as it is written, so that shapes are known.

A grower is a function that adds an operation (or a small block of them) to a :class:`Growth`; ``@grows`` registers it.
Equal seeds grow equal networks.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from tests.fuzz.program import NAMES, Program, input_of, layer_of

Grower = Callable[["Growth"], None]
T = TypeVar("T")
ROOM = 1200  # samples a value may have, per sample of the batch


@dataclass(frozen=True)
class Kind:
    """A grower, how often it is chosen, and whether it needs space axes."""

    grow: Grower
    weight: float
    needs_space: bool


KINDS: dict[str, Kind] = {}


def grows(weight: float = 1.0, needs_space: bool = True) -> Callable[[Grower], Grower]:
    """Register the decorated function as a way for networks to grow."""

    def add(grow: Grower) -> Grower:
        KINDS[grow.__name__] = Kind(grow, weight, needs_space)
        return grow

    return add


class Unfit(Exception):
    """The operation does not fit what has grown so far; raised before anything was written."""


class Growth:
    """A network under way. ``maps``: names of values (N, C, *space) that later lines may read, oldest first."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.seed = seed
        self.batch = self.choose([1, 1, 2, 2, 3])
        self.dims = self.choose([0, 1, 1, 2, 2, 2, 2, 3, 3])
        self.dtype = self.choose([torch.float64, torch.float64, torch.float32])
        self.is_non_negative = self.random.random() < 0.3
        top = {0: 0, 1: 12, 2: 8, 3: 5}[self.dims]
        space = [self.between(max(2, top // 2), top) for _ in range(self.dims)]
        channels = self.between(1, 4) if self.dims else self.between(2, 9)
        self.input_shape = (self.batch, channels, *space)
        self.layers: list[tuple[str, str]] = []
        self.lines: list[str] = []
        self.holder = nn.Module()
        x = input_of(seed, self.input_shape, self.dtype, self.is_non_negative)
        self.names: dict[str, Any] = {**NAMES, "m": self.holder, "x": x}
        self.maps = ["x"]
        self.callable: dict[str, int] = {}  # layers that keep C and space: name -> C, for calling them twice
        self._count = 0

    # --- chance ---------------------------------------------------------------------------------------------

    def choose(self, options: Sequence[T]) -> T:
        return options[self.random.randrange(len(options))]

    def between(self, low: int, high: int) -> int:
        return self.random.randint(low, high)

    def often(self, share: float) -> bool:
        return self.random.random() < share

    def number(self) -> float:
        """A factor of both signs, never near zero."""
        return self.choose([-1, 1, 1]) * self.between(2, 20) / 10

    # --- what there is --------------------------------------------------------------------------------------

    def value(self, name: str) -> Tensor:
        return self.names[name]

    def pick(self) -> str:
        """A value to go on from: mostly the latest."""
        return self.maps[-1] if self.often(0.7) else self.choose(self.maps[-4:])

    def partner(self, name: str) -> str:
        """Another value of the same shape; raises :class:`Unfit` where there is none."""
        shape = self.value(name).shape
        others = [other for other in self.maps if other != name and self.value(other).shape == shape]
        if not others:
            raise Unfit
        return self.choose(others)

    def channels(self, name: str) -> int:
        return int(self.value(name).shape[1])

    def space(self, name: str) -> tuple[int, ...]:
        return tuple(self.value(name).shape[2:])

    def need(self, fits: bool) -> None:
        if not fits:
            raise Unfit

    def need_room(self, *sizes: int) -> None:
        self.need(all(size > 0 for size in sizes) and math.prod(sizes) <= ROOM)

    # --- writing --------------------------------------------------------------------------------------------

    def layer(self, code: str) -> str:
        """A new layer by its constructor; returns how a line calls it (``m.conv1``)."""
        kind = code.split("(")[0].removeprefix("nn.").lower()
        name = f"{kind}{len(self.layers)}"
        setattr(self.holder, name, layer_of(code, name, self.seed))
        self.holder.to(self.dtype)
        self.layers.append((name, code))
        return f"m.{name}"

    def do(self, statement: str) -> None:
        """Write and run a line that makes no new map."""
        try:
            with torch.no_grad():
                exec(statement, self.names)
        except RuntimeError as error:
            if "single memory location" in str(error):  # refused before anything was written
                raise Unfit from None
            raise
        self.lines.append(statement)

    def let(self, expression: str) -> str:
        """Write and run ``name = expression``; returns the name."""
        self._count += 1
        name = f"v{self._count}"
        self.do(f"{name} = {expression}")
        return name

    def grow(self, expression: str) -> str:
        """``let``, and later lines may go on from it."""
        name = self.let(expression)
        result = self.value(name)
        assert result.ndim == self.dims + 2, (self.lines, result.shape)
        self.maps.append(name)
        return name

    def calm(self) -> None:
        """Scale down what has grown large."""
        for name in self.maps[-2:]:
            peak = float(self.value(name).abs().max())
            if peak > 30:
                self.maps[self.maps.index(name)] = self.let(f"{name} * {1 / peak:.1g}")


def program_of(seed: int) -> Program:
    """The network of ``seed``."""
    from tests.fuzz import heads, layers, structure, writes  # noqa: F401  (they register their growers)

    growth = Growth(seed)
    kinds = [kind for kind in KINDS.values() if growth.dims > 0 or not kind.needs_space]
    weights = [kind.weight for kind in kinds]
    wanted, tries = growth.between(2, 9), 0
    while wanted and tries < 200:
        tries += 1
        (kind,) = growth.random.choices(kinds, weights)
        try:
            kind.grow(growth)
        except Unfit:
            continue
        growth.calm()
        wanted -= 1
    heads.close(growth)
    return Program(
        seed, growth.input_shape, growth.dtype, tuple(growth.layers), tuple(growth.lines), growth.is_non_negative
    )
