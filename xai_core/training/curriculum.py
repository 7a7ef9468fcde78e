"""How every classifier of chest films is taught: small films first, then large ones, controls beside it, a card at the end.

Adults, few and read by radiologists even fewer, come twice an epoch. What lies outside the lungs is random in most films
(``film_batches``), and a network that never sees the lungs is trained as a control.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from xai_core.models.card import Card
from xai_core.training import Option
from xai_core.training.blind_control import blind_control
from xai_core.training.classroom import Classroom, lesson_loss, validated
from xai_core.training.film_batches import batches
from xai_core.training.film_card import publish
from xai_core.training.loop import Batch, Journal, Plan, fit

SUMMARY = "Findings of children's and adults' chest films, cropped to the lung field."


def schedule(small: int, large: int, size: int, learning_rate: float, outside: float = 0.72) -> tuple[Option, ...]:
    """The options that all classifiers of films have, with a recipe's own defaults."""
    return (
        Option("small", small, "epochs at the small size"),
        Option("large", large, "last epochs at 224 pixels"),
        Option("size", size, "the small size, pixels"),
        Option("batch", 32, "films a step"),
        Option("outside", outside, "share of films whose outside is random"),
        Option("learning_rate", learning_rate, "at the peak"),
    )


def taught(
    card: Card,
    story: str,
    module: nn.Module,
    room: Classroom,
    out: Path,
    journal: Journal,
    options: Mapping[str, Any],
    *,
    seed: int,
    resume: bool,
    weight_decay: float = 0.02,
    half_precision: bool = True,
    hint_weights: tuple[float, float] = (0.0, 0.0),
) -> Path:
    """Train ``module``, calibrate on validation patients, measure on held-out ones; writes weights, manifest and card.

    ``options``: those of :func:`schedule` and the recipe's own, for the card. ``hint_weights``: of the teacher's hints in
    the first half of the small epochs and after it. Where ``module`` has a ``network``, that alone is published.
    """
    small, full = int(options["small"]), room.spec.size[0]
    batch, epochs = int(options["batch"]), small + int(options["large"])
    rows = np.concatenate([room.rows("train"), room.rows("train", "nih")])
    rate = float(options["learning_rate"])
    plan = Plan(epochs, len(rows) // batch, rate, weight_decay, average=0.997, seed=seed, half_precision=half_precision)

    def size_at(epoch: int) -> int:
        return int(options["size"]) if epoch < small else full

    def batches_of(epoch: int) -> Iterator[Batch]:
        dice = np.random.default_rng((seed, epoch))
        hint_weight = hint_weights[epoch >= small // 2]
        chosen, outside = dice.permutation(rows), float(options["outside"])
        return batches(room.lessons, chosen, size_at(epoch), batch, dice, outside=outside, hint_weight=hint_weight)

    def validate(trained: nn.Module, epoch: int) -> str:
        return validated(trained, room, size_at(epoch))

    fit(module, plan, batches_of, lesson_loss, out, journal, resume=resume, validate=validate, name=card.name)
    blind = blind_control(room, out, journal, seed, resume)
    network = getattr(module, "network", module)
    return publish(card, story, network, room, blind, out, journal, {"seed": seed, **options})
