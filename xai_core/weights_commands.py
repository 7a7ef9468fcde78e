"""``python -m xai_core weights``: what models there are, fetching published ones, adding one's own, checking the shipped ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

import xai_core as xc
from xai_core.console import AsJson, Settings, out, pairs, print_json, print_table
from xai_core.models.adding import PROGRAMS, added, looked_at, trial
from xai_core.models.card import Card
from xai_core.models.fetching import fetched, installed, to_fetch
from xai_core.models.loaders import loaders
from xai_core.models.places import SHELF, models_folder
from xai_core.models.shelf import manifest_cards, own_cards, shipped_cards

weights = typer.Typer(no_args_is_help=True, help="Models' weights: list, fetch, add, check.")


@weights.command("list")
def list_weights(as_json: AsJson = False) -> None:
    """Every model: shipped, one's own, or to be fetched; its size, and whether it is here."""
    own = own_cards()
    rows = [_row(card, "own") for card in own.values()]
    rows = [_row(card, "shipped" if card.shipped else "to fetch") for card in _others(own)] + rows
    if as_json:
        print_json(rows)
        return
    print_table(
        ("name", "size", "kind", "here", "title"),
        [
            (
                row["name"],
                f"{row['bytes'] / 1e6:.1f} MB" if row["bytes"] else "?",
                row["kind"],
                "yes" if row["is_here"] else "no",
                row["title"],
            )
            for row in rows
        ],
    )
    for row in rows:
        if row["where"]:
            out.print(f"{row['name']}: {row['where']}", soft_wrap=True, markup=False, highlight=False)


def _others(own: dict[str, Card]) -> list[Card]:
    return [card for name, card in manifest_cards().items() if name not in own]


def _row(card: Card, kind: str) -> dict[str, Any]:
    is_here = kind == "own" or bool(card.members) or (SHELF / f"{card.name}.safetensors").is_file()
    where = "" if is_here else " ".join(part for part in (card.url, card.where) if part)
    return {
        "name": card.name,
        "title": card.title,
        "bytes": card.bytes,
        "kind": kind,
        "is_here": is_here,
        "where": where,
        "licence": card.licence,
        "sha256": card.sha256,
    }


@weights.command()
def fetch(
    name: Annotated[str, typer.Argument(help="A model that the list calls 'to fetch'.")], as_json: AsJson = False
) -> None:
    """Fetch a published model, check it, and put it among one's own. A fetch that breaks off goes on where it stood."""
    card = to_fetch(name)
    with out.status(f"Fetching {card.file}") as status:

        def progress(done: int, whole: int) -> None:
            of = f" of {whole / 1e6:.0f}" if whole else ""
            status.update(f"Fetching {card.file}: {done / 1e6:.0f}{of} MB")

        file = fetched(card, progress=None if as_json else progress)
        folder = installed(card, file)
    _say({"name": card.name, "folder": str(folder), "file": str(file), "is_checked": bool(card.sha256)}, as_json)


@weights.command()
def add(
    file: Annotated[Path, typer.Argument(help="A checkpoint, safetensors, or a program (.pt, .pt2).")],
    arch: Annotated[
        str,
        typer.Option(help="Layout or network; left out: as the keys say. " + ", ".join([*loaders(), *PROGRAMS]) + "."),
    ] = "",
    labels: Annotated[
        str, typer.Option(help="Names of the outputs in order, with commas; left out: the layout's.")
    ] = "",
    name: Annotated[str, typer.Option(help="Its name here; left out: the file's.")] = "",
    title: Annotated[str, typer.Option(help="Its title on pages.")] = "",
    side: Annotated[int, typer.Option(min=0, help="Side of its square input in pixels; 0: the layout's.")] = 0,
    channels: Annotated[int, typer.Option(min=0, help="Channels of its input; 0: the layout's.")] = 0,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Make a model of one's own of a file, try it once, and keep it in the folder of models."""
    more: dict[str, Any] = {"title": title} if title else {}
    wanted: dict[str, Any] = {"size": [side, side]} if side else {}
    if channels:
        wanted |= {"channels": channels, "repeat": channels > 1}
    found = looked_at(
        file,
        architecture=arch,
        labels=[label.strip() for label in labels.split(",") if label.strip()],
        settings=dict(pairs(settings or [])),
        name=name,
        more={**more, "input": wanted},
    )
    shape = trial(found)
    folder = added(found, models_folder())
    facts = {
        "name": found.card.name,
        "folder": str(folder),
        "loader": found.loader,
        "matched": found.fit.matched,
        "output": list(shape),
        "labels": list(found.card.labels),
        "messages": list(found.messages),
    }
    _say(facts, as_json)


@weights.command()
def check(as_json: AsJson = False) -> None:
    """Load the weights of every shipped model and compare them with their manifest."""
    rows: list[dict[str, Any]] = [
        {"name": card.name, "bytes": card.bytes, "sha256": xc.load_model(card.name, "cpu").weights_digest}
        for card in shipped_cards().values()
    ]
    if as_json:
        print_json(rows)
    else:
        print_table(("name", "bytes", "sha256"), [(r["name"], str(r["bytes"]), r["sha256"]) for r in rows])


def _say(facts: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(facts)
        return
    print_table(
        ("what", "found"),
        [(key, ", ".join(map(str, value)) if isinstance(value, list) else str(value)) for key, value in facts.items()],
    )
