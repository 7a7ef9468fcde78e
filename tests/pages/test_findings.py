"""Rows of findings: parents above children, positive ones first, weak labels only when asked for."""

from __future__ import annotations

import numpy as np

from components.findings import findings
from xai_core.models import Card, InputSpec, Prediction

LABELS = ("Healthy", "Pneumonia", "Viral", "Mass")
CARD = Card(
    "m", "M", "resnet18", "CXR", "classification", LABELS, ("film",), True, InputSpec((8, 8)),
    parents={"Viral": "Pneumonia"}, off=("Mass",), thresholds={"Mass": 0.1},
)  # fmt: skip
TOLD = Prediction(LABELS, np.zeros(4), np.asarray([0.2, 0.8, 0.6, 0.9]), ("Pneumonia", "Viral", "Mass"))


def test_weak_labels_are_left_out_unless_asked_for() -> None:
    assert [row.label for row in findings(CARD, TOLD)] == ["Pneumonia", "Viral", "Healthy"]
    assert [row.label for row in findings(CARD, TOLD, with_off=True)] == ["Mass", "Pneumonia", "Viral", "Healthy"]


def test_children_stand_under_their_parent() -> None:
    rows = {row.label: row for row in findings(CARD, TOLD)}
    assert rows["Viral"].depth == 1
    assert rows["Pneumonia"].depth == 0
    assert rows["Viral"].is_positive
    assert rows["Viral"].threshold == 0.5
