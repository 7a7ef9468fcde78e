"""What a network of lesions is worth on patients left out, through the same path as a person's volume, and its card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from torch import nn

from xai_core.case import Case, Region
from xai_core.grid import Grid
from xai_core.head import head_of, standardised, with_channels
from xai_core.models.card import Card
from xai_core.models.card_text import table_of
from xai_core.models.model import Model, Prediction
from xai_core.preprocess import presented, whole_box
from xai_core.training.loop import Journal
from xai_core.training.publishing import packed, rows_of, shelve
from xai_core.training.scores import calibration_error, reliability, temperature_of
from xai_core.training.volume_scores import Outcome, best_cut, cuts_of_others, outcome
from xai_core.training.volumes import Subject, Truth, Values

# Two patients say little of a threshold for a third: only those near the middle are tried.
CUTS = np.round(np.arange(0.3, 0.71, 0.05), 2)
FLAIR_CUTS = np.round(np.arange(0.5, 3.01, 0.05), 2)
# Voxels a patient that temperature and reliability are taken from.
MOST_VOXELS = 60_000


@dataclass(frozen=True)
class Fold:
    """A patient left out of training, and what the network without this patient says of the case."""

    subject: Subject
    prediction: Prediction

    @property
    def truth(self) -> Truth:
        """(D, H, W) bool of the last label."""
        return np.asarray(self.subject.truth[-1])

    @property
    def logits(self) -> Values:
        """(D, H, W) of the last label."""
        return np.asarray(self.prediction.logits[-1])

    @property
    def head(self) -> Truth:
        """(D, H, W) bool: the head, as preprocessing finds it."""
        return head_of(presented(self.subject.case))

    @property
    def voxel_mm3(self) -> float:
        """Volume of a voxel."""
        return float(np.prod(self.subject.case.geometry.spacing_mm or (1.0,)))


def predicted(card: Card, module: nn.Module, case: Case) -> Prediction:
    """What ``module`` says of a case, as :meth:`xai_core.models.Model.predict` says it."""
    return Model(card, module, "cpu", "").predict(case)


def flair_of(subject: Subject) -> Values:
    """(D, H, W) FLAIR with mean 0 and deviation 1 within the head, 0 outside: what the control is a threshold of."""
    case = with_channels(subject.case, ("FLAIR",))
    image = presented(case)
    grid = Grid.over(whole_box(case.space), case.space, case.space)
    return np.asarray(standardised(image, grid, -np.inf, np.inf, Region(head_of(presented(subject.case)), "head"))[0])


def outcomes(folds: Sequence[Fold], shares: Sequence[Values], cuts: Sequence[float]) -> list[Outcome]:
    """One row a patient at that patient's cut."""
    return [
        outcome(fold.subject.name, share >= cut, fold.truth, fold.voxel_mm3)
        for fold, share, cut in zip(folds, shares, cuts, strict=True)
    ]


@dataclass(frozen=True)
class Measured:
    """What a card says: rows of the network (at ``cuts``, and in the ``middle``, at 0.5) and of a FLAIR threshold, the shipped
    ``threshold`` and ``temperature``, and how well probabilities are meant (``calibration``)."""

    network: list[Outcome]
    flair: list[Outcome]
    cuts: list[float]
    middle: list[Outcome]
    threshold: float
    temperature: float
    calibration: dict[str, Any]


def measured(folds: Sequence[Fold]) -> Measured:
    """All figures of the patients left out. A patient's temperature and threshold are those of the other patients."""
    truths = [fold.truth for fold in folds]
    samples = [_sampled(fold) for fold in folds]
    temperature = round(temperature_of(*_joined(samples)), 4)
    own = [round(temperature_of(*_joined(samples[:k] + samples[k + 1 :])), 4) for k in range(len(folds))]
    shares = [expit(fold.logits / t) for fold, t in zip(folds, own, strict=True)]
    cuts = cuts_of_others(shares, truths, CUTS)
    threshold = best_cut([expit(fold.logits / temperature) for fold in folds], truths, CUTS)
    flairs = [flair_of(fold.subject) for fold in folds]
    plain = cuts_of_others(flairs, truths, FLAIR_CUTS)
    told = np.concatenate([expit(logit / t) for (_, logit), t in zip(samples, own, strict=True)])
    said, logits = _joined(samples)
    calibration = {
        "voxels": len(said),
        "ece_before": round(calibration_error(said, expit(logits)), 4),
        "ece_after": round(calibration_error(said, told), 4),
        "reliability": [[round(p, 3), round(was, 3), count] for p, was, count in reliability(said, told)],
    }
    rows, middle = outcomes(folds, shares, cuts), outcomes(folds, shares, [0.5] * len(folds))
    return Measured(rows, outcomes(folds, flairs, plain), cuts, middle, threshold, temperature, calibration)


