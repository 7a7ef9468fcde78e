"""What an explanation costs, in time and memory, beside zennit and captum on the same network: ``make bench``.

CPU time in one process, in units of the network's own forward pass (see ``timing``); memory in a process of its own. Where a
peer fails, the table says so. ``--write`` puts the table into the README.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import warnings
from collections.abc import Sequence

import torch

from tests.benchmarks.rows import PARTS, Settings
from tests.benchmarks.table import Row, markdown, table
from tests.networks import BIG
from tests.readme import README, put


def main(arguments: Sequence[str] | None = None) -> int:
    """0 where no target is missed, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=list(PARTS), help="what is measured")
    parser.add_argument("--networks", nargs="+", default=list(BIG), choices=BIG, help="which of the matrix")
    parser.add_argument("--rounds", type=int, default=5, help="timed rounds, of which the least counts")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads of torch")
    parser.add_argument("--no-peers", action="store_true", help="leave zennit and captum out")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument("--write", action="store_true", help="put the table into README.md")
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    warnings.filterwarnings("ignore")
    settings = Settings(given.networks, given.rounds, given.threads, not given.no_peers)
    rows: list[Row] = []
    for part in given.parts:
        for fresh in PARTS[part](settings):
            rows += fresh
            if not given.json:
                print(table(fresh), flush=True)
    if given.json:
        print(json.dumps(_as_dict(rows, given.threads), indent=1))
    if given.write:
        put(README, "bench", markdown(rows, machine(given.threads)))
    return 0 if all(row.passed is not False for row in rows) else 1


def machine(threads: int) -> str:
    """Where it was measured, in words."""
    return (
        f"CPU time, least of all rounds, in forward passes of the same network; {threads} thread{'s' * (threads > 1)}, "
        f"torch {torch.__version__.split('+')[0]}; memory beyond the network and one forward pass."
    )


def _as_dict(rows: Sequence[Row], threads: int) -> dict[str, object]:
    shown = [dataclasses.asdict(row) | {"passed": row.passed} for row in rows]
    return {"threads": threads, "torch": torch.__version__, "rows": shown}


if __name__ == "__main__":
    sys.exit(main())
