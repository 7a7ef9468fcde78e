"""Networks examined as a study examines them: trained on some patients, asked about the others, scored label by label.

An :class:`Exam` is a set of films with what is known of them; ``taken`` trains a network on the patients of some folds and
gives its logits for the rest; the tables are those studies print: precision, recall and F1 by label, micro and macro, mean
and standard deviation over folds, and areas under the curve with intervals over patients.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.special import expit
from torch import nn

from xai_core.models.architectures import build
from xai_core.models.card import Card, InputSpec
from xai_core.training import Option
from xai_core.training.film_batches import Lessons, batches
from xai_core.training.films import hash_fold
from xai_core.training.loop import Batch, Journal, Plan, fit
from xai_core.training.publishing import rows_of, spelled
from xai_core.training.scores import auroc, counts_at, measured, precision_recall_f1

Array = NDArray[Any]
OPTIONS = (
    Option("networks", "", "architectures, with commas between; empty: the study's own"),
    Option("epochs", 10, "passes over the training films"),
    Option("size", 224, "side of the input, pixels"),
    Option("batch", 16, "films a step"),
    Option("learning_rate", 1e-3, "at the peak"),
)


@dataclass(frozen=True)
class Exam:
    """``films`` (N, S, S) uint8 squares; ``targets`` and ``weights`` (N, L), weight 0 where nothing is known;
    ``patients`` (N,)."""

    films: NDArray[np.uint8]
    targets: NDArray[np.float32]
    weights: NDArray[np.float32]
    patients: Array
    labels: tuple[str, ...]

    def fold_of(self, folds: int) -> Array:
        """(N,) the fold of each film: all films of a patient are in one."""
        return np.asarray([hash_fold(str(patient), folds) for patient in self.patients])


def taken(
    network: str,
    exam: Exam,
    is_asked: NDArray[np.bool_],
    options: Mapping[str, Any],
    out: Path,
    journal: Journal,
    name: str,
    *,
    seed: int = 0,
    resume: bool = False,
) -> NDArray[np.float32]:
    """(asked, L) logits of ``network`` trained from scratch on the films not asked about; kept in ``out/NAME.npz``."""
    kept = out / f"{name}.npz"
    if resume and kept.is_file():
        return np.asarray(np.load(kept)["logits"], dtype=np.float32)
    size, batch = int(options["size"]), int(options["batch"])
    rows = np.flatnonzero(~is_asked)
    no_lungs = np.zeros((len(exam.films), 1, 1), np.uint8)
    lessons = Lessons(exam.films, no_lungs, exam.targets, exam.weights, np.zeros((len(exam.films), 0), np.float32))
    plan = Plan(
        int(options["epochs"]), max(len(rows) // batch, 1), float(options["learning_rate"]), average=0.99, seed=seed
    )

    def batches_of(epoch: int) -> Iterator[Batch]:
        dice = np.random.default_rng((seed, epoch))
        return batches(lessons, dice.permutation(rows), size, batch, dice, outside=0.0, hint_weight=0.0)

    torch.manual_seed(seed)
    spec = InputSpec((size, size), crop="study")
    card = Card(network, network, network, "CXR", "classification", exam.labels, ("film",), False, spec)
    module = fit(_plain(build(card)), plan, batches_of, _loss, out, journal, resume=resume, name=name)
    logits = _logits(module, exam.films[is_asked], size)
    np.savez(kept, logits=logits)
    for left in (".checkpoint.safetensors", ".checkpoint.json"):
        (out / f"{name}{left}").unlink(missing_ok=True)
    return logits


def f1_table(exam: Exam, shares: Mapping[str, NDArray[Any]], folds: Sequence[Array]) -> str:
    """Markdown: for every network, by label and over all, precision, recall and F1 at 0.5, mean (sd) over folds.

    ``shares``: (N, L) probabilities by network; ``folds``: rows of each fold.
    """
    rows = [["Network", "Label", "precision", "recall", "F1", "films with it"]]
    for network, share in shares.items():
        counts = np.asarray([[_counts(exam, share, fold, k) for k in range(len(exam.labels))] for fold in folds])
        scores = np.asarray([[precision_recall_f1(*one) for one in fold] for fold in counts])
        micro = np.asarray([precision_recall_f1(*fold.sum(axis=0)) for fold in counts])
        rows.append([network, "micro", *_spread(micro), ""])
        rows.append([network, "macro", *_spread(scores.mean(axis=1)), ""])
        for k, label in enumerate(exam.labels):
            there = int(((exam.targets[:, k] > 0.5) & (exam.weights[:, k] > 0)).sum())
            rows.append([network, label, *_spread(scores[:, k]), str(there)])
    return rows_of(rows)


def micro_f1(exam: Exam, share: NDArray[Any], folds: Sequence[Array]) -> tuple[float, float]:
    """Micro F1 over all labels: mean and standard deviation over folds."""
    values = [
        precision_recall_f1(*np.sum([_counts(exam, share, fold, k) for k in range(len(exam.labels))], axis=0))[2]
        for fold in folds
    ]
    return float(np.mean(values)), float(np.std(values))


def auroc_table(exam: Exam, asked: Array, logits: Mapping[str, NDArray[Any]], least: int = 2) -> str:
    """Markdown: area under the curve of every label and network with its 95 % interval over patients; labels with fewer
    than ``least`` films of a kind are left out."""
    rows = [["Network", "Label", "AUROC (95 % interval)", "films", "patients"]]
    for network, found in logits.items():
        for k, label in enumerate(exam.labels):
            is_known = exam.weights[asked, k] > 0
            truth, score = exam.targets[asked, k][is_known] > 0.5, found[is_known, k]
            if min(truth.sum(), (~truth).sum()) < least:
                continue
            told = measured(
                lambda drawn, truth=truth, score=score: auroc(truth[drawn], score[drawn]),  # type: ignore[misc]
                exam.patients[asked][is_known],
            )
            rows.append([network, label, spelled(told), str(told["films"]), str(told["patients"])])
    return rows_of(rows)


def networks_of(options: Mapping[str, Any], own: Sequence[str]) -> list[str]:
    """The networks asked for, else the study's own."""
    return [name.strip() for name in str(options["networks"]).split(",") if name.strip()] or list(own)


