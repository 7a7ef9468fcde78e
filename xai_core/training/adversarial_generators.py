"""The recipe of ``adversarial-generators``: two generators that keep and turn the Pneumonia of ``cxr-resnet18``.

After Charachon et al. 2020 (arXiv 2012.07332). The classifier is frozen. g_similar(x) has to keep its logit, g_adversarial(x)
to bring it to the other side of the card's threshold; g_similar(x) stays near x, and the two near each other, by the mean
absolute difference and the total variation. Between generator and classifier the films are turned, stretched, moved and made
noisy, all three alike: a change that works only where single pixels lie does not pay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from xai_core.models.generators import GeneratorPair
from xai_core.models.shelf import furnished, shelved
from xai_core.training import Option, Progress, chosen, recipe
from xai_core.training.classroom import INPUT
from xai_core.training.crops import Crops, read_crops
from xai_core.training.film_batches import placed, plain_images, softened_crops
from xai_core.training.films import films_table
from xai_core.training.generators_card import LABEL, MODEL, NAME, publish
from xai_core.training.judge import judge_of, outcome
from xai_core.training.loop import Batch, Journal, Plan, fit
from xai_core.training.targets import LABELS, targets_of

BEYOND = 1.0
"""How far beyond the threshold, in calibrated logits, an adversarial film has to come."""


OPTIONS = (
    Option("small", 3, "epochs at the small size"),
    Option("large", 5, "epochs at 224 pixels, after them"),
    Option("size", 128, "the small size, pixels"),
    Option("films", 1600, "films an epoch, half of them with pneumonia"),
    Option("batch", 8, "films a step"),
    Option("near", 20.0, "weight of the mean absolute difference between the two films"),
    Option("smooth", 40.0, "weight of the total variation of that difference"),
    Option("learning_rate", 2e-3, "at the peak, at the small size"),
    Option("large_rate", 1e-3, "at the peak, at 224 pixels"),
    Option("classifier", MODEL, "shelved model to explain"),
)


@recipe(NAME, f"Similar and adversarial films for {LABEL} of {MODEL} (two U-Nets)", OPTIONS)
def run(
    data: Path, out: Path, *, seed: int = 0, resume: bool = False, progress: Progress | None = None, **options: Any
) -> Path:
    """Train, measure on held-out patients and write weights, their table and card into ``out``."""
    options = chosen(OPTIONS, options)
    small, batch = options["small"], options["batch"]
    journal = Journal(out, progress)
    card, weights = shelved(options["classifier"])
    judge, digest = judge_of(card, weights, LABEL)
    crops = trainable_crops(data, out, journal)
    train, held = rows_by_label(crops, "train"), np.concatenate(rows_by_label(crops, "val", most=32))
    share = min(options["films"] // 2, *(len(rows) for rows in train))

    def loss_of(module: nn.Module, drawn: Batch) -> Tensor:
        return pair_loss(module, drawn, judge, options["near"], options["smooth"])

    def validate(module: nn.Module, epoch: int) -> str:
        found = outcome(module, judge, plain_images(crops.films[held], crops.lungs[held], INPUT.size[0]))
        return (
            f"validation: turned {found.turned.mean():.2f}, kept {found.kept.mean():.2f}, "
            f"similar - film {found.moved.mean():.4f}, adversarial - similar {found.apart.mean():.4f}"
        )

    torch.manual_seed(seed)
    pair: nn.Module = GeneratorPair()
    stages = (
        (NAME, small, options["size"], options["learning_rate"]),
        (f"{NAME}-large", options["large"], INPUT.size[0], options["large_rate"]),
    )
    for stage, (name, epochs, pixels, rate) in enumerate(stages):

        def batches_of(epoch: int, stage: int = stage, pixels: int = pixels) -> Iterator[Batch]:
            dice = np.random.default_rng((seed, stage * small + epoch))
            drawn = np.concatenate([dice.permutation(rows)[:share] for rows in train])
            return film_batches(crops, dice.permutation(drawn), pixels, batch, dice)

        plan = Plan(epochs, 2 * share // batch, rate, weight_decay=0.0, average=0.99, seed=seed)
        pair = fit(pair, plan, batches_of, loss_of, out, journal, resume=resume, validate=validate, name=name)
    return publish(pair, judge, crops, card, digest, data, out, journal, {"seed": seed, **options})


def trainable_crops(data: Path, out: Path, journal: Journal) -> Crops:
    """Lung crops, at one sharpness, of all films that may train shipped weights."""
    table = films_table(data)
    table = table[table["trainable"]].reset_index(drop=True)
    lungs, _ = furnished(*shelved("cxr-lungs"))
    crops = read_crops(data, table, lungs, INPUT, journal, out / "crops.npz")
    return replace(crops, films=softened_crops(crops, INPUT.blur, INPUT.size[0]))


def rows_by_label(crops: Crops, part: str, most: int | None = None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of one part with and without pneumonia (words mined from reports count), ``most`` of each, evenly spread."""
    targets, weights = targets_of(crops.table)
    column = LABELS.index(LABEL)
    is_part = (crops.table["part"] == part).to_numpy()
    is_ill = (targets[:, column] > 0.5) & (weights[:, column] > 0)
    with_it, without = np.flatnonzero(is_part & is_ill), np.flatnonzero(is_part & ~is_ill)
    return _spread(with_it, most), _spread(without, most)


