"""What the digit networks reach on held-out digits, and the card that says so beside the figures of the paper."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import binomtest
from torch import nn

from xai_core.models.card import Card
from xai_core.samples.digits import digit_samples
from xai_core.training.digits import Digits
from xai_core.training.loop import Journal
from xai_core.training.publishing import packed, rows_of, shelve, spelled
from xai_core.training.scores import calibration_error

PAPER = {
    "I": [("50,000", "98.25 %")],
    "II": [("10,000", "96 %"), ("1,000,000", "99.1 %")],
}
"""What the paper and its reproduction name, by experiment; on MNIST's own 60,000 and 10,000 digits."""

Bytes = NDArray[np.uint8]
Labels = NDArray[np.int64]


@torch.inference_mode()
def logits_of(card: Card, module: nn.Module, pixels: Bytes) -> torch.Tensor:
    """Logits (N, 10) of digits (N, 28, 28) uint8."""
    spec = card.input
    values = spec.low + (spec.high - spec.low) * torch.from_numpy(pixels[:, None]).float() / 255
    logits: torch.Tensor = module(values).float()
    return logits


def accuracy(card: Card, module: nn.Module, pixels: Bytes, labels: Labels) -> float:
    """The share of digits whose greatest logit is their class."""
    return float((logits_of(card, module, pixels).argmax(1).numpy() == labels).mean())


def counted(right: NDArray[np.bool_]) -> dict[str, Any]:
    """An accuracy with its 95 % interval (Wilson 1927) and the number of digits."""
    found = binomtest(int(right.sum()), len(right)).proportion_ci(method="wilson")
    return {
        "value": round(float(right.mean()), 4),
        "interval": [round(float(found.low), 4), round(float(found.high), 4)],
        "digits": len(right),
    }


def softmax_temperature(logits: torch.Tensor, labels: Labels) -> float:
    """The temperature of least cross entropy of softmax(logits / T) (Guo et al. 2017), 0.25 to 6."""
    grid = torch.exp(torch.linspace(float(np.log(0.25)), float(np.log(6.0)), 200))
    truth = torch.from_numpy(labels)
    losses = torch.stack([nn.functional.cross_entropy(logits / t, truth) for t in grid])
    return float(grid[int(losses.argmin())])


def publish(
    card: Card, module: nn.Module, digits: Digits, out: Path, journal: Journal, options: dict[str, Any]
) -> Path:
    """Calibrate and measure the half-precision weights on digits kept apart; write weights, manifest and card into ``out``."""
    sha256, size = packed(module, out / f"{card.name}.safetensors")
    module.load_state_dict({key: value.half().float() for key, value in module.state_dict().items()})
    module.eval()
    pixels, labels = digits.part("val")
    temperature = round(softmax_temperature(logits_of(card, module, pixels), labels), 4)
    pixels, labels = digits.part("test")
    logits = logits_of(card, module, pixels)
    right = logits.argmax(1).numpy() == labels
    before, after = (calibration_error(right, (logits / t).softmax(1).amax(1).numpy()) for t in (1.0, temperature))
    cases = digit_samples().values()
    drawn = np.stack([sample.case.pixels[0] for sample in cases]), np.asarray([int(sample.label) for sample in cases])
    metrics: dict[str, Any] = {
        "accuracy": counted(right),
        "accuracy_by_class": {str(k): round(float(right[labels == k].mean()), 4) for k in range(10)},
        "ece_before": round(before, 4),
        "ece_after": round(after, 4),
        "packaged_right": round(accuracy(card, module, *drawn) * len(drawn[1])),
        "packaged": len(drawn[1]),
        "training_digits": int((digits.parts == "train").sum()),
    }
    journal.write(1.0, f"{card.name}: accuracy {spelled(metrics['accuracy'])} of {len(labels)} held-out digits")
    table = _table(card, sha256, size, metrics, temperature, digits.source)
    return shelve(out, card.name, table, _text(card, metrics, size, temperature, digits, options))


