"""Every explainer on every network: which works, which refuses and why, which fails, and how far relevance grew.

``python -m tests.matrix`` prints the table; ``--write`` puts it into the README, ``--json FILE`` keeps every number,
``--memory`` measures peak memory instead, each explainer in a process of its own.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch

import xai_core as xc
from tests.matrix.cells import Cell, cell, questions_of
from tests.matrix.memory import peaks
from tests.matrix.networks import NETWORKS, Network
from tests.matrix.table import as_json, markdown
from tests.readme import README, put
from xai_core.errors import ModelError
from xai_core.explainers.registry import ExplainerInfo

HEADING = "What works on what"
LARGE = 1e6


def run(networks: Sequence[Network], infos: Sequence[ExplainerInfo], aloud: bool = False) -> list[Cell]:
    """All cells, network by network; a checkpoint that is not at hand has no column, which is said on stderr."""
    cells: list[Cell] = []
    for network in networks:
        start = time.perf_counter()
        try:
            module = network.make()
        except ModelError as error:
            print(f"{network.name}: {error}", file=sys.stderr)
            continue
        x = network.input()
        questions = questions_of(module, x)
        own = [cell(info, network, module, x, questions) for info in infos]
        cells += own
        del module
        gc.collect()
        if aloud:
            _tell(network, own, time.perf_counter() - start)
    return cells


def _tell(network: Network, cells: Sequence[Cell], seconds: float) -> None:
    count = {status: sum(one.status == status for one in cells) for status in ("ok", "refused", "FAIL")}
    print(
        f"{network.name:<24}{count['ok']:4} ok {count['refused']:4} refused {count['FAIL']:4} FAIL {seconds:7.1f} s",
        file=sys.stderr,
        flush=True,
    )
    for one in cells:
        if one.status == "FAIL":
            print(f"    FAIL {one.explainer}: {one.reason}", file=sys.stderr, flush=True)
        if one.explainer.startswith("lrp-epsilon-plus") and (one.amplification or 0) > LARGE:
            print(f"    {one.explainer}: amplification {one.amplification:.3g}", file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """0 where no cell fails (or every peak stays below the limit), else 1."""
    infos = xc.explainers()
    names = [name for name, info in infos.items() if not info.model]
    parser = argparse.ArgumentParser(prog="python -m tests.matrix", description=__doc__)
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), metavar="NAME", help=", ".join(NETWORKS))
    parser.add_argument("--explainers", nargs="+", choices=names, metavar="NAME", help="all that explain any network")
    parser.add_argument("--write", action="store_true", help="put the table into README.md")
    parser.add_argument("--json", type=Path, metavar="FILE", help="every cell with its numbers")
    parser.add_argument("--memory", action="store_true", help="peak memory instead (densenet161 at 512, or --networks)")
    parser.add_argument("--side", type=int, help="side of the image for --memory")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads of torch")
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    warnings.filterwarnings("ignore")
    chosen = [infos[name] for name in given.explainers or names]
    if given.memory:
        networks = given.networks or ["densenet161"]
        side = given.side or (None if given.networks else 512)
        found = [peak for name in networks for peak in peaks([info.name for info in chosen], name, side, given.threads)]
        return 0 if all(peak.passed for peak in found) else 1
    if given.write and (given.networks or given.explainers):
        parser.error("--write takes the whole matrix: leave --networks and --explainers out")
    cells = run([NETWORKS[name] for name in given.networks or NETWORKS], chosen, aloud=True)
    table = markdown(cells, infos)
    print(table)
    if given.json:
        given.json.write_text(as_json(cells), encoding="utf-8")
    if given.write:
        put(README, "matrix", table, HEADING)
    return 1 if any(one.status == "FAIL" for one in cells) else 0