def film_batches(
    crops: Crops, rows: NDArray[np.int64], size: int, batch: int, dice: np.random.Generator
) -> Iterator[Batch]:
    """Films turned, stretched and moved at random, (N, 1, size, size) in [0, 1], and how to jitter them for the judge."""
    for start in range(0, len(rows) - batch + 1, batch):
        drawn = [placed(crops.films[row], crops.lungs[row], size, dice)[0] for row in rows[start : start + batch]]
        images = torch.from_numpy(np.stack(drawn))[:, None].contiguous(memory_format=torch.channels_last)
        angle, zoom, shift = dice.normal(0, 0.06, batch), dice.normal(0, 0.04, batch), dice.normal(0, 0.04, (batch, 2))
        turn = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], 1).reshape(batch, 2, 2)
        moves = np.concatenate([turn * np.exp(zoom)[:, None, None], shift[:, :, None]], 2)
        noise = dice.normal(0, 0.01, images.shape)
        yield {
            "image": images,
            "move": torch.from_numpy(moves.astype(np.float32)),
            "noise": torch.from_numpy(noise.astype(np.float32)),
        }


def pair_loss(module: nn.Module, batch: Batch, judge: Callable[[Tensor], Tensor], near: float, smooth: float) -> Tensor:
    """What keeping and turning the class lack, and how far the films are from each other."""
    image = batch["image"]
    grid = F.affine_grid(batch["move"], list(image.shape), align_corners=False)

    def jittered(films: Tensor) -> Tensor:
        moved = F.grid_sample(films, grid, padding_mode="reflection", align_corners=False)
        return moved + batch["noise"]

    with torch.no_grad():
        said = judge(jittered(image))
    similar, adversarial = module(image)
    kept = F.smooth_l1_loss(judge(jittered(similar)), said)
    turned = F.relu(BEYOND + said.sign() * judge(jittered(adversarial))).mean()
    apart = adversarial - similar
    variation = apart.diff(dim=2).abs().mean() + apart.diff(dim=3).abs().mean()
    distance = (similar - image).abs().mean() + apart.abs().mean()
    total: Tensor = kept + turned + near * distance + smooth * variation
    return total


def _spread(rows: NDArray[np.int64], most: int | None) -> NDArray[np.int64]:
    if most is None or len(rows) <= most:
        return rows
    chosen: NDArray[np.int64] = rows[np.linspace(0, len(rows) - 1, most).astype(int)]
    return chosen
