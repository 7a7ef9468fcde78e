"""The greatest memory of one explainer on one network, each in a process of its own."""

from __future__ import annotations

import multiprocessing
import resource
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import torch

LIMIT_MIB = 4096.0


@dataclass(frozen=True)
class Peak:
    """``mib``: greatest resident memory of the process with everything in it; ``before``: with the network and one forward pass."""

    explainer: str
    network: str
    side: int | None
    mib: float
    before: float
    seconds: float
    reason: str = ""

    @property
    def passed(self) -> bool:
        return 0 < self.mib < LIMIT_MIB


def peak_mib() -> float:
    """Greatest resident memory of this process. Linux's own count starts anew with the program; getrusage's, that of the
    process that started it included, is second best."""
    status = Path("/proc/self/status")
    for line in status.read_text().splitlines() if status.exists() else ():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def measured(explainer: str, name: str, side: int | None, threads: int) -> Peak:
    """Run ``explainer`` once with its cheap parameters; meant for a fresh process."""
    import xai_core as xc
    from tests.matrix.cells import cheap
    from tests.matrix.networks import NETWORKS

    torch.set_num_threads(threads)
    network = NETWORKS[name]
    module, x = network.make(), network.input(side)
    with torch.no_grad():
        module(x)
    before, reason = peak_mib(), ""
    parameters = cheap(xc.explainers()[explainer], tuple(x.shape[2:]))
    start = time.perf_counter()
    try:
        xc.attribute(module, x, explainer=explainer, **parameters)
    except xc.LightboxError as error:
        reason = error.sentence
    return Peak(explainer, name, side, peak_mib(), before, time.perf_counter() - start, reason)


def peaks(explainers: Sequence[str], network: str, side: int | None, threads: int) -> list[Peak]:
    """:func:`measured` of every explainer, one fresh process after the other."""
    context = multiprocessing.get_context("spawn")
    found = []
    for explainer in explainers:
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            try:
                peak = pool.submit(measured, explainer, network, side, threads).result()
            except BrokenProcessPool:
                peak = Peak(explainer, network, side, 0.0, 0.0, 0.0, "the process was ended, probably for memory")
        found.append(peak)
        print(line(peak), flush=True)
    return found


def line(peak: Peak) -> str:
    verdict = "" if peak.passed else "  OVER" if peak.mib else "  FAIL"
    shown = f"{peak.explainer:<34}{peak.mib:8.0f} MiB  (before {peak.before:.0f})  {peak.seconds:7.1f} s"
    return f"{shown}{verdict}  {peak.reason}".rstrip()
