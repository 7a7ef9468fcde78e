"""The benchmark's rows, as text and as the README's table."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

HEADER = ("network", "what", "figure", "unit", "target", "result")
AT_LEAST = frozenset({"times faster"})


@dataclasses.dataclass(frozen=True)
class Row:
    """One line: ``figure`` in ``unit``, ``target`` the most (for "times faster": the least) allowed."""

    network: str
    what: str
    figure: float | None
    unit: str
    target: float | None = None
    note: str = ""

    @property
    def passed(self) -> bool | None:
        if self.target is None:
            return None
        if self.figure is None:
            return False
        return self.figure >= self.target if self.unit in AT_LEAST else self.figure <= self.target

    def cells(self) -> tuple[str, ...]:
        """What stands under ``HEADER``."""
        figure = "-" if self.figure is None else f"{self.figure:.0f}" if self.unit == "MiB" else f"{self.figure:.2f}"
        sign = ">=" if self.unit in AT_LEAST else "<="
        target = "" if self.target is None else f"{sign} {self.target:.4g}"
        verdict = {None: "", True: "pass", False: "FAIL"}[self.passed]
        return self.network, self.what, figure, self.unit, target, f"{verdict} {self.note}".strip()


def table(rows: Sequence[Row]) -> str:
    """For a terminal."""
    lines = [
        f"{network:<14}{what:<44}{figure:>9}  {unit:<13}{target:>8}  {result}".rstrip()
        for network, what, figure, unit, target, result in (HEADER, *(row.cells() for row in rows))
    ]
    return "\n".join(lines)


def markdown(rows: Sequence[Row], machine: str) -> str:
    """For the README: ``machine`` says where it was measured."""
    shown = [tuple(cell.replace("|", "\\|") for cell in row.cells()) for row in rows]
    lines = [f"| {' | '.join(cells)} |" for cells in (HEADER, ("---", "---", "---:", "---", "---", "---"), *shown)]
    return "\n".join([machine, "", *lines])
