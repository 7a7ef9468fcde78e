"""What ``perfusion-phantom-unet3d`` finds in phantoms it never saw, beside plain thresholds, and the card that says what it is not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from xai_core.models.card import Card
from xai_core.models.card_text import table_of
from xai_core.models.model import Model
from xai_core.phantoms import MODALITIES
from xai_core.training.lesion_cases import LesionCase, dice_of, phantom_cases
from xai_core.training.lesion_network import LABELS, asked
from xai_core.training.loop import Journal
from xai_core.training.mnist_card import softmax_temperature
from xai_core.training.publishing import packed, rows_of, shelve, spelled
from xai_core.training.scores import calibration_error, measured

SUMMARY = "Outlines core and penumbra in perfusion phantoms; has seen no patient. For teaching, never for patients."
LICENCE = "CC BY 4.0"
TRAINING_DATA = (
    "Phantoms made by Lightbox on the anatomy of one MR of the head (Lesjak et al. 2017, CC BY); no stroke patient",
)
# Every so many voxels of the brain are looked at for calibration.
THINNED = 41
CONTROLS: dict[str, tuple[str, str, Callable[[NDArray[Any]], NDArray[np.bool_]]]] = {
    "tmax_above_6": ("Tmax above 6 s, nothing else", "Tmax", lambda values: values > 6.0),
    "adc_below_620": ("ADC below 620, nothing else", "ADC", lambda values: values < 620.0),
}
SMALL_ML = 20.0


def publish(
    card: Card,
    module: nn.Module,
    held: Sequence[LesionCase],
    tests: Iterable[int],
    out: Path,
    journal: Journal,
    options: Mapping[str, Any],
) -> Path:
    """Calibrate the half-precision weights on ``held``, measure them on the phantoms of the seeds ``tests``, and write weights,
    manifest and card into ``out``."""
    sha256, size = packed(module, out / f"{card.name}.safetensors")
    module.load_state_dict({key: value.half().to(value.dtype) for key, value in module.state_dict().items()})
    module.eval()
    logits, truth = _voxels(card, module, held)
    temperature = round(softmax_temperature(torch.from_numpy(logits), truth.astype(np.int64)), 4)
    card = replace(card, temperatures=dict.fromkeys(LABELS, temperature), sha256=sha256, bytes=size)
    journal.write(1.0, f"{card.name}: measuring on phantoms it never saw")
    cases = list(phantom_cases(tests))
    metrics = _measured(card, module, cases)
    card = replace(card, summary=SUMMARY, licence=LICENCE, training_data=TRAINING_DATA, metrics=metrics)
    journal.write(1.0, f"{card.name}: Dice {spelled(metrics['dice'])}")
    return shelve(out, card.name, table_of(card), _text(card, size, temperature, metrics, options))


def _voxels(
    card: Card, module: nn.Module, cases: Sequence[LesionCase]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Logits (N, 2) and truth (N,) of some voxels of the brain."""
    model = Model(card, module, "cpu", "")
    logits, truth = [], []
    for of in cases:
        inside = np.flatnonzero((of.case.pixels > 0).any(0))[::THINNED]
        logits.append(model.predict(of.case).logits.reshape(len(LABELS), -1)[:, inside].T)
        truth.append(of.lesion.ravel()[inside])
    return np.concatenate(logits), np.concatenate(truth)


def _measured(card: Card, module: nn.Module, cases: Sequence[LesionCase]) -> dict[str, Any]:
    rows = asked(card, module, cases)
    names = np.asarray([row["case"] for row in rows])
    found = {key: np.asarray([row[key] for row in rows]) for key in ("dice", "found_ml", "lesion_ml")}
    is_small = found["lesion_ml"] < SMALL_ML
    dices = {"dice": found["dice"]}
    for key, (_, modality, rule) in CONTROLS.items():
        place = MODALITIES.index(modality)
        dices[f"dice_{key}"] = np.asarray(
            [dice_of(rule(of.case.pixels[place]) & (of.case.pixels[0] > 0), of.lesion) for of in cases]
        )
    metrics: dict[str, Any] = {key: _mean(values, names) for key, values in dices.items()}
    metrics["error_ml"] = _mean(np.abs(found["found_ml"] - found["lesion_ml"]), names)
    for key, chosen in (("dice_small", is_small), ("dice_large", ~is_small)):
        if chosen.any():
            metrics[key] = _mean(found["dice"][chosen], names[chosen])
    metrics["lesions_ml"] = [round(float(end), 1) for end in (found["lesion_ml"].min(), found["lesion_ml"].max())]
    logits, truth = _voxels(card, module, cases)
    share = torch.from_numpy(logits / card.temperatures[LABELS[-1]]).softmax(1)[:, -1].numpy()
    metrics["ece"] = round(calibration_error(truth, share), 4)
    return metrics


