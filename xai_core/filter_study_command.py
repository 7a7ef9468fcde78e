"""``python -m xai_core filter-study``: the stroke study's filters on cases with ground truth, as tables and a section for a card."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

import xai_core as xc
from xai_core.console import AsJson, out, print_json
from xai_core.errors import ParameterError
from xai_core.filter_study import Sweep, long_table, sweep, sweet_spot
from xai_core.filter_study.account import mean_sweep, section, statements
from xai_core.filter_study.modalities import ModalityAccount, modality_account

LESION = "lesion"


def filter_study(
    cases: Annotated[
        list[str], typer.Argument(help="A packaged case's name, a path, or NAME=PATH,NAME=PATH of its modalities.")
    ],
    model: Annotated[str, typer.Option(help="A model's name or folder: one that outlines lesions.")],
    region: Annotated[
        list[Path] | None,
        typer.Option(help="Ground truth of each case, in the same order; packaged cases bring their own."),
    ] = None,
    explainer: Annotated[str, typer.Option(help="An explainer with filters.")] = "lrp-study-unet",
    target: Annotated[str | None, typer.Option(help="Label, for explainers that know targets.")] = None,
    published: Annotated[bool, typer.Option(help="Compare with the study's published code.")] = True,
    modalities: Annotated[bool, typer.Option(help="Ask what each modality is worth.")] = True,
    title: Annotated[str, typer.Option(help="Heading of the section.")] = "Filters of the stroke study",
    folder: Annotated[
        Path | None, typer.Option("--out", help="Folder for filter-study.md and filter-study.csv.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    as_json: AsJson = False,
) -> None:
    """Every pass and clamp filter of the stroke study on one or several cases: inclusivity, signal, sweet spot."""
    loaded = xc.load_model(model, device)
    sweeps: list[Sweep] = []
    accounts: list[ModalityAccount] = []
    for name, mask in zip(cases, _masks(cases, region or []), strict=True):
        case = xc.read_case(_paths(name))
        truth = xc.read_region(mask, case)
        compares = published and explainer == "lrp-study-unet"
        sweeps.append(sweep(loaded, case, truth, explainer=explainer, target=target, compares_code=compares))
        if modalities:
            accounts.append(modality_account(loaded, case, truth, explainer))
    text = section(sweeps, title, [Path(name.split(",")[0].split("=")[-1]).name for name in cases], accounts)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "filter-study.md").write_text(text, encoding="utf-8")
        long_table(sweeps).to_csv(folder / "filter-study.csv", index=False)
    if as_json:
        print_json(_row(mean_sweep(sweeps)))
    else:
        out.print(text, markup=False, highlight=False, soft_wrap=True)


def _masks(cases: list[str], given: list[Path]) -> list[os.PathLike[str]]:
    """The mask of every case: its own where it is packaged, else the next of those given."""
    samples, left = xc.sample_cases(), list(given)
    masks: list[os.PathLike[str]] = []
    for name in cases:
        own = samples[name].regions.get(LESION) if name in samples else None
        if own is None and not left:
            raise ParameterError(f"No ground truth was given for '{name}'.", "Give a mask by --region.")
        masks.append(own if own is not None else left.pop(0))
    if left:
        raise ParameterError(
            f"{len(left)} more --region than cases were given.", "Give one a case that is not packaged."
        )
    return masks


def _paths(name: str) -> str | os.PathLike[str] | dict[str, str]:
    samples = xc.sample_cases()
    if name in samples:
        return samples[name]
    if "=" in name:
        return dict(part.split("=", 1) for part in name.split(","))
    return name


def _row(swept: Sweep) -> dict[str, object]:
    best = sweet_spot(swept)
    return {
        "model": swept.model,
        "explainer": swept.explainer,
        "channels": list(swept.channels),
        "filters": [band.name for band in swept.bands],
        "truth_inclusivity": [[_known(value) for value in row] for row in swept.values("truth_inclusivity")],
        "input_inclusivity": [[_known(value) for value in row] for row in swept.values("input_inclusivity")],
        "sweet_spot": None if best is None else {"filter": best.band.name, "inclusivity": best.inclusivity},
        "statements": [{"text": one.text, "holds": one.holds, "measured": one.numbers} for one in statements(swept)],
    }


def _known(value: float) -> float | None:
    return float(value) if value == value else None