def probabilities(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Sigmoid."""
    return np.asarray(expit(np.asarray(logits, dtype=np.float64)))


def _counts(exam: Exam, share: NDArray[Any], fold: Array, label: int) -> tuple[int, int, int]:
    rows = fold[exam.weights[fold, label] > 0]
    return counts_at(exam.targets[rows, label], share[rows, label] >= 0.5)


def _spread(values: NDArray[Any]) -> list[str]:
    return [f"{mean:.3f} ({sd:.3f})" for mean, sd in zip(values.mean(axis=0), values.std(axis=0), strict=True)]


def _plain(module: Any) -> nn.Module:
    """The network without the auxiliary head that Inception v3 has in training: small films leave it no room."""
    if getattr(module, "aux_logits", False):
        module.aux_logits, module.AuxLogits = False, None
    return cast(nn.Module, module)


def _loss(module: nn.Module, batch: Batch) -> torch.Tensor:
    losses = F.binary_cross_entropy_with_logits(module(batch["image"]).float(), batch["target"], reduction="none")
    return (losses * batch["weight"]).sum() / batch["weight"].sum().clamp(min=1.0)


@torch.no_grad()
def _logits(module: nn.Module, films: NDArray[np.uint8], size: int) -> NDArray[np.float32]:
    found = []
    for start in range(0, len(films), 32):
        images = torch.from_numpy(films[start : start + 32])[:, None].float() / 255
        images = F.interpolate(images, (size, size), mode="bilinear", antialias=True, align_corners=False)
        found.append(module(images.contiguous(memory_format=torch.channels_last)).float().numpy())
    return np.concatenate(found)