def publish(
    card: Card,
    module: nn.Module,
    folds: Sequence[Fold],
    texts: Mapping[str, str],
    out: Path,
    journal: Journal,
    options: Mapping[str, Any],
) -> Path:
    """Write half-precision weights, manifest and card into ``out``; ``texts``: "head", "limits" and "made" of the card."""
    sha256, size = packed(module, out / f"{card.name}.safetensors")
    module.load_state_dict({k: v.half().to(v.dtype) for k, v in module.state_dict().items()})
    found = measured(folds)
    label = card.labels[-1]
    own = own_rows(replace(card, temperatures={label: found.temperature}), module, folds, found.threshold)
    metrics = {
        "dice_left_out": round(float(np.mean([row.dice for row in found.network])), 4),
        "dice_left_out_at_half": round(float(np.mean([row.dice for row in found.middle])), 4),
        "dice_trained_on": round(float(np.mean([row.dice for row in own])), 4),
        "dice_flair_threshold": round(float(np.mean([row.dice for row in found.flair])), 4),
        "patients": len(folds),
        **{f"dice_without_{row.patient}": round(row.dice, 4) for row in found.network},
    }
    journal.write(1.0, f"{card.name}: {metrics}")
    measured_card = replace(
        card,
        sha256=sha256,
        bytes=size,
        thresholds={label: found.threshold},
        temperatures={label: found.temperature},
        calibration={label: found.calibration},
        metrics=metrics,
    )
    return shelve(out, card.name, table_of(measured_card), _text(card, texts, found, own, size, options))


def own_rows(card: Card, module: nn.Module, folds: Sequence[Fold], threshold: float) -> list[Outcome]:
    """What the shipped network says of the very patients it was trained on."""
    shares = [predicted(card, module, fold.subject.case).probabilities[-1] for fold in folds]
    return outcomes(folds, shares, [threshold] * len(folds))


def fold_rows(rows: Sequence[Outcome], cuts: Sequence[float] = ()) -> list[list[str]]:
    """A line of the card's table a patient."""
    return [
        [
            row.patient,
            f"{row.dice:.3f}",
            f"{row.hit} of {row.lesions}",
            str(row.false),
            f"{row.truth_ml:.1f}",
            f"{row.found_ml:.1f} ({row.found_ml - row.truth_ml:+.1f})",
            *([f"{cut:.2f}"] if cuts else []),
        ]
        for row, cut in zip(rows, cuts or [0.0] * len(rows), strict=True)
    ]


HEAD = ["Patient left out", "Dice", "lesions found", "false lesions", "drawn, ml", "found, ml"]


def _text(
    card: Card,
    texts: Mapping[str, str],
    found: Measured,
    own: Sequence[Outcome],
    size: int,
    options: Mapping[str, Any],
) -> str:
    label = card.labels[-1]
    mean, plain = (np.mean([row.dice for row in rows]) for rows in (found.network, found.flair))
    told = found.calibration
    return f"""# {card.name}: {texts["title"]}

{texts["head"]} {size / 1e6:.1f} MB in half precision.
Research and teaching only: not a medical device.

## How well it does

{rows_of([[*HEAD, "threshold"], *fold_rows(found.network, found.cuts)])}

Mean Dice {mean:.3f} on n = {len(found.network)} patients: too few for an interval. Each row is of a network that never saw this patient, on the case's
own grid and through the same path as a person's volume; temperature and threshold (0.30 to 0.70) of a row were chosen on the other
patients. With the threshold left at 0.5: {", ".join(f"{row.patient} {row.dice:.3f}" for row in found.middle)}.
A lesion is a connected part of 10 mm3 or more, and found where one of its voxels is.

Control: a threshold on FLAIR alone (mean 0 and deviation 1 within the head), chosen on the other patients.

{rows_of([HEAD, *fold_rows(found.flair)])}

Mean Dice of the control {plain:.3f}.

The shipped network has seen all patients, so no figure above is its own: what it does on a new patient is guessed from those rows. On the
patients it was trained on it reaches {", ".join(f"{row.patient} {row.dice:.3f}" for row in own)}, which says that its weights are the right ones and no more.
It says yes to {label} from a probability of {found.threshold:.2f} on, the threshold with the best mean Dice of all rows.

## How its probabilities are meant

Logits are divided by {found.temperature:.2f}, fitted to voxels of patients left out. Expected calibration error over {told["voxels"]:,} voxels of the head:
{told["ece_before"]:.4f} before, {told["ece_after"]:.4f} after (temperature of the other patients). Nearly all voxels are far from any lesion, which makes
this number small; the reliability of what lies between is

{rows_of([["probability told", "share that was lesion", "voxels"], *[[f"{p:.2f}", f"{was:.2f}", f"{count:,}"] for p, was, count in told["reliability"]]])}

## What it may have learned wrongly

{texts["limits"]}

## Made from

Recipe: `python -m xai_core train {card.name} --data DIR`, options {dict(options)}. {texts["made"]}
"""


def _sampled(fold: Fold) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Truth and logits of evenly spaced voxels of the head."""
    places = np.flatnonzero(fold.head)
    places = places[:: max(1, len(places) // MOST_VOXELS)]
    return fold.truth.ravel()[places], fold.logits.ravel()[places].astype(np.float64)


def _joined(
    samples: Sequence[tuple[NDArray[np.bool_], NDArray[np.float64]]],
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    return np.concatenate([said for said, _ in samples]), np.concatenate([logit for _, logit in samples])
