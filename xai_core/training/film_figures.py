"""What a classifier of films is worth on people it never saw, how it is calibrated, and how far shortcuts alone carry it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from torch import nn

from xai_core.preprocess import InputSpec, grid_of
from xai_core.training.classroom import Classroom, logits_of
from xai_core.training.scores import (
    auroc,
    best_threshold,
    calibration_error,
    counts_at,
    measured,
    precision_recall_f1,
    reliability,
    temperature_of,
)
from xai_core.training.targets import FINDINGS, LABELS, TREE, reader_classes, targets_of

Array = NDArray[Any]
LEAST = 8
"""Fewest positives and negatives for which a number of a label is worth giving."""
OUTSIDE = "What lies outside the lungs"
VIEW = "The view: sick adults are filmed lying (AP)"


@dataclass(frozen=True)
class Answers:
    """Logits (films, labels) of validation and of test patients, as they are and with the lungs filled in (``dark``)."""

    val: Array
    val_dark: Array
    test: Array
    test_dark: Array

    @classmethod
    def of(cls, module: nn.Module, room: Classroom) -> Answers:
        """What ``module`` answers at the room's size."""
        parts = [(room.rows(part), is_filled) for part in ("val", "test") for is_filled in (False, True)]
        return cls(*(logits_of(module, room, rows, room.spec.size[0], is_filled=dark) for rows, dark in parts))


def figures_of(
    room: Classroom, answers: Answers, temperatures: Mapping[str, float], blind: float
) -> tuple[dict[str, Any], dict[str, float], dict[str, Any]]:
    """Metrics, thresholds and calibration of a card. ``temperatures``: of the labels (1 where none is named); ``blind``: AUROC of
    a network trained with the lungs filled in."""
    val, test = room.rows("val"), room.rows("test")
    heat = np.asarray([temperatures.get(label, 1.0) for label in room.labels])
    thresholds = thresholds_of(room, val, expit(answers.val / heat))
    shares = expit(answers.test / heat)
    metrics: dict[str, Any] = {
        **headline(room, test, answers.test, answers.test_dark),
        "auroc_trained_on_filled": round(blind, 4),
    }
    metrics |= children_alike(room, val, answers.val, answers.val_dark)
    metrics["labels"] = label_metrics(room, test, answers.test, shares, thresholds)
    metrics["averages"] = averages(room, test, shares, thresholds)
    return metrics, thresholds, calibration_of(room, test, answers.test, shares)


def known_by_people(room: Classroom, rows: Array) -> tuple[Array, Array]:
    """(rows, labels) truth and whether people said it: words mined from reports and soft targets count only for
    ``FINDINGS``, of which nothing else is known."""
    table = room.crops.table.iloc[rows]
    truth, weight = targets_of(table, room.labels)
    is_mined = ((table["source"] == "nih") & (table["rsna_class"] == "")).to_numpy()
    is_word = np.isin(room.labels, FINDINGS)
    return truth > 0.5, (weight > 0) & (~is_mined[:, None] | is_word)


def calibrate(room: Classroom, val: Array, logits: Array) -> dict[str, float]:
    """The temperature of each label on validation patients."""
    judged = _judged(room, val)
    return {
        label: round(temperature_of(said, logits[rows, k]), 4)
        for k, (label, (rows, said)) in enumerate(zip(room.labels, judged, strict=True))
    }


def thresholds_of(room: Classroom, val: Array, shares: Array) -> dict[str, float]:
    """The operating threshold of each label on validation patients, of calibrated probabilities ``shares`` (val, labels)."""
    judged = _judged(room, val)
    return {
        label: round(best_threshold(said, shares[rows, k]), 4)
        for k, (label, (rows, said)) in enumerate(zip(room.labels, judged, strict=True))
    }


def _judged(room: Classroom, val: Array) -> list[tuple[Array, Array]]:
    """By label: which validation films count, and whether they have it; mined words help where people said too little."""
    truth, is_known = known_by_people(room, val)
    soft, weight = targets_of(room.crops.table.iloc[val], room.labels)
    found = []
    for k in range(len(room.labels)):
        rows, said = is_known[:, k], truth[:, k]
        if min((said & rows).sum(), (~said & rows).sum()) < 20:
            rows, said = weight[:, k] > 0, soft[:, k] > 0.5
        found.append((rows, said[rows]))
    return found