def _mean(values: NDArray[Any], names: NDArray[Any]) -> dict[str, Any]:
    """A mean over phantoms with its 95 % interval (bootstrap over phantoms)."""
    told = measured(lambda rows: float(values[rows].mean()), names)
    return {"value": told["value"], "interval": told["interval"], "phantoms": told["patients"]}


def _text(card: Card, size: int, temperature: float, metrics: Mapping[str, Any], options: Mapping[str, Any]) -> str:
    rows = [["Outline by", "Dice (95 % interval)", "phantoms"]]
    titles = {
        "dice": "this network",
        "dice_small": f"this network, lesions below {SMALL_ML:.0f} ml",
        "dice_large": f"this network, lesions of {SMALL_ML:.0f} ml and more",
        **{f"dice_{key}": title for key, (title, _, _) in CONTROLS.items()},
    }
    rows += [
        [title, spelled(metrics[key]), str(metrics[key]["phantoms"])] for key, title in titles.items() if key in metrics
    ]
    least, greatest = metrics["lesions_ml"]
    return f"""# {card.name}: the stroke study's network, taught on phantoms

The 3-D U-Net of Tjoa et al. (arXiv 1911.08136; leaky ReLU, batch norm and ReLU at the end) on six perfusion maps, {" x ".join(map(str, card.input.size))};
{size / 1e6:.1f} MB in half precision. It has only seen phantoms: it is there so that `lrp-study-unet`, its filters and every other
explainer can be shown on the network they were made for, with a truth known to the voxel. For teaching and for trying methods;
**never for patients**. Not a medical device.

## How well it does

{rows_of(rows)}

Phantoms of seeds of their own, lesions of {least:g} to {greatest:g} ml, on each phantom's own grid through the same path as a person's files; the
lesion is core and penumbra. Volumes are off by {metrics["error_ml"]["value"]:.1f} ml on average. Intervals: bootstrap over phantoms.
The plain threshold on Tmax is no worse: the phantoms' lesion is where Tmax is above 6 s, but for noise and partial volume, and the network
sees a coarser grid. Diffusion alone shows the core and misses the penumbra.

Probabilities: softmax of logits divided by {temperature:g}, fitted on {options["validation"]} other phantoms; expected calibration error {metrics["ece"]:.3f} over voxels of
the brain.

## What it may have learned wrongly

- Everything. Phantoms are one person's anatomy bent a little, with values drawn from tables (`xai_core/phantoms/perfusion.py`
  names each source): a stroke of a real patient looks different, and what this network says of one means nothing.
- In phantoms the six maps are made from one another (MTT from rCBF and rCBV, TTP from Tmax), and Tmax alone would do; which of
  them the network uses is its choice, not a finding about stroke.
- Every phantom has one stroke, in one vessel's territory, and is healthy elsewhere: on a healthy brain it was never tried.
- Territories are schematic. Old infarcts, bleeding, narrowed arteries and movement are in no phantom.

## Made from

Recipe: `python -m xai_core train {card.name} --data .`, options {dict(options)}. Loss, optimiser and augmentation are ours
(`xai_core/training/lesion_network.py`).

Anatomy: tissue classes from patient 19 of Lesjak et al., *Neuroinformatics* 2017, doi 10.1007/s12021-017-9348-7 (CC BY). Sizes and
raggedness of lesions: figures measured on 24 outlines of the Stroke Outcome Optimization Project; no outline was copied.
"""
