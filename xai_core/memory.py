"""How much memory a computation takes on top of what is held already: an approximation, and what kind of one.

On a graphics card it is the allocator's own peak. On a processor the resident memory of the whole process is sampled every
few milliseconds (at first every 2, later every 20): shorter peaks go unseen, memory that the program already held and used
again costs nothing, and what other threads take meanwhile counts too. (``tracemalloc`` does not see torch's tensors; ``ru_maxrss`` never falls, so that it
says nothing after a greater computation.)
"""

from __future__ import annotations

import threading
from types import TracebackType

import psutil
import torch

FIRST_SECONDS, LAST_SECONDS, GROWTH = 0.002, 0.02, 1.5


class ExtraMemory:
    """``with ExtraMemory(device) as used: ...``; then ``used.peak_bytes`` is the growth at its greatest, 0 or more."""

    def __init__(self, device: str = "cpu") -> None:
        self.peak_bytes = 0
        self._card = torch.device(device) if device.startswith("cuda") else None
        self._process = psutil.Process()
        self._over = threading.Event()
        self._sampler: threading.Thread | None = None
        self._before = 0

    def __enter__(self) -> ExtraMemory:
        if self._card is not None:
            torch.cuda.reset_peak_memory_stats(self._card)
            self._before = torch.cuda.memory_allocated(self._card)
            return self
        self._before = self._process.memory_info().rss
        self._sampler = threading.Thread(target=self._sample, name="memory", daemon=True)
        self._sampler.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._card is not None:
            self._see(torch.cuda.max_memory_allocated(self._card))
        if self._sampler is not None:
            self._see(self._process.memory_info().rss)
            self._over.set()
            self._sampler.join()

    def _sample(self) -> None:
        pause = FIRST_SECONDS
        while not self._over.wait(pause):
            self._see(self._process.memory_info().rss)
            pause = min(pause * GROWTH, LAST_SECONDS)

    def _see(self, now: int) -> None:
        self.peak_bytes = max(self.peak_bytes, now - self._before)
