"""The matrix as a table for the README, and as JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence

from tests.matrix.cells import Cell
from tests.matrix.networks import NETWORKS, Network
from xai_core.explainers.registry import ExplainerInfo

SYMBOLS = {"ok": "●", "refused": "○", "FAIL": "✕"}
UNSTABLE = 100.0  # the badge's limit
TITLES = {2: "Films", 3: "Volumes"}


def markdown(cells: Sequence[Cell], infos: Mapping[str, ExplainerInfo]) -> str:
    """One table a number of dimensions, explainers by family down the side, and the refusals in words."""
    notes: dict[str, int] = {}
    parts = [
        "● works: finite, not trivial, the same twice, books closed. ○ refused, with its reason below. ✕ fails. "
        f"A wave (●~) marks relevance that grew beyond {UNSTABLE:g} times what is explained."
    ]
    by_place = {(one.explainer, one.network): one for one in cells}
    names = list(dict.fromkeys(one.explainer for one in cells))
    for dims, title in TITLES.items():
        columns = [network for network in NETWORKS.values() if network.dims == dims and _is_used(network, cells)]
        if columns:
            parts.append("\n".join([f"**{title}**", "", *_table(names, columns, by_place, infos, notes)]))
    if notes:
        parts.append("\n".join(f"{number}. {note}" for note, number in notes.items()))
    parts += [f"`{name}` was made for `{info.model}` alone." for name, info in infos.items() if info.model]
    return "\n\n".join(parts)


def _is_used(network: Network, cells: Sequence[Cell]) -> bool:
    return any(one.network == network.name for one in cells)


def _table(
    names: Sequence[str],
    columns: Sequence[Network],
    cells: Mapping[tuple[str, str], Cell],
    infos: Mapping[str, ExplainerInfo],
    notes: dict[str, int],
) -> list[str]:
    lines = [
        "| explainer | " + " | ".join(network.short for network in columns) + " |",
        "| --- |" + " :-: |" * len(columns),
    ]
    for family in dict.fromkeys(infos[name].family for name in names):
        members = [name for name in names if infos[name].family == family]
        lines.append(f"| *{family}* |" + "  |" * len(columns))
        for name in members:
            shown = [_symbol(cells.get((name, network.name)), notes) for network in columns]
            lines.append(f"| `{name}` | " + " | ".join(shown) + " |")
    return lines


def _symbol(one: Cell | None, notes: dict[str, int]) -> str:
    if one is None:
        return ""
    if one.status == "ok":
        return SYMBOLS["ok"] + ("~" if (one.amplification or 0) > UNSTABLE else "")
    note = " ".join((one.reason if one.status == "refused" else f"FAIL: {one.reason}").split()).replace("|", "\\|")
    return SYMBOLS[one.status] + f"<sup>{notes.setdefault(note, len(notes) + 1)}</sup>"


def as_json(cells: Sequence[Cell]) -> str:
    """Every cell with its seconds and amplification."""
    return json.dumps([dataclasses.asdict(one) for one in cells], indent=1, ensure_ascii=False)
