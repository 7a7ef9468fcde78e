"""What the hand asked of the server: a filter inside the propagation, a voxel to explain, a box.

The browser's words are checked before a page sees them: what belongs to another case or lies outside this one is
dropped. A voxel and a box are told once, in the run of the script that they cause; a filter stays until it is changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xai_core.case import Case

Index = tuple[int, int, int]
# (x, y, z, width, height, depth) as fractions along the array's W, H and D, as ``xc.read_region`` takes them.
Fractions = tuple[float, float, float, float, float, float]


@dataclass(frozen=True)
class Voxel:
    """The voxel under the crosshair when "Explain this voxel" was pressed.

    ``index`` (d, h, w) on the case's grid; ``position_mm`` LPS, ``None`` where the case does not say; ``pane`` the pane
    it was pressed in; ``boxes`` for ``xc.read_region(voxel.boxes, case)``, which gives that one voxel.
    """

    index: Index
    position_mm: tuple[float, float, float] | None
    pane: str
    boxes: tuple[Fractions, ...]


@dataclass(frozen=True)
class Box:
    """A box as it was let go. ``first`` and ``last`` (d, h, w) are its end voxels on the case's grid, both inside;
    ``plane`` ("axial", "coronal", "sagittal") and ``pane`` where it was drawn; ``boxes`` for ``xc.read_region(box.boxes,
    case)``. Where it was removed ``first`` and ``last`` are ``None`` and ``boxes`` is empty.
    """

    first: Index | None
    last: Index | None
    plane: str
    pane: str
    boxes: tuple[Fractions, ...]


@dataclass(frozen=True)
class ViewerEvents:
    """What the hand asked of the server.

    ``filter``: ``None``, or ``{"mode": "pass" | "clamp", "low": 0..1, "high": 0..1, "at": "blocks"}`` for the
    propagation itself; a filter on the final map never leaves the browser. ``voxel`` and ``box`` come only where
    ``settings["picks"]`` names them, and only in the run that they cause: keep what is to last.
    """

    filter: dict[str, Any] | None = None
    voxel: Voxel | None = None
    box: Box | None = None


def voxel_of(told: Any, case: Case) -> Voxel | None:
    """The voxel that the browser told of; ``None`` where it told of none in this case."""
    if not _is_of(told, case):
        return None
    index = _inside(told.get("index"), case)
    if index is None:
        return None
    position = None if case.geometry.affine is None else tuple(float(mm) for mm in case.geometry.position(index))
    return Voxel(index, position, str(told.get("pane", "")), (fractions(index, index, case),))  # type: ignore[arg-type]


def box_of(told: Any, case: Case) -> Box | None:
    """The box that the browser told of; ``None`` where it told of none in this case."""
    if not _is_of(told, case):
        return None
    plane, pane, ends = str(told.get("plane", "")), str(told.get("pane", "")), told.get("ends")
    if ends is None:
        return Box(None, None, plane, pane, ())
    if not isinstance(ends, Mapping):
        return None
    first, last = (_inside(ends.get(end), case) for end in ("first", "last"))
    if first is None or last is None or any(low > high for low, high in zip(first, last, strict=True)):
        return None
    return Box(first, last, plane, pane, (fractions(first, last, case),))


def fractions(first: Index, last: Index, case: Case) -> Fractions:
    """The box from the outer corner of voxel ``first`` to that of ``last``, as fractions along W, H and D."""
    counts = case.space[::-1]
    starts = [at / count for at, count in zip(first[::-1], counts, strict=True)]
    lengths = [(to - at + 1) / count for at, to, count in zip(first[::-1], last[::-1], counts, strict=True)]
    return (*starts, *lengths)  # type: ignore[return-value]


def _is_of(told: Any, case: Case) -> bool:
    return isinstance(told, Mapping) and case.kind == "volume" and told.get("case") == case.digest


def _inside(index: Any, case: Case) -> Index | None:
    """Three whole numbers within the case, or ``None``."""
    if not isinstance(index, list | tuple) or len(index) != 3:
        return None
    # JSON knows one kind of number: a whole one may come as 3.0
    whole = [int(at) if isinstance(at, int | float) and float(at).is_integer() else -1 for at in index]
    if not all(0 <= at < count for at, count in zip(whole, case.space, strict=True)):
        return None
    return whole[0], whole[1], whole[2]
