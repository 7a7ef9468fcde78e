"""The command line: ``python -m xai_core COMMAND``. Exit 0 well, 1 for a person's error (its sentence on stderr), 2 for usage."""

from __future__ import annotations

import platform
import sys
from dataclasses import asdict, fields
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

import xai_core as xc
from xai_core.console import AsJson, Settings, out, pairs, print_json, print_table
from xai_core.errors import ParameterError
from xai_core.explain import explainer_named
from xai_core.explainers.registry import grouped
from xai_core.filter_study_command import filter_study
from xai_core.models import chosen_device
from xai_core.readers.digit import read_digit
from xai_core.report import save, sidecar
from xai_core.training import chosen, recipes
from xai_core.weights_commands import weights

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
app.add_typer(weights, name="weights")
app.command("filter-study")(filter_study)
READERS = {"digit": read_digit}
"""Readers of what is no film, by the model's modality."""


@app.command()
def explain(
    case: Annotated[
        Path,
        typer.Argument(help="A film: DICOM, PNG, JPEG, WebP or TIFF; for a model of digits a small square picture."),
    ],
    model: Annotated[str, typer.Option(help="A model's name or folder.")] = "cxr-resnet18",
    explainer: Annotated[list[str] | None, typer.Option(help="Explainer; may be given several times.")] = None,
    target: Annotated[str | None, typer.Option(help="Label; left out: the most probable one.")] = None,
    settings: Settings = None,
    folder: Annotated[Path | None, typer.Option("--out", help="Folder for map, picture and sidecar.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    as_json: AsJson = False,
) -> None:
    """Explain a film and say how far to believe each map."""
    names = explainer or ["lrp-epsilon-plus"]
    loaded = xc.load_model(model, device)
    read = READERS.get(loaded.card.modality, xc.read_case)(case)
    known = xc.quality(read, loaded)
    parameters = {name: _parameters(name, settings or []) for name in names}
    found = xc.explain_all(loaded, read, explainers=names, targets=[target], parameters=parameters)
    rows = []
    for explanation in found.values():
        row = {**sidecar(explanation), "input": told_of(known.about(explanation.target))}
        if folder is not None:
            row["files"] = {kind: str(path) for kind, path in save(read, explanation, folder).items()}
        rows.append(row)
    for line in dict.fromkeys(line for row in rows for line in row["input"]["warnings"]):
        typer.echo(line, err=True)
    if as_json:
        print_json(rows)
        return
    print_table(
        ("explainer", "target", "badge", "seconds", "what speaks for and against it"),
        [
            (
                row["explainer"],
                row["target"],
                row["badge"]["word"],
                f"{row['seconds']:.2f}",
                row["badge"]["sentences"][0],
            )
            for row in rows
        ],
    )


@app.command()
def train(
    name: Annotated[str, typer.Argument(help="The recipe: " + ", ".join(recipes()) + ".")],
    data: Annotated[Path, typer.Option(help="Folder of the training films.")],
    folder: Annotated[Path, typer.Option("--out", help="Folder for checkpoints, log, weights and card.")] = Path(
        "runs"
    ),
    seed: Annotated[int, typer.Option(help="Seed of every random number.")] = 0,
    resume: Annotated[bool, typer.Option(help="Go on from the last checkpoint.")] = False,
    settings: Settings = None,
) -> None:
    """Train a shipped model again from its films."""
    known = recipes()
    if name not in known:
        raise ParameterError(f"There is no recipe '{name}'.", f"Known recipes: {', '.join(known)}.")
    options = chosen(known[name].options, dict(pairs(settings or [])))
    path = known[name].run(
        data,
        folder / name,
        seed=seed,
        resume=resume,
        progress=lambda share, line: out.print(f"{share:6.1%}  {line}"),
        **options,
    )
    out.print(f"weights: {path}")


@app.command()
def models(as_json: AsJson = False) -> None:
    """The models that can be loaded here."""
    rows: list[dict[str, Any]] = [
        {
            "name": card.name,
            "title": card.title,
            "modality": card.modality,
            "shipped": card.shipped,
            "labels": list(card.labels),
            "sha256": card.sha256,
        }
        for card in xc.models()
    ]
    if as_json:
        print_json(rows)
    else:
        print_table(
            ("name", "title", "modality", "labels"),
            [(r["name"], r["title"], r["modality"], ", ".join(r["labels"])) for r in rows],
        )


@app.command()
def explainers(as_json: AsJson = False) -> None:
    """The explainers by kind; as JSON with all they say of themselves and their parameters."""
    groups = grouped(xc.explainers().values())
    if as_json:
        print_json([{**_declared(info), "group": info.group} for infos in groups.values() for info in infos])
        return
    for title, infos in groups.items():
        out.print(f"[bold]{title}[/bold]")
        print_table(
            ("name", "targets", "passes", "summary"),
            [
                (info.name, "each its map" if info.target_dependent else "one map", f"{info.cost:g}", info.summary)
                for info in infos
            ],
        )


@app.command()
def metrics(as_json: AsJson = False) -> None:
    """The metrics of maps; as JSON with all they say of themselves and their options."""
    found = xc.metrics().values()
    if as_json:
        print_json([_declared(info) for info in found])
        return
    print_table(
        ("name", "better", "range", "needs", "summary"),
        [
            (info.name, info.direction, f"{info.range[0]:g} to {info.range[1]:g}", ", ".join(info.needs), info.summary)
            for info in found
        ],
    )


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Versions, device, and whether the packaged models and cases are in order."""
    found = {
        "lightbox": xc.__version__,
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "torchvision", "streamlit", "pydicom", "numpy")},
        "device": chosen_device(),
        "threads": torch.get_num_threads(),
        "models": [card.name for card in xc.models() if xc.load_model(card.name, "cpu")],
        "cases": [name for name, case in xc.sample_cases().items() if xc.read_case(case)],
    }
    if as_json:
        print_json(found)
    else:
        print_table(
            ("what", "found"),
            [(name, ", ".join(entry) if isinstance(entry, list) else str(entry)) for name, entry in found.items()],
        )


def told_of(known: xc.Quality) -> dict[str, Any]:
    """Whether the image looks like what the model knows, ready for JSON."""
    warnings = [f"{found.sentence} {found.remedy}" for found in known.findings if found.level != "good"]
    return {"level": known.level, "word": known.word, "warnings": warnings, "notes": list(known.notes)}


def _declared(info: xc.ExplainerInfo | xc.MetricInfo) -> dict[str, Any]:
    """All that an explainer or a metric declares, ready for JSON; ``parameters`` by name."""
    plain = {f.name: getattr(info, f.name) for f in fields(info) if f.name not in ("run", "parameters")}
    return {**plain, "parameters": {parameter.name: asdict(parameter) for parameter in info.parameters}}


def _parameters(explainer: str, settings: list[str]) -> dict[str, Any]:
    kinds = {parameter.name: parameter.kind for parameter in explainer_named(explainer).parameters}
    given: dict[str, Any] = {}
    for name, text in pairs(settings):
        if kinds.get(name) == "bool":
            given[name] = {"true": True, "false": False}.get(text.lower(), text)
        elif kinds.get(name) == "pair":
            given[name] = text.split(",")
        else:
            given[name] = text
    return given


def main() -> None:
    """Run the command line; a :class:`LightboxError` becomes its sentence and exit code 1."""
    try:
        app()
    except xc.LightboxError as error:
        typer.echo(str(error), err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
