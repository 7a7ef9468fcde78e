"""What each film teaches a classifier: a target and a weight for every label, weight 0 where its source cannot know.

The hierarchy is the COVID study's: Healthy; Pneumonia over Bacterial, and over Viral, which is over COVID-19. ``Lung
Opacity`` is what RSNA's readers marked on adults; words mined from reports count little beside readers. Of NIH's other
findings (``FINDINGS``) those words are all that is known.
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from numpy.typing import NDArray

LABELS = ("Healthy", "Pneumonia", "Bacterial", "Viral", "COVID-19", "Lung Opacity")
TREE = LABELS[:5]
"""The labels of the hierarchy."""
PARENTS = {"Bacterial": "Pneumonia", "Viral": "Pneumonia", "COVID-19": "Viral"}
FINDINGS = (
    "Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Effusion", "Emphysema", "Fibrosis", "Infiltration", "Mass",
    "Nodule", "Pleural Thickening", "Pneumothorax",
)  # fmt: skip
ALONE = 0.95
OPAQUE = re.compile("Pneumonia|Infiltration|Consolidation|Edema|Effusion")
_BACTERIA = re.compile(
    "Bacterial|Streptococcus|Klebsiella|Legionella|Mycoplasma|Chlamydophila|E.Coli|Nocardia|MRSA", re.I
)
_VIRUSES = re.compile("SARS|MERS|Influenza|Varicella|Herpes|Viral", re.I)


def targets_of(
    table: pd.DataFrame, labels: tuple[str, ...] = LABELS
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Targets and weights, both (N, labels), of the films of a table with source, labels and rsna_class."""
    known = [_of(*row) for row in zip(table["source"], table["labels"], table["rsna_class"], strict=True)]
    pairs = np.asarray([[row.get(label, (0.0, 0.0)) for label in labels] for row in known], dtype=np.float32)
    return pairs[..., 0], pairs[..., 1]


def reader_classes(table: pd.DataFrame) -> NDArray[np.float64]:
    """1 where RSNA's readers saw Lung Opacity, 0 where Normal, NaN elsewhere."""
    named = table["rsna_class"].map({"Lung Opacity": 1.0, "Normal": 0.0})
    return np.asarray(named, dtype=np.float64)


def taught_on(table: pd.DataFrame, labels: tuple[str, ...] = LABELS) -> dict[str, str]:
    """The labels that one group of patients taught alone: "adults" where hardly a child is said to have it, "children" where hardly
    an adult says yes or no to it. ``ALONE`` is the share of weights that counts as such."""
    targets, weights = targets_of(table, labels)
    child = (table["source"] == "kermany").to_numpy()
    found = {}
    for k, label in enumerate(labels):
        yes = weights[:, k] * (targets[:, k] > 0.5)
        if yes[child].sum() <= (1 - ALONE) * yes.sum():
            found[label] = "adults"
        elif weights[child, k].sum() >= ALONE * weights[:, k].sum():
            found[label] = "children"
    return found


def _of(source: str, labels: str, read: str) -> dict[str, tuple[float, float]]:
    if source == "kermany":
        return _child(labels)
    if source == "nih":
        words = labels.replace("_", " ").split(";")
        return {**{finding: (float(finding in words), 0.4) for finding in FINDINGS}, **_adult(labels, read)}
    return _covid(labels)


def _child(labels: str) -> dict[str, tuple[float, float]]:
    is_viral, is_bacterial = "viral" in labels, "bacterial" in labels
    is_ill = is_viral or is_bacterial
    return {
        "Healthy": (1.0 - is_ill, 1.0),
        "Pneumonia": (float(is_ill), 1.0),
        "Bacterial": (float(is_bacterial), 1.0),
        "Viral": (float(is_viral), 1.0),
        "COVID-19": (0.0, 0.3),
    }


def _adult(labels: str, read: str) -> dict[str, tuple[float, float]]:
    if read == "Normal":
        return {label: (float(label == "Healthy"), 1.5 if label == "Lung Opacity" else 0.7) for label in LABELS}
    if read == "Lung Opacity":
        return {"Healthy": (0.0, 1.0), "COVID-19": (0.0, 0.3), "Lung Opacity": (1.0, 1.5)}
    if read:
        return {"Healthy": (0.0, 0.7), "COVID-19": (0.0, 0.3), "Lung Opacity": (0.0, 0.5)}
    if "No_Finding" in labels:
        return {"Healthy": (1.0, 0.4), "Pneumonia": (0.0, 0.3), "COVID-19": (0.0, 0.3), "Lung Opacity": (0.0, 0.3)}
    known = {"Healthy": (0.0, 0.4), "COVID-19": (0.0, 0.3)}
    if OPAQUE.search(labels):
        known["Lung Opacity"] = (1.0, 0.2)
    if "Pneumonia" in labels:
        known["Pneumonia"] = (1.0, 0.3)
    return known


def _covid(labels: str) -> dict[str, tuple[float, float]]:
    if "COVID-19" in labels:
        ill = dict.fromkeys(("Pneumonia", "Viral", "COVID-19"), (1.0, 1.0))
        return {"Healthy": (0.0, 1.0), "Bacterial": (0.0, 0.7), **ill}
    if "No_Finding" in labels or "No Finding" in labels:
        return {label: (float(label == "Healthy"), 0.7) for label in LABELS[:5]}
    is_bacterial, is_viral = bool(_BACTERIA.search(labels)), bool(_VIRUSES.search(labels))
    if not (is_bacterial or is_viral):
        return {}
    return {
        "Healthy": (0.0, 1.0),
        "Pneumonia": (1.0, 1.0),
        "Bacterial": (float(is_bacterial), 1.0),
        "Viral": (float(is_viral), 1.0),
        "COVID-19": (0.0, 1.0),
    }
