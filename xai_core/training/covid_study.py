"""The recipe ``covid-study``: the five networks of the COVID study, cross-validated by patient, and their ensemble.

Every film is prepared as the study has it (longest side fitted, zeros around, cut at the 1st and 95th percentile); labels are
the study's tree; each network is trained once a fold from scratch; the ensemble is the mean of probabilities. It writes the
study's tables and ships no weights: most of these films allow none.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from xai_core.models.card import InputSpec
from xai_core.training import Option, Progress, chosen, recipe
from xai_core.training.crops import STORED, cropped
from xai_core.training.exam import OPTIONS as EXAM_OPTIONS
from xai_core.training.exam import Exam, f1_table, micro_f1, networks_of, probabilities, taken
from xai_core.training.films import film_root, films_table, read_grey
from xai_core.training.loop import Journal
from xai_core.training.publishing import rows_of

NAME = "covid-study"
NETWORKS = ("resnet18", "resnet34", "inception_v3", "inception-resnet-v2", "densenet161")
PUBLISHED = {
    "resnet18": 0.824, "resnet34": 0.807, "inception_v3": 0.796, "inception-resnet-v2": 0.814, "densenet161": 0.854,
    "ensemble": 0.869,
}  # fmt: skip
"""Micro F1 of the study."""
TREE = {
    "Pneumonia": "", "Healthy": "", "Viral": "Pneumonia", "Bacterial": "Pneumonia", "Fungal": "Pneumonia",
    "ARDS": "Pneumonia", "COVID-19": "Viral", "SARS": "Viral", "Pneumocystis": "Fungal", "Streptococcus": "Bacterial",
    "Klebsiella": "Bacterial", "Legionella": "Bacterial", "Chlamydophila": "Bacterial",
}  # fmt: skip
"""Label to the label above it."""
LABELS = tuple(TREE)
_ALSO = {"Influenza": "Viral", "Varicella": "Viral", "Mycoplasma": "Bacterial", "E.Coli": "Bacterial"}
OPTIONS = (
    *EXAM_OPTIONS,
    Option("folds", 5, "parts by patient, each asked once"),
    Option("only", 0, "folds to run (0: all)"),
    Option("healthy", 120, "normal films of children beside the collection's own"),
)
WHOLE = InputSpec((STORED, STORED), intensity="study-percentile", crop="study")


def labels_of(words: str) -> set[str]:
    """What the collection's words say in the study's tree, with everything above; empty where they say nothing."""
    if re.search("No.Finding|normal", words):
        return {"Healthy"}
    named = {label for label in LABELS if re.search(re.escape(label), words, re.I)}
    named |= {above for word, above in _ALSO.items() if word.lower() in words.lower()}
    for label in tuple(named):
        while label := TREE[label]:
            named.add(label)
    return named


def study_films(data: Path, healthy: int) -> pd.DataFrame:
    """Films of the COVID collections whose words say something, and some normal films of children."""
    table = films_table(data)
    is_covid = table["source"].str.startswith("covid_") & (table["view"] != "L")
    is_normal = (table["source"] == "kermany") & (table["labels"] == "normal") & (table["split"] == "test")
    chosen_films = pd.concat([table[is_covid], table[is_normal].head(healthy)], ignore_index=True)
    return chosen_films[[bool(labels_of(words)) for words in chosen_films["labels"]]].reset_index(drop=True)


def study_exam(data: Path, healthy: int) -> Exam:
    """The study's films with its label tree; every label is known of every film."""
    table = study_films(data, healthy)
    root = film_root(data)
    films = np.stack([cropped(read_grey(root / path), None, WHOLE)[0] for path in table["path"]])
    known = [labels_of(words) for words in table["labels"]]
    targets = np.asarray([[label in named for label in LABELS] for named in known], dtype=np.float32)
    patients = (table["source"] + "/" + table["patient"]).to_numpy()
    return Exam(films, targets, np.ones_like(targets), patients, LABELS)


@recipe(NAME, "The COVID study's five networks and their ensemble (tables only)", OPTIONS)
def run(
    data: Path, out: Path, *, seed: int = 0, resume: bool = False, progress: Progress | None = None, **options: Any
) -> Path:
    """Cross-validate every network by patient and write ``tables.md``; returns its path."""
    journal = Journal(out, progress)
    options = chosen(OPTIONS, options)
    networks = networks_of(options, NETWORKS)
    exam = study_exam(data, options["healthy"])
    fold_of = exam.fold_of(options["folds"])
    folds = list(range(options["folds"]))[: options["only"] or None]
    shares = {name: np.full(exam.targets.shape, np.nan) for name in networks}
    for network in networks:
        for fold in folds:
            is_asked = fold_of == fold
            name = f"{network}.fold-{fold}"
            logits = taken(network, exam, is_asked, options, out, journal, name, seed=seed, resume=resume)
            shares[network][is_asked] = probabilities(logits)
    rows = [np.flatnonzero(fold_of == fold) for fold in folds]
    shares["ensemble"] = np.mean([shares[name] for name in networks], axis=0)
    path = out / "tables.md"
    path.write_text(_text(exam, shares, rows, options), "utf-8")
    journal.write(1.0, f"{NAME}: tables written")
    return path


def _text(exam: Exam, shares: dict[str, Any], rows: list[Any], options: dict[str, Any]) -> str:
    head = [["Network", "micro F1 here, mean (sd) over folds", "micro F1 of the study"]]
    for name, share in shares.items():
        mean, sd = micro_f1(exam, share, rows)
        head.append([name, f"{mean:.3f} ({sd:.3f})", f"{PUBLISHED[name]:.3f}" if name in PUBLISHED else ""])
    asked = sum(len(fold) for fold in rows)
    return f"""# The COVID study's networks, trained here

{rows_of(head)}

{asked} of {len(exam.films)} films of {len(set(exam.patients))} patients were asked about, {len(rows)} of {options["folds"]} folds by patient.
Options: {json.dumps(options)}.

What differs from the study: its films (a later state of the collection and films of its own hospitals) against the
collections at hand with normal films of children; networks from scratch instead of from ImageNet weights; smaller films and
fewer epochs where the options say so. A micro F1 over such a tree is carried by the frequent labels (Pneumonia, Viral,
COVID-19), which the films' sources alone nearly tell: it is no measure of reading lungs.

## By label

{f1_table(exam, shares, rows)}
"""