def headline(room: Classroom, test: Array, logits: Array, dark: Array) -> dict[str, Any]:
    """AUROC of pneumonia in children with its filled control, and of Lung Opacity against Normal in adults, by view."""
    table = room.crops.table.iloc[test]
    patients = (table["source"] + "/" + table["patient"]).to_numpy()
    child = np.flatnonzero((table["source"] == "kermany").to_numpy())
    ill = room.lessons.targets[test, 1]
    read = reader_classes(table)
    adult = np.flatnonzero(~np.isnan(read))
    column = LABELS.index("Lung Opacity")

    def area(truth: Array, score: Array, rows: Array) -> dict[str, Any]:
        return measured(lambda drawn: auroc(truth[rows][drawn], score[rows][drawn]), patients[rows])

    found = {
        "auroc_pneumonia_children": area(ill, logits[:, 1], child),
        "auroc_pneumonia_children_filled": area(ill, dark[:, 1], child),
        "auroc_opacity_adults": area(read, logits[:, column], adult),
        "auroc_opacity_adults_filled": area(read, dark[:, column], adult),
    }
    for view in ("AP", "PA"):
        rows = adult[(table["view"].to_numpy()[adult] == view)]
        if len(rows) and 0 < read[rows].mean() < 1:
            found[f"auroc_opacity_adults_{view}"] = area(read, logits[:, column], rows)
    if room.soft is not None:
        found["auroc_opacity_adults_teacher"] = area(read, room.soft[test], adult)
    return found


def children_alike(room: Classroom, val: Array, logits: Array, dark: Array) -> dict[str, Any]:
    """AUROC of pneumonia in validation children and its filled control: films as those trained on, where shortcuts work best."""
    table = room.crops.table.iloc[val]
    patients = (table["source"] + "/" + table["patient"]).to_numpy()
    rows = np.flatnonzero((table["source"] == "kermany").to_numpy())
    ill = room.lessons.targets[val, 1][rows]

    def area(score: Array) -> dict[str, Any]:
        return measured(lambda drawn: auroc(ill[drawn], score[rows, 1][drawn]), patients[rows])

    return {"auroc_pneumonia_children_val": area(logits), "auroc_pneumonia_children_val_filled": area(dark)}


def label_metrics(
    room: Classroom, test: Array, logits: Array, shares: Array, thresholds: dict[str, float]
) -> dict[str, Any]:
    """Each label on the held-out films whose people said yes or no."""
    truth, is_known = known_by_people(room, test)
    table = room.crops.table.iloc[test]
    patients = (table["source"] + "/" + table["patient"]).to_numpy()
    found: dict[str, Any] = {}
    for k, label in enumerate(room.labels):
        rows = np.flatnonzero(is_known[:, k])
        said, share, logit = truth[rows, k], shares[rows, k], logits[rows, k]
        if min(said.sum(), (~said).sum()) < LEAST:
            continue
        tp, fp, fn = counts_at(said, share >= thresholds[label])
        precision, recall, f1 = precision_recall_f1(tp, fp, fn)

        def area(drawn: Array, said: Array = said, logit: Array = logit) -> float:
            return auroc(said[drawn], logit[drawn])

        def f1_of(drawn: Array, said: Array = said, told: Array = share >= thresholds[label]) -> float:
            return precision_recall_f1(*counts_at(said[drawn], told[drawn]))[2]

        found[label] = {
            "auroc": measured(area, patients[rows]),
            "f1_interval": measured(f1_of, patients[rows])["interval"],
            "precision": round(precision, 4),
            "recall": round(recall, 4),
            "f1": round(f1, 4),
            "positives": int(said.sum()),
            "negatives": int((~said).sum()),
        }
    return found


