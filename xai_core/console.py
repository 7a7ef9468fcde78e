"""What all commands share: where they print, and how."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table

from xai_core.errors import ParameterError

out = Console()
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="NAME=VALUE, as often as needed.")]


def pairs(settings: list[str]) -> list[tuple[str, str]]:
    """(name, text) of every NAME=VALUE; raises :class:`ParameterError` for one without a sign."""
    split = [entry.partition("=") for entry in settings]
    for name, sign, _ in split:
        if not sign:
            raise ParameterError(f"'{name}' is not NAME=VALUE.", "Write for example --set epsilon=0.1.")
    return [(name, text) for name, _, text in split]


def print_json(value: Any) -> None:
    """``value`` as JSON."""
    out.print_json(json.dumps(value))


def print_table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Rows under a head, the first column on one line."""
    table = Table(Column(head[0], no_wrap=True), *head[1:])
    for row in rows:
        table.add_row(*row)
    out.print(table)
