"""What ``cxr-lungs`` is worth: IoU on held-out people through the same path a person's film takes, and its card."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from xai_core.case import Case, Geometry
from xai_core.models.card import InputSpec
from xai_core.models.outline import field_of
from xai_core.preprocess import prepare
from xai_core.training.films import film_root, films_table, read_grey
from xai_core.training.loop import Journal
from xai_core.training.publishing import packed, rows_of, shelve, spelled
from xai_core.training.scores import measured

NAME = "cxr-lungs"
INPUT = InputSpec(size=(192, 192), intensity="percentile", crop="study")
GROUPS: dict[str, tuple[str, Callable[[pd.DataFrame], Any]]] = {
    "kermany_test": (
        "Children, official test part (V7 outlines)",
        lambda t: (t["kind"] == "lungs_kermany") & (t["part"] == "test"),
    ),
    "covid_test": (
        "COVID films of sources that train, held-out patients (V7 outlines)",
        lambda t: (t["kind"] == "lungs_covid") & t["trainable"] & (t["part"] == "test"),
    ),
    "covid_foreign": (
        "COVID films of sources never trained on (V7 outlines)",
        lambda t: (t["kind"] == "lungs_covid") & ~t["trainable"],
    ),
    "nlm_foreign": (
        "Montgomery and Shenzhen, never trained on (outlines leave out the heart)",
        lambda t: t["kind"] == "lungs_nlm",
    ),
}


def film_case(pixels: NDArray[np.uint8], digest: str = "") -> Case:
    """A film of the training folder as the case a reader would make of it."""
    return Case("film", ("film",), pixels[None], Geometry(), {"bits": 8, "photometric": "MONOCHROME2"}, digest)


def held_out_overlap(module: nn.Module, data: Path, most: int = 0) -> pd.DataFrame:
    """IoU of every held-out film that has an outline (columns group, patient, iou, is_missed); ``most`` films a group."""
    root = film_root(data)
    masks = pd.read_csv(root / "masks.csv", dtype=str).fillna("")
    table = masks.merge(films_table(data), left_on="film", right_on="path", suffixes=("_mask", ""))
    rows = []
    for group, (_, chosen) in GROUPS.items():
        films = table[chosen(table)].drop_duplicates("film")
        for film, mask, source, patient in zip(
            films["film"][: most or None], films["path_mask"], films["source"], films["patient"], strict=False
        ):
            truth = read_grey(root / mask) > 127
            found = field_of(prepare(film_case(read_grey(root / film)), INPUT, None), module)
            guess = np.zeros_like(truth) if found is None else found.mask
            share = float((guess & truth).sum() / max((guess | truth).sum(), 1))
            rows.append((group, f"{source}/{patient}", share, found is None))
    return pd.DataFrame(rows, columns=["group", "patient", "iou", "is_missed"])


def publish(module: nn.Module, data: Path, out: Path, journal: Journal, options: dict[str, Any]) -> Path:
    """Measure the half-precision weights on held-out people and write weights, manifest and card into ``out``."""
    sha256, size = packed(module, out / f"{NAME}.safetensors")
    module.load_state_dict({k: v.half().to(v.dtype) for k, v in module.state_dict().items()})
    journal.write(1.0, f"{NAME}: measuring on held-out people")
    with torch.inference_mode():
        found = held_out_overlap(module.float().eval(), data)
    metrics: dict[str, Any] = {}
    for group, films in found.groupby("group", sort=False):
        shares = films["iou"].to_numpy()

        def mean_of(rows: NDArray[np.int64], shares: NDArray[np.float64] = shares) -> float:
            return float(shares[rows].mean())

        metrics[f"iou_{group}"] = measured(mean_of, films["patient"].to_numpy())
        metrics[f"missed_{group}"] = int(films["is_missed"].sum())
        journal.write(1.0, f"{NAME}: IoU {group} {spelled(metrics[f'iou_{group}'])}")
    return shelve(out, NAME, _table(sha256, size, metrics), _text(metrics, size, options))


def _table(sha256: str, size: int, metrics: dict[str, Any]) -> dict[str, Any]:
    return {
        "title": "Lung field of chest films",
        "summary": "Outlines both lungs, laid over heart and diaphragm; used to crop the field and to say where a map lies.",
        "architecture": "lung-unet",
        "modality": "CXR",
        "task": "segmentation",
        "labels": ["Lungs"],
        "channels": ["film"],
        "activation": "sigmoid",
        "target_layer": "up.3",
        "licence": "CC BY 4.0",
        "training_data": [
            "Kermany et al. 2018 (CC BY 4.0)",
            "V7 Labs outlines (CC BY 4.0)",
            "COVID films of open licences",
        ],
        "sha256": sha256,
        "bytes": size,
        "input": {
            "size": [192, 192],
            "channels": 1,
            "low": 0.0,
            "high": 1.0,
            "intensity": "percentile",
            "crop": "study",
        },
        "thresholds": {"Lungs": 0.5},
        "metrics": metrics,
    }


def _text(metrics: dict[str, Any], size: int, options: dict[str, Any]) -> str:
    rows = [["Held-out films", "IoU (95 % interval)", "films", "patients", "no field found"]]
    for group, (title, _) in GROUPS.items():
        found = metrics[f"iou_{group}"]
        rows.append(
            [title, spelled(found), str(found["films"]), str(found["patients"]), str(metrics[f"missed_{group}"])]
        )
    return f"""# cxr-lungs: the lung field of chest films

A small U-Net (five levels, bilinear upsampling, one logit) on a 192 x 192 square; {size / 1e6:.1f} MB in half precision.
It finds the field that classifiers are cropped to, hides what lies outside, and says where a map lies.
Research and teaching only: not a medical device.

## How well it does

{rows_of(rows)}

IoU of each film on its own grid, through the same path as a person's film. Intervals: bootstrap over patients.

## What it may have learned wrongly

- The outline is V7 Labs' convention: two lungs of even shape, laid over heart and diaphragm. It is no anatomical lung
  volume, and readers who leave out the heart (Montgomery, Shenzhen) will see a lower overlap by construction.
- Most outlines are of children of one hospital; adults are reached through augmentation and a few COVID films.
- Lateral films, other body parts and turned films were not taught; a field covering less than 3 % or more than 85 % of
  the film is not believed, everything else is.
- White lungs: the outline there is a guess from the other side and the ribs.

## Made from

Recipe: `python -m xai_core train cxr-lungs --data DIR`, options {options}. Augmentation: turn, zoom, stretch, cut edges,
blur, tone, shading, labels, clouds within the lungs. Weights are the running average of training.

Films and labels: Kermany, Zhang, Goldbaum, *Mendeley Data* rscbjbr9sj v2 (CC BY 4.0); COVID-19 image data collection
(Cohen et al. 2020; only films whose licence lets weights be shipped) and Hannover Medical School
(Winther et al., DOI 10.6084/m9.figshare.12275009, CC BY 3.0). Outlines: V7 Labs, COVID-19 X-ray dataset (CC BY 4.0).
Held out for tests only: Montgomery and Shenzhen sets (US National Library of Medicine), outlines of Stirenko et al. 2018.
"""