def calibration_of(room: Classroom, test: Array, logits: Array, shares: Array) -> dict[str, Any]:
    """By label: expected calibration error before and after its temperature, and the points of the reliability curve
    (mean probability, share that was so, films), on the films of :func:`label_metrics`."""
    truth, is_known = known_by_people(room, test)
    found: dict[str, Any] = {}
    for k, label in enumerate(room.labels):
        rows = is_known[:, k]
        said, share = truth[rows, k], shares[rows, k]
        if min(said.sum(), (~said).sum()) < LEAST:
            continue
        found[label] = {
            "ece_before": round(calibration_error(said, expit(logits[rows, k])), 4),
            "ece_after": round(calibration_error(said, share), 4),
            "reliability": [[round(told, 3), round(was, 3), count] for told, was, count in reliability(said, share)],
        }
    return found


def frame_alone(module: nn.Module, room: Classroom, test: Array) -> dict[str, Any]:
    """AUROC of pneumonia in children for films of one grey, of which only the frame's shape is left; nothing where the
    network is given crops without a frame."""
    if room.spec.crop != "study":
        return {}
    table = room.crops.table.iloc[test]
    child = np.flatnonzero((table["source"] == "kermany").to_numpy())
    shapes = [(int(one["height"]), int(one["width"])) for _, one in table.iloc[child].iterrows()]
    said = {shape: _of_grey(module, shape, room.spec) for shape in set(shapes)}
    score, ill = np.asarray([said[shape] for shape in shapes]), room.lessons.targets[test, 1][child]
    patients = (table["source"] + "/" + table["patient"]).to_numpy()[child]
    return {"auroc_pneumonia_children_frame": measured(lambda drawn: auroc(ill[drawn], score[drawn]), patients)}


@torch.no_grad()
def _of_grey(module: nn.Module, shape: tuple[int, int], spec: InputSpec) -> float:
    """The logit of Pneumonia for a film of ``shape`` that is grey all over."""
    film = 0.5 * grid_of(shape, spec, None).to_input(np.ones((1, *shape), np.float32))
    return float(module(torch.from_numpy(film)[None])[0, LABELS.index("Pneumonia")])


def shortcuts_of(metrics: dict[str, Any]) -> dict[str, Any]:
    """What a network may have read instead of lungs, by name, each with its control figures (AUROC)."""
    figures = {key: one["value"] for key, one in metrics.items() if isinstance(one, dict) and "value" in one}
    outside = {
        "children": figures["auroc_pneumonia_children"],
        "children, lungs filled in": figures["auroc_pneumonia_children_filled"],
        "validation children": figures["auroc_pneumonia_children_val"],
        "validation children, lungs filled in": figures["auroc_pneumonia_children_val_filled"],
        "adults": figures["auroc_opacity_adults"],
        "adults, lungs filled in": figures["auroc_opacity_adults_filled"],
        "children, a network trained with the lungs filled in": metrics["auroc_trained_on_filled"],
    }
    if "auroc_pneumonia_children_frame" in figures:
        outside["children, the frame of a grey film alone"] = figures["auroc_pneumonia_children_frame"]
    views = {view: figures[key] for view in ("AP", "PA") if (key := f"auroc_opacity_adults_{view}") in figures}
    return {OUTSIDE: outside, VIEW: {"all": figures["auroc_opacity_adults"], **views}}


def averages(room: Classroom, test: Array, shares: Array, thresholds: dict[str, float]) -> dict[str, Any]:
    """Micro and macro precision, recall and F1 over all labels people spoke of (not the words of ``FINDINGS``), and micro F1
    over the hierarchy alone (``TREE``)."""
    truth, is_known = known_by_people(room, test)
    counts = []
    for k, label in enumerate(LABELS):
        rows = is_known[:, k]
        counts.append(counts_at(truth[rows, k], shares[rows, k] >= thresholds[label]))
    whole = np.sum(counts, axis=0)
    micro = precision_recall_f1(int(whole[0]), int(whole[1]), int(whole[2]))
    macro = np.mean([precision_recall_f1(*one) for one in counts], axis=0)
    names = ("precision", "recall", "f1")
    tree = np.sum([one for one, label in zip(counts, LABELS, strict=True) if label in TREE], axis=0)
    return (
        {"tree_micro_f1": round(precision_recall_f1(*(int(n) for n in tree))[2], 4)}
        | {f"micro_{n}": round(float(v), 4) for n, v in zip(names, micro, strict=True)}
        | {f"macro_{n}": round(float(v), 4) for n, v in zip(names, macro, strict=True)}
    )
