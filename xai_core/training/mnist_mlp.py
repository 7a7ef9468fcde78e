"""The recipes of ``mnist-mlp-tanh`` and ``mnist-mlp-relu``: the multilayer perceptrons that LRP was first shown on.

Experiments of Bach et al. 2015 (PLOS ONE 10(7), MNIST) as the LRP toolbox has them: I, three hidden layers of 400, digits of zero
mean and unit scale with Gaussian noise; II, three of 1,296, digits in [-1, 1], shifted by up to 4 pixels, a tenth of the pixels
salt and pepper. Mini-batches of 25 digits drawn at random. The optimiser is ours (loop.py: AdamW, one cosine, averaged weights).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from xai_core.errors import ParameterError
from xai_core.models.architectures import build
from xai_core.models.card import Card
from xai_core.models.perceptron import named
from xai_core.preprocess import InputSpec
from xai_core.training import Option, Progress, chosen, recipe, recipes
from xai_core.training.digits import SIDE, read_digits
from xai_core.training.loop import Batch, Journal, Plan, fit
from xai_core.training.mnist_card import accuracy, publish

LABELS = tuple("0123456789")
STEPS_AN_EPOCH = 500
Bytes = NDArray[np.uint8]
Values = NDArray[np.float32]


@dataclass(frozen=True)
class Experiment:
    """``width`` of the three hidden layers; ``bounds(pixels)``: what grey 0 and 255 become; ``spoiled(values, low, high, dice)``:
    a batch (N, 28, 28) as the network meets it in training."""

    width: int
    bounds: Callable[[Bytes], tuple[float, float]]
    spoiled: Callable[[Values, float, float, np.random.Generator], Values]


def standard_bounds(pixels: Bytes) -> tuple[float, float]:
    """Grey 0 and 255 where all training pixels together get mean 0 and standard deviation 1."""
    mean, deviation = float(pixels.mean()), float(pixels.std())
    return round(-mean / deviation, 6), round((255 - mean) / deviation, 6)


def noisy(values: Values, low: float, high: float, dice: np.random.Generator, sigma: float = 0.5) -> Values:
    """Gaussian noise of ``sigma`` standard deviations of the data."""
    return values + sigma * dice.standard_normal(values.shape, dtype=np.float32)


def shifted(values: Values, low: float, high: float, dice: np.random.Generator, most: int = 4) -> Values:
    """Each digit moved by up to ``most`` pixels along both axes; what comes in is ``low``."""
    padded = np.pad(values, ((0, 0), (most, most), (most, most)), constant_values=low)
    starts = dice.integers(0, 2 * most + 1, (2, len(values), 1))
    rows, columns = starts + np.arange(SIDE)
    return np.ascontiguousarray(padded[np.arange(len(values))[:, None, None], rows[:, :, None], columns[:, None, :]])


def shifted_and_peppered(
    values: Values, low: float, high: float, dice: np.random.Generator, share: float = 0.1
) -> Values:
    """:func:`shifted`, then a ``share`` of all pixels black or white."""
    moved = shifted(values, low, high, dice)
    grain = dice.random(moved.shape, dtype=np.float32)
    moved[grain < share] = low
    moved[grain < share / 2] = high
    return moved


EXPERIMENTS = {
    "I": Experiment(400, standard_bounds, noisy),
    "II": Experiment(1296, lambda _: (-1.0, 1.0), shifted_and_peppered),
}


def _options(experiment: str, steps: int, learning_rate: float) -> tuple[Option, ...]:
    return (
        Option("experiment", experiment, "I or II of the paper"),
        Option("steps", steps, "mini-batches; the paper: 50,000 (I), up to 1,000,000 (II)"),
        Option("batch", 25, "digits a step"),
        Option("learning_rate", learning_rate, "at the cosine's peak"),
    )


TANH, RELU = _options("I", 50_000, 1e-3), _options("II", 10_000, 5e-4)


@recipe("mnist-mlp-tanh", "Handwritten digits (MLP, tanh)", TANH)
def run_tanh(
    data: Path, out: Path, *, seed: int = 0, resume: bool = False, progress: Progress | None = None, **options: Any
) -> Path:
    """Train, calibrate, measure on held-out digits and write weights, manifest and card into ``out``."""
    return _taught("tanh", data, out, Journal(out, progress), chosen(TANH, options), seed, resume)


@recipe("mnist-mlp-relu", "Handwritten digits (MLP, ReLU)", RELU)
def run_relu(
    data: Path, out: Path, *, seed: int = 0, resume: bool = False, progress: Progress | None = None, **options: Any
) -> Path:
    """Train, calibrate, measure on held-out digits and write weights, manifest and card into ``out``."""
    return _taught("relu", data, out, Journal(out, progress), chosen(RELU, options), seed, resume)


def _taught(
    activation: str, data: Path, out: Path, journal: Journal, options: dict[str, Any], seed: int, resume: bool
) -> Path:
    if options["experiment"] not in EXPERIMENTS:
        raise ParameterError(
            f"There is no experiment '{options['experiment']}'.", f"Choose one of: {', '.join(EXPERIMENTS)}."
        )
    experiment, digits = EXPERIMENTS[options["experiment"]], read_digits(data)
    pixels, labels = digits.part("train")
    low, high = experiment.bounds(pixels)
    card = Card(
        f"mnist-mlp-{activation}", recipes()[f"mnist-mlp-{activation}"].title, named(experiment.width, activation), "digit",
        "classification", LABELS, ("digit",), True, InputSpec((SIDE, SIDE), 1, low, high, "eight-bit"), "softmax",
    )  # fmt: skip
    values = (low + (high - low) * (pixels / np.float32(255))).astype(np.float32)
    truth = torch.from_numpy(labels)
    batch, epochs = int(options["batch"]), max(1, round(options["steps"] / STEPS_AN_EPOCH))
    plan = Plan(epochs, STEPS_AN_EPOCH, options["learning_rate"], seed=seed, half_precision=False)

    def batches_of(epoch: int) -> Iterator[Batch]:
        dice = np.random.default_rng((seed, epoch))
        for _ in range(STEPS_AN_EPOCH):
            rows = dice.integers(len(values), size=batch)
            spoiled = experiment.spoiled(values[rows], low, high, dice)
            yield {"image": torch.from_numpy(spoiled[:, None]), "target": truth[rows]}

    def loss_of(module: nn.Module, batch: Batch) -> torch.Tensor:
        return F.cross_entropy(module(batch["image"]), batch["target"])

    def validate(module: nn.Module, epoch: int) -> str:
        return f"accuracy on validation digits {accuracy(card, module, *digits.part('val')):.4f}"

    torch.manual_seed(seed)
    module = fit(build(card), plan, batches_of, loss_of, out, journal, resume=resume, validate=validate, name=card.name)
    return publish(card, module, digits, out, journal, {**options, "seed": seed})
