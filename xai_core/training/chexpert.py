"""The recipe ``chexpert``: a DenseNet-121 on CheXpert's own layout, fourteen labels, uncertain ones as negative or ignored.

``--data`` is the folder with ``train.csv`` and ``valid.csv`` (Irvin et al. 2019, AAAI, arXiv 1901.07031): ``Path, Sex, Age,
Frontal/Lateral, AP/PA`` and a column a label, 1 positive, 0 negative, -1 uncertain, empty not mentioned (read as negative, as
the paper's U-Zeroes and U-Ignore do). Frontal films alone are used.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from xai_core.errors import ParameterError, ReadError
from xai_core.training import Option, Progress, chosen, recipe
from xai_core.training.covid_study import WHOLE
from xai_core.training.crops import cropped
from xai_core.training.exam import OPTIONS as EXAM_OPTIONS
from xai_core.training.exam import Exam, auroc_table, networks_of, taken
from xai_core.training.films import read_grey
from xai_core.training.loop import Journal

NAME = "chexpert"
NETWORKS = ("densenet121",)
LABELS = (
    "No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion", "Edema", "Consolidation",
    "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion", "Pleural Other", "Fracture", "Support Devices",
)  # fmt: skip
POLICIES = ("negative", "ignore")
OPTIONS = (*EXAM_OPTIONS, Option("uncertain", "ignore", "uncertain labels count as: negative, ignore"))


def chexpert_table(data: Path, part: str) -> pd.DataFrame:
    """The frontal films of ``part`` ("train" or "valid") with ``file`` (where the film lies) and ``patient``.

    Raises :class:`ReadError` where the CSV is not there or lacks a column.
    """
    place = data / f"{part}.csv"
    if not place.is_file():
        raise ReadError(f"No {part}.csv lies in '{data.name}'.", "Give the folder of CheXpert with --data.")
    table = pd.read_csv(place)
    missing = [name for name in ("Path", "Frontal/Lateral", *LABELS) if name not in table]
    if missing:
        raise ReadError(f"{part}.csv has no column '{missing[0]}'.", "Give CheXpert's own table.")
    table = table[table["Frontal/Lateral"] == "Frontal"].reset_index(drop=True)
    parts = table["Path"].str.split("/")
    table["patient"] = parts.map(lambda names: next((name for name in names if name.startswith("patient")), names[-1]))
    table["file"] = [str(_place(data, path)) for path in table["Path"]]
    return table


def targets_of(table: pd.DataFrame, uncertain: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Targets and weights (N, 14): what is not mentioned is negative, what is uncertain as ``uncertain`` says."""
    if uncertain not in POLICIES:
        raise ParameterError(f"Uncertain labels cannot count as '{uncertain}'.", f"Choose: {', '.join(POLICIES)}.")
    said = table[list(LABELS)].fillna(0.0).to_numpy(dtype=np.float32)
    is_unsure = said < 0
    weights = np.where(is_unsure, 0.0 if uncertain == "ignore" else 1.0, 1.0)
    return np.where(is_unsure, 0.0, said).astype(np.float32), weights.astype(np.float32)


@recipe(NAME, "CheXpert's fourteen labels with a DenseNet-121 (needs CheXpert)", OPTIONS)
def run(
    data: Path, out: Path, *, seed: int = 0, resume: bool = False, progress: Progress | None = None, **options: Any
) -> Path:
    """Train on ``train.csv``, ask about ``valid.csv`` and write the AUROC table ``tables.md``; returns its path."""
    journal = Journal(out, progress)
    options = chosen(OPTIONS, options)
    tables = [chexpert_table(data, part) for part in ("train", "valid")]
    table = pd.concat(tables, ignore_index=True)
    targets, weights = targets_of(table, options["uncertain"])
    films = np.stack([cropped(read_grey(Path(path)), None, WHOLE)[0] for path in table["file"]])
    exam = Exam(films, targets, weights, table["patient"].to_numpy(), LABELS)
    is_asked = np.arange(len(table)) >= len(tables[0])
    logits = {
        network: taken(network, exam, is_asked, options, out, journal, network, seed=seed, resume=resume)
        for network in networks_of(options, NETWORKS)
    }
    path = out / "tables.md"
    table_text = auroc_table(exam, np.flatnonzero(is_asked), logits)
    path.write_text(
        f"# CheXpert\n\n{table_text}\n\n{len(tables[0])} films to train, {len(tables[1])} asked about."
        f" Options: {json.dumps(options)}.\n",
        "utf-8",
    )
    journal.write(1.0, f"{NAME}: tables written")
    return path


def _place(data: Path, path: str) -> Path:
    """Where a film lies: the CSV names it from a folder above (``CheXpert-v1.0-small/train/...``) or from here."""
    here = data / path
    return here if here.is_file() else data / Path(*Path(path).parts[1:])
