"""A failing network made shorter: lines left out or passed over, as long as it still fails the same way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from tests.fuzz.checks import problems
from tests.fuzz.program import Program

_LET = re.compile(r"(v\d+) = .*")


def shrunk(program: Program) -> Program:
    """The shortest network found by leaving out one line at a time that breaks one of the same promises."""
    kinds = broken(program)
    found = True
    while found:
        found = False
        for shorter in candidates(program):
            if broken(shorter) & kinds:
                program, found = shorter, True
                break
    return program


def broken(program: Program) -> set[str]:
    """Which promises a program breaks; none where it does not even run."""
    try:
        return {sentence.split(":")[0][:30] for sentence in problems(program)}
    except Exception:
        return set()


def candidates(program: Program) -> Iterator[Program]:
    """Programs with one line less, a result replaced by an earlier value, or one sample only."""
    if program.shape[0] > 1:
        yield replace(program, shape=(1, *program.shape[1:]))
    for n in range(len(program.lines) - 2, -1, -1):
        lines = program.lines[:n] + program.lines[n + 1 :]
        let = _LET.fullmatch(program.lines[n])
        if let is None:
            yield replace(program, lines=lines)
            continue
        earlier = ["x", *(match[1] for line in program.lines[:n] if (match := _LET.fullmatch(line)))]
        for name in reversed(earlier):
            yield replace(program, lines=tuple(re.sub(rf"\b{let[1]}\b", name, line) for line in lines))
