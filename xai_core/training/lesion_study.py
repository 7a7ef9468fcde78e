"""The recipe ``lesion-study``: the set-up of the stroke study (Tjoa et al., arXiv 1911.08136), from ISLES 2017 or phantoms to its table.

Six modalities at the sizes A (48), B (96), C (144) and X (192), all of 19 slices; several networks a size from different seeds; 80
epochs, batch of one. Cases are parted once, by a hash of their names, into training, validation and test. It writes a table of
Dice and time and ships no weights.
"""

from __future__ import annotations

import csv
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from xai_core.errors import ParameterError
from xai_core.head import RANGE_TAILS
from xai_core.training import Option, Progress, chosen, recipe
from xai_core.training.lesion_cases import LesionCase, isles_cases, lesson
from xai_core.training.lesion_network import SIZES, asked, grid_limit, study_card, taught
from xai_core.training.loop import Journal
from xai_core.training.publishing import rows_of

NAME = "lesion-study"
TEST_SHARE, VALIDATION_SHARE = 0.2, 0.15
OPTIONS = (
    Option("sizes", "A,B,C,X", "which of A, B, C and X, with commas between"),
    Option("seeds", 3, "networks a size"),
    Option("epochs", 80, "passes over the training cases"),
    Option("width", 16, "channels of the finest level"),
    Option("learning_rate", 3e-3, "at the peak"),
)
COLUMNS = (
    "size", "input", "seed", "parameters", "dice_train", "dice_validation", "dice_test", "dice_test_sd",
    "dice_grid", "training_s", "epoch_s", "case_s",
)  # fmt: skip


def parts(cases: Sequence[LesionCase]) -> dict[str, list[LesionCase]]:
    """``cases`` as "test", "validation" and "train", none of them empty, in an order drawn from names."""
    if len(cases) < 3:
        raise ParameterError(
            f"{len(cases)} case(s) cannot be parted into training, validation and test.", "Give three cases or more."
        )
    ordered = sorted(cases, key=lambda case: hashlib.sha256(case.name.encode()).hexdigest())
    test = max(1, round(TEST_SHARE * len(ordered)))
    validation = max(1, round(VALIDATION_SHARE * len(ordered)))
    return {
        "test": ordered[:test],
        "validation": ordered[test : test + validation],
        "train": ordered[test + validation :],
    }


@recipe(NAME, "The stroke study's 3-D U-Nets on six modalities (table only)", OPTIONS)
def run(
    data: Path, out: Path, *, seed: int = 0, resume: bool = False, progress: Progress | None = None, **options: Any
) -> Path:
    """Train the networks of every size and write ``tables.md`` and ``tables.csv``; returns the former's path."""
    journal = Journal(out, progress)
    options = chosen(OPTIONS, options)
    sizes = [name.strip() for name in str(options["sizes"]).split(",") if name.strip()]
    if unknown := [name for name in sizes if name not in SIZES]:
        raise ParameterError(f"There is no size '{unknown[0]}'.", f"Choose among: {', '.join(SIZES)}.")
    parted = parts(isles_cases(data))
    journal.write(0.0, ", ".join(f"{len(cases)} {name}" for name, cases in parted.items()))
    rows: list[dict[str, Any]] = []
    for size in sizes:
        for number in range(options["seeds"]):
            rows.append(_network(size, seed + number, parted, options, out, journal, resume))
            _write(out, rows, parted, options)
    journal.write(1.0, f"{NAME}: tables written")
    return out / "tables.md"


def _network(
    size: str,
    seed: int,
    parted: Mapping[str, Sequence[LesionCase]],
    options: Mapping[str, Any],
    out: Path,
    journal: Journal,
    resume: bool,
) -> dict[str, Any]:
    """Train one network and ask it about all cases; kept in ``out/SIZE.SEED.json``."""
    name = f"{size}.{seed}"
    kept = out / f"{name}.json"
    if resume and kept.is_file():
        return dict(json.loads(kept.read_text("utf-8")))
    card = study_card(name, name, SIZES[size], options["width"])
    lessons = [lesson(case, card) for case in parted["train"]]
    began = time.monotonic()
    rate = options["learning_rate"]
    module = taught(
        card, lessons, options["epochs"], out, journal, name=name, seed=seed, resume=resume, learning_rate=rate
    )
    training = time.monotonic() - began
    began = time.monotonic()
    answers = {part: [row["dice"] for row in asked(card, module, cases)] for part, cases in parted.items()}
    answering = (time.monotonic() - began) / sum(map(len, answers.values()))
    row = {
        "size": size,
        "input": " x ".join(map(str, card.input.size)),
        "seed": seed,
        "parameters": sum(parameter.numel() for parameter in module.parameters()),
        **{f"dice_{part}": float(np.mean(answers[part])) for part in ("train", "validation", "test")},
        "dice_test_sd": float(np.std(answers["test"])),
        "dice_grid": grid_limit(card, parted["test"]),
        "training_s": training,
        "epoch_s": training / max(options["epochs"], 1),
        "case_s": answering,
    }
    kept.write_text(json.dumps(row), "utf-8")
    for left in (".checkpoint.safetensors", ".checkpoint.json"):
        (out / f"{name}{left}").unlink(missing_ok=True)
    return row


def _write(
    out: Path, rows: Sequence[Mapping[str, Any]], parted: Mapping[str, Sequence[LesionCase]], options: Mapping[str, Any]
) -> None:
    with (out / "tables.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    (out / "tables.md").write_text(_text(rows, parted, options), "utf-8")


def _text(
    rows: Sequence[Mapping[str, Any]], parted: Mapping[str, Sequence[LesionCase]], options: Mapping[str, Any]
) -> str:
    head = ["Size", "Input", "Seed", "Dice, training", "Dice, validation", "Dice, test (sd over cases)", "Most the grid allows", "Training", "A pass", "A case"]  # fmt: skip
    table = [
        [
            row["size"],
            row["input"],
            str(row["seed"]),
            f"{row['dice_train']:.3f}",
            f"{row['dice_validation']:.3f}",
            f"{row['dice_test']:.3f} ({row['dice_test_sd']:.3f})",
            f"{row['dice_grid']:.3f}",
            f"{row['training_s']:.0f} s",
            f"{row['epoch_s']:.1f} s",
            f"{row['case_s']:.2f} s",
        ]
        for row in rows
    ]
    counts = ", ".join(f"{len(cases)} for {name}" for name, cases in parted.items())
    volumes = [float(case.lesion.sum() * np.prod(case.case.geometry.spacing_mm or 1)) / 1000 for cases in parted.values() for case in cases]  # fmt: skip
    return f"""# The stroke study's networks, trained here

{rows_of([head, *table])}

{rows[0]["parameters"]:,} weights a network. Cases: {counts}; lesions of {min(volumes):.1f} to {max(volumes):.1f} ml. Dice is measured on
each case's own grid, mean over cases; the most the grid allows is the truth of the test cases brought to the input's size and
back. Times: wall seconds on {torch.get_num_threads()} CPU thread(s); whatever else the machine did is in them.
Options: {json.dumps(dict(options))}.

What is the study's: the network (four levels, leaky ReLU of slope 0.2, batch norm and ReLU at the end), six modalities, the four
sizes, 80 epochs unless the options say otherwise, a batch of one, several networks a size. What is ours: its widths ({options["width"]} channels at the finest level), the loss (cross
entropy and soft Dice), the optimiser (AdamW, one cosine, averaged weights), the scale of each modality (0 to 1 between the
{RANGE_TAILS[0]:g}th and {RANGE_TAILS[1]:g}th percentile within the head), mirroring, gains and noise in training.
"""
