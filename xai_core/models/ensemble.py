"""Several models as one: the mean of their calibrated probabilities (as the COVID study's ensemble), explained member by member.

A card with ``members`` in the manifest is an ensemble, and so is any list of names with "+" between them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
from torch import nn

from xai_core.case import Case
from xai_core.errors import ModelError
from xai_core.models.card import Card
from xai_core.models.model import Model, Prediction

JOIN = "+"
_SMALLEST = 1e-6


@dataclass(frozen=True)
class Ensemble(Model):
    """A model of ``members``; its ``module`` only holds theirs. A map of it is the mean of theirs on the case's grid."""

    members: tuple[Model, ...] = ()

    def predict(self, case: Case) -> Prediction:
        """The mean of the members' calibrated probabilities, label by label; the logit is that of this mean."""
        return self.mean_of([member.predict(case) for member in self.members])

    def mean_of(self, told: Sequence[Prediction]) -> Prediction:
        """The ensemble's prediction from those of its members."""
        shares = [dict(zip(one.labels, one.probabilities.reshape(len(one.labels), -1), strict=True)) for one in told]
        space = told[0].probabilities.shape[1:]
        mean = np.stack(
            [np.mean([share[label] for share in shares], axis=0).reshape(space) for label in self.card.labels]
        )
        safe = np.clip(mean, _SMALLEST, 1 - _SMALLEST)
        return Prediction(
            self.card.labels,
            np.log(safe / (1 - safe)).astype(np.float32),
            mean.astype(np.float32),
            self.positive(mean),
        )


def gathered(card: Card, members: Sequence[Model]) -> Ensemble:
    """An ensemble of loaded models. ``card`` may leave labels open: they are those that all members have.

    Raises :class:`ModelError` where members do not go together: another modality or task, or no label in common.
    """
    first = members[0]
    for member in members[1:]:
        if (member.card.modality, member.card.task) != (first.card.modality, first.card.task):
            raise ModelError(
                f"{first.card.name} and {member.card.name} do not go together: they read different images or answer differently.",
                "Choose members of one modality and one task.",
            )
    labels = _common(members)
    if not labels:
        raise ModelError("These models have no label in common.", "Choose members that name the same findings.")
    thresholds = {
        label: float(np.mean([member.card.thresholds.get(label, 0.5) for member in members])) for label in labels
    }
    digest = hashlib.sha256(" ".join(member.weights_digest for member in members).encode()).hexdigest()
    whole = replace(
        card,
        modality=first.card.modality,
        task=first.card.task,
        channels=first.card.channels,
        input=first.card.input,
        labels=labels,
        off=tuple(label for label in labels if any(label in member.card.off for member in members)),
        parents={label: parent for label, parent in first.card.parents.items() if label in labels and parent in labels},
        thresholds={**thresholds, **card.thresholds},
        taught_on={label: group for label, group in first.card.taught_on.items() if label in labels},
        members=tuple(member.card.name for member in members),
    )
    modules = nn.ModuleList([member.module for member in members]).eval()
    return Ensemble(whole, modules, first.device, digest, tuple(members))


def named_members(name: str) -> tuple[str, ...]:
    """The members that a name with "+" lists; empty for any other name."""
    names = tuple(part.strip() for part in name.split(JOIN) if part.strip())
    return names if JOIN in name and len(names) > 1 else ()


def open_card(name: str, members: Sequence[str]) -> Card:
    """A card for an ensemble that no manifest lists; its labels are filled in by :func:`gathered`."""
    from xai_core.preprocess import InputSpec

    title = f"Mean of {len(members)} models"
    return Card(name, title, "ensemble", "CXR", "classification", (), (), False, InputSpec(()), members=tuple(members))


def _common(members: Sequence[Model]) -> tuple[str, ...]:
    shared = reduce(lambda a, b: a & b, (set(member.card.labels) for member in members))
    return tuple(label for label in members[0].card.labels if label in shared)
