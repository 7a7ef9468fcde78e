"""The recipe ``rsna-study``: Normal against Lung Opacity as RSNA's readers saw them, nine patients of ten to train.

Three networks from scratch (VGG-16, ResNet-50, DenseNet-121) on whole films, an AUROC table; no weights are shipped.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from xai_core.training import Progress, chosen, recipe
from xai_core.training.covid_study import WHOLE
from xai_core.training.crops import cropped
from xai_core.training.exam import OPTIONS, Exam, auroc_table, networks_of, taken
from xai_core.training.films import film_root, films_table, read_grey
from xai_core.training.loop import Journal
from xai_core.training.targets import reader_classes

NAME = "rsna-study"
NETWORKS = ("vgg16", "resnet50", "densenet121")
PARTS = 10


def rsna_exam(data: Path) -> Exam:
    """The films RSNA's readers saw as Normal or Lung Opacity."""
    table = films_table(data)
    table = table[~np.isnan(reader_classes(table))].reset_index(drop=True)
    root = film_root(data)
    films = np.stack([cropped(read_grey(root / path), None, WHOLE)[0] for path in table["path"]])
    targets = reader_classes(table)[:, None].astype(np.float32)
    return Exam(films, targets, np.ones_like(targets), table["patient"].to_numpy(), ("Pneumonia",))


@recipe(NAME, "RSNA's Normal against Pneumonia with three networks (table only)", OPTIONS)
def run(
    data: Path, out: Path, *, seed: int = 0, resume: bool = False, progress: Progress | None = None, **options: Any
) -> Path:
    """Train each network on nine patients of ten and write ``tables.md`` of the tenth; returns its path."""
    journal = Journal(out, progress)
    options = chosen(OPTIONS, options)
    exam = rsna_exam(data)
    is_asked = exam.fold_of(PARTS) == 0
    logits = {
        network: taken(network, exam, is_asked, options, out, journal, network, seed=seed, resume=resume)
        for network in networks_of(options, NETWORKS)
    }
    asked = np.flatnonzero(is_asked)
    text = (
        f"# Normal against Pneumonia (RSNA's readers)\n\n{auroc_table(exam, asked, logits)}\n\n"
        f"{len(exam.films) - len(asked)} films to train, {len(asked)} asked about, split by patient; from scratch, whole films."
        f" Options: {json.dumps(options)}. Few films: the intervals say how little is known.\n"
    )
    path = out / "tables.md"
    path.write_text(text, "utf-8")
    journal.write(1.0, f"{NAME}: tables written")
    return path