def _table(
    card: Card, sha256: str, size: int, metrics: dict[str, Any], temperature: float, source: str
) -> dict[str, Any]:
    return {
        "title": card.title,
        "summary": "Reads one handwritten digit; for teaching, as LRP was first shown.",
        "architecture": card.architecture,
        "modality": card.modality,
        "task": card.task,
        "labels": list(card.labels),
        "channels": list(card.channels),
        "activation": card.activation,
        "licence": "CC BY-SA 3.0",
        "training_data": [f"MNIST (LeCun, Cortes; CC BY-SA 3.0), from {source}"],
        "sha256": sha256,
        "bytes": size,
        "input": {
            "size": list(card.input.size),
            "channels": card.input.channels,
            "low": card.input.low,
            "high": card.input.high,
            "intensity": card.input.intensity,
            "crop": card.input.crop,
        },
        "temperatures": dict.fromkeys(card.labels, temperature),
        "metrics": metrics,
    }


def _text(
    card: Card, metrics: dict[str, Any], size: int, temperature: float, digits: Digits, options: dict[str, Any]
) -> str:
    experiment = options["experiment"]
    held = metrics["accuracy"]
    rows = [
        ["", "trained on", "steps", "accuracy (95 % interval)", "digits"],
        [
            "this network",
            f"{metrics['training_digits']:,}",
            f"{options['steps']:,}",
            "{:.1f} % ({:.1f} to {:.1f})".format(*(100 * share for share in (held["value"], *held["interval"]))),
            f"{held['digits']:,}",
        ],
        *(
            [f"the paper, experiment {experiment}", "60,000", steps, told, "10,000"]
            for steps, told in PAPER[experiment]
        ),
    ]
    classes = [list(metrics["accuracy_by_class"]), [f"{value:.3f}" for value in metrics["accuracy_by_class"].values()]]
    return f"""# {card.name}: one handwritten digit

A multilayer perceptron ({card.architecture}: three hidden layers of one width) on 28 x 28 grey values, ten classes, softmax;
{size / 1e6:.1f} MB in half precision. Here for teaching: what layer-wise relevance propagation was first shown on (Bach et al. 2015,
PLOS ONE 10(7)). Research and teaching only: not a medical device.

## How well it does

{rows_of(rows)}

Held-out accuracy by class:

{rows_of(classes)}

Of the {metrics["packaged"]} packaged digits, which are drawn from strokes and not MNIST's, it reads {metrics["packaged_right"]}.

Interval: Wilson. The paper's figures are of MNIST's own 60,000 training and 10,000 test digits; these networks saw
{metrics["training_digits"]:,} digits of the source below and are tested on others of the same source, so the figures stand beside
each other and are not to be ranked. Probabilities: softmax of logits divided by {temperature:g}, fitted on {int((digits.parts == "val").sum())} validation
digits; expected calibration error {metrics["ece_before"]:.3f} before and {metrics["ece_after"]:.3f} after.

## What it may have learned wrongly

- It was taught MNIST's look alone: white strokes on black, 20 pixels high, {"centred by mass" if experiment == "I" else "up to 4 pixels off the middle"}. Other sizes, places and pens were not
  tried.
- Whatever it is shown, a letter or noise, gets one of ten classes.
- The rim of the picture is black in every training digit{" (but for noise)" if experiment == "I" else ", but for salt and shifts"}: relevance there says what the network does, not
  what a digit is.

## Made from

Recipe: `python -m xai_core train {card.name} --data DIR`, options {options}. Experiment {experiment} of the paper in data and noise;
the optimiser is ours (AdamW, one cosine, running average of weights), not the toolbox's plain gradient descent.

Digits: MNIST (Y. LeCun, C. Cortes; CC BY-SA 3.0), from {digits.source}. Parts are drawn from a hash of each digit's pixels where the
source has no test part of its own.
"""
