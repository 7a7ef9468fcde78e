"""The extra memory of a computation: seen when it is there, gone when it is given back, nothing of what was held before."""

from __future__ import annotations

import mmap
import threading
import time

import torch

from xai_core.memory import ExtraMemory

MIB = 1 << 20


def test_what_is_taken_is_seen_even_when_it_is_given_back() -> None:
    with ExtraMemory() as used:
        taken = mmap.mmap(-1, 64 * MIB)  # of the system itself: malloc may hold as much from before
        for page in range(0, 64 * MIB, mmap.PAGESIZE):
            taken[page] = 1
        time.sleep(0.1)
        taken.close()
    assert 50 * MIB < used.peak_bytes < 128 * MIB


def test_what_was_held_before_is_not_counted() -> None:
    held = torch.ones(64 * MIB // 4)
    with ExtraMemory() as used:
        time.sleep(0.05)
    assert used.peak_bytes < 16 * MIB
    assert held[0] == 1


def test_no_thread_is_left_behind_by_an_error() -> None:
    before = threading.active_count()
    try:
        with ExtraMemory():
            raise ValueError
    except ValueError:
        pass
    assert threading.active_count() == before
