"""Freed memory stays at hand for the next step of a walk.

glibc gives large blocks back to the system as soon as they are freed, and the system clears every page of the next ones
anew. A walk frees and makes maps all the time: without this, thousands of pages are cleared for every one (mallopt(3)).
"""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache

KEPT_BYTES = 256 << 20
"""Free memory at the end of the heap that the process holds on to."""
LARGEST_BYTES = 32 << 20
"""Blocks up to this size come from the heap: the most that glibc allows."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # malloc.h
_OWN_WORD = ("GLIBC_TUNABLES", "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TOP_PAD_")


@cache
def keep_freed_memory() -> bool:
    """Raise both limits for this process, once. False where the C library has none or the environment sets its own."""
    if not sys.platform.startswith("linux") or any(name in os.environ for name in _OWN_WORD):
        return False
    adjust = getattr(ctypes.CDLL(None), "mallopt", None)
    if adjust is None:
        return False
    return bool(adjust(_MMAP_THRESHOLD, LARGEST_BYTES) and adjust(_TRIM_THRESHOLD, KEPT_BYTES))
