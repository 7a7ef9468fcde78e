"""A model's card: what it is, what it eats, what it names, how well it did and where it may be wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from xai_core.preprocess import InputSpec

Modality = Literal["CXR", "MR", "digit"]
Task = Literal["classification", "segmentation", "generation"]

__all__ = ["Card", "InputSpec", "Modality", "Task"]


@dataclass(frozen=True)
class Card:
    """One model. ``parents`` maps a label to the label above it; ``thresholds`` are on calibrated probabilities,
    ``temperatures`` divide logits before the sigmoid; labels in ``off`` are shown only when asked for;
    ``members``: the models whose mean this is; ``taught_on``: "children" or "adults" for a label taught on these alone."""

    name: str
    title: str
    architecture: str
    modality: Modality
    task: Task
    labels: tuple[str, ...]
    channels: tuple[str, ...]
    shipped: bool
    input: InputSpec
    activation: Literal["sigmoid", "softmax"] = "sigmoid"
    off: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    parents: Mapping[str, str] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)
    temperatures: Mapping[str, float] = field(default_factory=dict)
    taught_on: Mapping[str, str] = field(default_factory=dict)
    target_layer: str = ""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    training_data: tuple[str, ...] = ()
    licence: str = ""
    sha256: str = ""
    bytes: int = 0
    summary: str = ""

    def decision_logit(self, label: str) -> float:
        """The logit from which on the card says yes to a label (sigmoid models)."""
        threshold = self.thresholds.get(label, 0.5)
        return self.temperatures.get(label, 1.0) * math.log(threshold / (1 - threshold))
