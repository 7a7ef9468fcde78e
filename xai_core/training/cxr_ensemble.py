"""The card of an ensemble of film classifiers: nothing is trained, the mean is calibrated and measured as its members were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit, logit

from xai_core.models.card import Card
from xai_core.models.shelf import furnished, shelved
from xai_core.training import Option, Progress, chosen, recipe
from xai_core.training.classroom import Classroom, names_in, plain_classroom, said
from xai_core.training.film_card import controls_table, labels_table
from xai_core.training.film_figures import Answers, figures_of, shortcuts_of
from xai_core.training.loop import Journal
from xai_core.training.publishing import shelve
from xai_core.training.targets import LABELS, PARENTS, taught_on

NAME = "cxr-ensemble"
TITLE = "Mean of three networks (chest film findings)"
OPTIONS = (
    Option("members", "cxr-resnet18,cxr-efficientnet-lite0,cxr-densenet121", "models whose mean it is, by commas"),
)
_SMALLEST = 1e-6


@recipe(NAME, TITLE, OPTIONS)
def run(
    data: Path, out: Path, *, seed: int = 0, resume: bool = False, progress: Progress | None = None, **options: Any
) -> Path:
    """Measure the mean of shelved members on held-out patients; writes manifest and card, no weights, and gives the card."""
    journal = Journal(out, progress)
    members = [shelved(name) for name in names_in(chosen(OPTIONS, options)["members"])]
    room = plain_classroom(data, out, journal)
    answers = mean_answers(members, room, journal)
    blind = members[0][0].metrics["auroc_trained_on_filled"]
    metrics, thresholds, calibration = figures_of(room, answers, {}, blind)
    names = [card.name for card, _ in members]
    table = {
        "title": TITLE,
        "summary": "The mean of the probabilities of three networks, each of which can be explained by itself.",
        "architecture": "ensemble",
        "modality": "CXR",
        "task": "classification",
        "labels": list(LABELS),
        "channels": ["film"],
        "members": names,
        "licence": "CC BY 4.0",
        "training_data": list(members[0][0].training_data),
        "input": {"size": []},
        "parents": PARENTS,
        "thresholds": thresholds,
        "taught_on": taught_on(room.crops.table.iloc[room.rows("train")], LABELS),
        "metrics": metrics,
        "calibration": calibration,
        "shortcuts": shortcuts_of(metrics),
    }
    shelve(out, NAME, table, _text(names, metrics, calibration))
    return out / "cards" / f"{NAME}.md"


def mean_answers(members: list[tuple[Card, Path]], room: Classroom, journal: Journal) -> Answers:
    """Logits of the mean of the members' calibrated probabilities, as :class:`xai_core.models.ensemble.Ensemble` takes it."""
    sums: list[NDArray[Any]] = []
    for card, path in members:
        journal.write(0.0, f"{card.name} looks at held-out films")
        module = furnished(card, path)[0].to(memory_format=torch.channels_last)
        answers = Answers.of(module, room)
        heat = np.asarray([card.temperatures.get(label, 1.0) for label in LABELS])
        columns = [card.labels.index(label) for label in LABELS]
        parts = (answers.val, answers.val_dark, answers.test, answers.test_dark)
        own = [expit(part[:, columns] / heat) / len(members) for part in parts]
        sums = own if not sums else [one + other for one, other in zip(sums, own, strict=True)]
    safe = [np.clip(part, _SMALLEST, 1 - _SMALLEST) for part in sums]
    return Answers(*(logit(part) for part in safe))


def _text(names: list[str], metrics: dict[str, Any], calibration: dict[str, Any]) -> str:
    averages = metrics["averages"]
    return f"""# {NAME}: the mean of {said(names)}

The mean of the members' calibrated probabilities, label by label, as the COVID study had its ensemble. Each member is explained by
itself, and the ensemble's map is the mean of theirs on the film; the badge says where they differ. It brings no weights of its
own. Research and teaching only: not a medical device.

## Against its controls

{controls_table(metrics)}

## Held-out patients, label by label

{labels_table(metrics, calibration)}

Micro: precision {averages["micro_precision"]:.3f}, recall {averages["micro_recall"]:.3f}, F1 {averages["micro_f1"]:.3f}; over the
hierarchy alone (without Lung Opacity) F1 {averages["tree_micro_f1"]:.3f}. Intervals: 1,000 bootstraps over patients. Thresholds (sensitivity plus
specificity) were chosen on validation patients; the mean is not calibrated again.

What its members may have learned wrongly, the mean may have too: see their cards.

Made by `python -m xai_core train {NAME} --data DIR`.
"""
