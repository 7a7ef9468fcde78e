"""Explanations remembered: a memory of recent ones with a limit of bytes, above the store on disk.

A result is known by a digest of all that made it: the case's samples, the weights, the kind of device, the explainer,
the target, every parameter, and the program itself (its own source and torch's version), so that a changed rule
never shows yesterday's map. Maps are kept as they are; names of patients and of files are not among the fields.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch

from xai_core.case import Region
from xai_core.explain import Explanation
from xai_core.grid import Grid
from xai_core.store import ResultStore
from xai_core.trust import Badge, Finding

Value = TypeVar("Value")

_ARRAYS = ("map", "raw", "shown")
_PLAIN = (
    "explainer",
    "target",
    "model",
    "case_digest",
    "account",
    "seconds",
    "provenance",
    "is_signed",
    "unit",
    "rules",
    "checks",
    "region",
)


class Memory(Generic[Value]):
    """Values by key, least recently used dropped beyond ``limit_bytes``. Safe between threads."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self._held: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    @property
    def size_bytes(self) -> int:
        """Bytes of all values held."""
        return self._bytes

    def get(self, key: Hashable) -> Value | None:
        """The value under ``key``, now the most recently used, or ``None``."""
        with self._lock:
            if key not in self._held:
                return None
            self._held.move_to_end(key)
            return self._held[key][0]

    def put(self, key: Hashable, value: Value, size_bytes: int) -> None:
        """Hold ``value``; one larger than the limit is not held."""
        with self._lock:
            if key in self._held:
                self._bytes -= self._held.pop(key)[1]
            if size_bytes > self.limit_bytes:
                return
            self._held[key] = (value, size_bytes)
            self._bytes += size_bytes
            while self._bytes > self.limit_bytes:
                self._bytes -= self._held.popitem(last=False)[1][1]


class Results:
    """Explanations by request key: memory first, then disk. Arrays come back read-only."""

    def __init__(self, store: ResultStore, memory_bytes: int) -> None:
        self.store = store
        self.memory: Memory[Explanation] = Memory(memory_bytes)

    def get(self, key: str) -> Explanation | None:
        """The explanation under ``key`` or ``None``."""
        held = self.memory.get(key)
        if held is not None:
            return held
        found = self.store.get(key)
        if found is None:
            return None
        try:
            explanation = unpacked(*found)
        except (KeyError, TypeError, ValueError):
            self.store.drop(key)
            return None
        self.hold(key, explanation)
        return explanation

    def hold(self, key: str, explanation: Explanation) -> None:
        """Hold ``explanation`` in memory; its arrays are shared from now on and so become read-only."""
        for name in _ARRAYS:
            getattr(explanation, name).setflags(write=False)
        self.memory.put(key, explanation, sum(getattr(explanation, name).nbytes for name in _ARRAYS))

    def keep(self, key: str, explanation: Explanation) -> None:
        """Keep ``explanation`` on disk."""
        self.store.put(key, *packed(explanation))


def request_key(
    case_digest: str,
    weights_digest: str,
    device: str,
    explainer: str,
    target: str,
    parameters: Mapping[str, Any],
    region: Region | None = None,
) -> str:
    """Hex SHA-256 of everything that decides a map; of a region its voxels and what it is called."""
    request = [program_digest(), case_digest, weights_digest, device, explainer, target, parameters]
    if region is not None:
        request.append([region.digest, region.name])
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()


@cache
def program_digest() -> str:
    """Digest of this package's own source and of torch's version."""
    digest = hashlib.sha256(torch.__version__.encode())
    folder = Path(__file__).parent
    for path in sorted(folder.rglob("*.py")):
        digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def packed(explanation: Explanation) -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, Any]]:
    """Arrays and plain facts of ``explanation``, for the store."""
    facts = {name: getattr(explanation, name) for name in _PLAIN}
    facts["parameters"] = dict(explanation.parameters)
    facts["rules"] = dict(explanation.rules)
    facts["grid"] = asdict(explanation.grid)
    badge = explanation.badge
    facts["badge"] = {
        "findings": [[found.level, found.word, found.sentence, found.check] for found in badge.findings],
        "notes": badge.notes,
        "numbers": dict(badge.numbers),
    }
    return {name: getattr(explanation, name) for name in _ARRAYS}, facts


def unpacked(arrays: Mapping[str, np.ndarray[Any, Any]], facts: Mapping[str, Any]) -> Explanation:
    """The explanation that :func:`packed` took apart; KeyError, TypeError or ValueError where it is not one."""
    kept: dict[str, Any] = {name: arrays[name] for name in _ARRAYS}
    grid = Grid(**{name: tuple(value) for name, value in facts["grid"].items()})
    told = facts["badge"]
    badge = Badge(tuple(Finding(*found) for found in told["findings"]), tuple(told["notes"]), told["numbers"])
    parameters = {
        name: tuple(value) if isinstance(value, list) else value for name, value in facts["parameters"].items()
    }
    plain = {name: facts[name] for name in _PLAIN}
    return Explanation(**plain, **kept, grid=grid, badge=badge, parameters=parameters)
