"""Memory that is freed serves the next block: the system need not clear its pages anew."""

from __future__ import annotations

import resource

import pytest
import torch

from xai_core.allocation import keep_freed_memory

BLOCK = 16 << 20
BLOCKS = 20


def pages_cleared() -> int:
    """Pages that the system handed out while blocks were made, filled and freed one after the other."""
    torch.ones(BLOCK, dtype=torch.uint8)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(BLOCKS):
        torch.ones(BLOCK, dtype=torch.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def test_blocks_that_follow_each_other_share_their_pages() -> None:
    if not keep_freed_memory():
        pytest.skip("the C library or the environment has it otherwise")
    assert pages_cleared() * resource.getpagesize() < BLOCKS * BLOCK / 2


@pytest.mark.parametrize("name", ["GLIBC_TUNABLES", "MALLOC_TRIM_THRESHOLD_"])
def test_what_the_environment_says_of_memory_holds(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1048576")
    assert not keep_freed_memory.__wrapped__()


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    assert not keep_freed_memory.__wrapped__()
