"""``python -m tests.fuzz --count N --seed S``: check N random networks from seed S on; print what fails, shortened.

``--text FILE`` checks one network as it was printed. Exit 1 where anything failed.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import torch

from tests.fuzz.checks import problems
from tests.fuzz.growth import program_of
from tests.fuzz.program import Program
from tests.fuzz.shrink import shrunk


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="how many networks")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first; the next ones follow")
    parser.add_argument("--keep", action="store_true", help="print failing networks as they are, not shortened")
    parser.add_argument("--text", type=Path, help="check the network in this file instead")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.text is not None:
        return report(Program.parse(given.text.read_text(encoding="utf-8")), given.keep)
    begun, failed = time.perf_counter(), 0
    for seed in range(given.seed, given.seed + given.count):
        failed += report(program_of(seed), given.keep)
    print(f"{given.count} networks from seed {given.seed} on, {failed} failed, {time.perf_counter() - begun:.0f} s")
    return int(failed > 0)


def report(program: Program, keep: bool) -> int:
    """1 and a printed report where a promise is broken, else 0."""
    found = problems(program)
    if not found:
        return 0
    if not keep:
        program = shrunk(program)
        found = problems(program)
    print("\n".join([program.text, *(f"!! {sentence}" for sentence in found)]), end="\n\n", flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
