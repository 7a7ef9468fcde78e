"""Buffers for the browser: sheets without their arrays, made once an array and kept as long as the array itself."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from xai_core.render import Sheet

# Puts a buffer at a place among the server's media files and gives its address.
Send = Callable[[bytes, str], str]


@dataclass(frozen=True)
class Packed:
    """A sheet without its array: what is kept must not hold on to what it was made of."""

    blob: bytes
    type_name: str
    base: float
    step: float
    scale: float


def packed(sheet: Sheet) -> Packed:
    """The sheet's codes as bytes, in the order of the array."""
    return Packed(sheet.codes.tobytes(), sheet.codes.dtype.name, sheet.base, sheet.step, sheet.scale)


# What was made of an array is kept as long as the array itself: reruns then cost nothing.
_MADE: dict[tuple[int, str], Any] = {}


def once(array: NDArray[Any], what: str, make: Callable[[], Any]) -> Any:
    """What ``make`` made of ``array`` when first asked for ``what``."""
    name = (id(array), what)
    if name not in _MADE:
        made = make()
        weakref.finalize(array, _MADE.pop, name, None)
        _MADE[name] = made
    return _MADE[name]
