"""The lock of one model: one thread at a time, those in a hurry first, those with time last."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum


class Haste(IntEnum):
    """Who goes first: a prediction before maps, maps before second looks at maps."""

    PATIENT = 0
    ORDINARY = 1
    URGENT = 2


class Turn:
    """A long computation steps aside between its chunks for those in more of a hurry."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._is_taken = False
        self._waiting: Counter[Haste] = Counter()
        self._aside: Counter[Haste] = Counter()

    @contextmanager
    def held(self, haste: Haste) -> Iterator[None]:
        """Hold the model for the length of a ``with`` block."""
        self._take(haste)
        try:
            yield
        finally:
            self._give()

    def step_aside(self, haste: Haste) -> None:
        """Let those in more of a hurry go first; called by the holder, between two uses of the model."""
        if self._is_preceded(haste):
            with self._condition:
                self._give()
                self._queue(self._aside, haste, self._is_preceded)

    def _is_preceded(self, haste: Haste) -> bool:
        return any(self._waiting[other] for other in Haste if other > haste)

    def _must_wait(self, haste: Haste) -> bool:
        """Whether somebody in more of a hurry waits, or somebody as hasty has only stepped aside."""
        return self._is_preceded(haste) or any(self._aside[other] for other in Haste if other >= haste)

    def _take(self, haste: Haste) -> None:
        with self._condition:
            self._queue(self._waiting, haste, self._must_wait)

    def _queue(self, queue: Counter[Haste], haste: Haste, must_wait: Callable[[Haste], bool]) -> None:
        """Stand in ``queue`` until the model is free and nobody goes first; called with the condition held."""
        queue[haste] += 1
        self._condition.wait_for(lambda: not self._is_taken and not must_wait(haste))
        queue[haste] -= 1
        self._is_taken = True

    def _give(self) -> None:
        with self._condition:
            self._is_taken = False
            self._condition.notify_all()
