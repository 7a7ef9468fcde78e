"""CPU time in units of the network's own forward pass.

One process, ``time.process_time``, every competitor in every round; the least time of all rounds against the least time of
the forward passes between them, since whatever else runs on a machine only ever adds.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

Prepare = Callable[[], Callable[[], object]]
"""Set-up that is not timed; returns what is timed."""


def seconds(run: Callable[[], object]) -> float:
    """CPU seconds of one call; what it returns is freed after the clock has stopped."""
    gc.collect()
    begin = time.process_time()
    result = run()
    spent = time.process_time() - begin
    del result
    return spent


def ratios(
    module: nn.Module, x: Tensor, timed: Mapping[str, Prepare], rounds: int, warms: bool = True
) -> dict[str, float | str]:
    """Least CPU time as a ratio to the least of the no-grad forward pass, or the error's first line, for each of ``timed``.

    ``warms``: one round more comes first and does not count.
    """

    def forward() -> object:
        with torch.no_grad():
            return module(x)

    seconds(forward)
    base = float("inf")
    found: dict[str, float] = {}
    failed: dict[str, str] = {}
    for round_number in range(rounds + warms):
        for name, prepare in timed.items():
            if name in failed:
                continue
            try:
                run = prepare()
                base = min(base, seconds(forward))
                spent = seconds(run)
            except Exception as error:
                reason = (str(error).splitlines() or [""])[0]
                failed[name] = f"fails: {type(error).__name__}: {reason[:70]}"
                continue
            if round_number >= warms:
                found[name] = min(found.get(name, float("inf")), spent)
    return {name: failed.get(name) or found[name] / base for name in timed}
