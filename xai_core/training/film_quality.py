"""The recipe of ``film-quality``: what the films that teach the models look like to ``cxr-lungs``, as a few arrays.

Only films that may train shipped weights are read. They give two Gaussians (children, adults); turned and turned over on purpose they give
the ways a film can lie wrong. Limits of distances come from five folds of patients, so that no film sets its own limit.
No network is trained.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from xai_core.models.architectures import LungUNet
from xai_core.models.model import LUNGS
from xai_core.models.outline import outline_of
from xai_core.models.shelf import furnished, shelved
from xai_core.preprocess import prepare
from xai_core.quality.pixels import MEASURES, pixels_of
from xai_core.quality.statistics import GROUPS, NAME, POSES, Array, Statistics, pooled, squared_distances
from xai_core.training import Option, Progress, chosen, recipe
from xai_core.training.film_poses import reader
from xai_core.training.film_quality_card import publish
from xai_core.training.films import draw, film_root, films_table, read_grey
from xai_core.training.loop import Journal
from xai_core.training.lungs_card import INPUT, film_case

Floats = NDArray[np.float64]
BATCH = 16
FOLDS = 5
OUTSIDE = (0.02, 0.002)
"""Share of known films beyond the first limit of distance (unusual) and the second (far)."""
CUT = 0.01
"""Share of known films beyond the limit of each pixel measure, on each side."""
LEAST_CLIPPED = 0.02
"""Share of samples at an end that is never called clipped, whatever the known films have."""
SHRINKAGE = 0.05
BETWEEN = (6.0, 18.0)
"""Ages that belong to neither group."""


@dataclass(frozen=True)
class Films:
    """Features (N, F), group (N,) of ``GROUPS``, pose (N,) of ``POSES``, fold (N,) of a patient, whether the age is that of the group."""

    features: Array
    group: NDArray[np.int64]
    pose: NDArray[np.int64]
    fold: NDArray[np.int64]
    is_of_age: NDArray[np.bool_]

    def rows(self, chosen: NDArray[Any]) -> Films:
        """The films that a mask or indices choose."""
        return Films(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))


OPTIONS = (
    Option("children", 1400, "films of children, of all there are"),
    Option("turned", 1500, "films turned and turned over"),
    Option("measured", 300, "films of each group whose pixels are measured"),
    Option("judged", 150, "held-out films of each source that are judged for the card"),
    Option("axes", 64, "principal axes that are kept"),
)


@recipe(NAME, "What known chest films look like (statistics, no network)", OPTIONS)
def run(
    data: Path, out: Path, *, seed: int = 0, resume: bool = False, progress: Progress | None = None, **options: Any
) -> Path:
    """Take the statistics, measure them on held-out people and on what is no chest film, and write them with their card."""
    options = chosen(OPTIONS, options)
    torch.manual_seed(seed)
    dice = np.random.default_rng(seed)
    journal = Journal(out, progress)
    module, digest = furnished(*shelved(LUNGS))
    assert isinstance(module, LungUNet)
    root, table = film_root(data), known_films(data, options["children"], dice)
    journal.write(0.0, f"{len(table)} films of {table['patient'].nunique()} patients")
    files = [root / path for path in table["path"]]
    upright = films_of(
        table, features_of(module, [reader(file, 0) for file in files], journal), np.zeros(len(table), np.int64)
    )
    rows = dice.permutation(len(table))[: options["turned"]]
    poses = dice.integers(1, len(POSES), len(rows))
    variants = [reader(files[row], int(pose), int(dice.integers(4))) for row, pose in zip(rows, poses, strict=True)]
    wrong = films_of(table.iloc[rows], features_of(module, variants, journal), poses)
    statistics = with_limits(upright, wrong, options["axes"])
    limits = pixel_limits(module, table, root, options["measured"], dice)
    journal.write(
        0.5,
        "limits of "
        + ", ".join(f"{name} {low:.3g} to {high:.3g}" for name, (low, high) in zip(MEASURES, limits, strict=True)),
    )
    statistics = replace(statistics, pixel_limits=limits)
    return publish(statistics, module, digest, data, out, journal, {"seed": seed, **options})


def known_films(data: Path, children: int, dice: np.random.Generator) -> pd.DataFrame:
    """Upright frontal films that may train, of patients who are not held out for tests; so many of children's."""
    table = films_table(data)
    table = table[table["trainable"] & (table["part"] != "test") & (table["view"] != "lateral")]
    young = table["source"] == "kermany"
    kept = dice.permutation(np.flatnonzero(young))[:children]
    return table.iloc[np.sort(np.concatenate([kept, np.flatnonzero(~young)]))].reset_index(drop=True)


def features_of(module: LungUNet, films: Sequence[Callable[[], NDArray[np.uint8]]], journal: Journal) -> Array:
    """Pooled deepest maps of films (N, F)."""
    found = []
    for start in range(0, len(films), BATCH):
        tensors = [prepare(film_case(read()), INPUT, None).tensor for read in films[start : start + BATCH]]
        with torch.inference_mode():
            deepest = module.encoded(torch.cat(tensors))[-1].numpy()
        found += [pooled(maps) for maps in deepest]
        if start % (50 * BATCH) == 0:
            journal.write(0.4 * start / len(films), f"features of {start} of {len(films)} films")
    return np.stack(found)


def films_of(table: pd.DataFrame, features: Array, pose: NDArray[np.int64]) -> Films:
    """The films of a table with their features."""
    age = pd.to_numeric(table["age"], errors="coerce").to_numpy()
    is_grown = (table["source"] != "kermany").to_numpy()
    patients = table["source"] + "/" + table["patient"]
    return Films(
        features,
        is_grown.astype(np.int64),
        np.asarray(pose, np.int64),
        np.asarray([int(FOLDS * draw(f"fold/{name}")) for name in patients]),
        ~(is_grown & (age < BETWEEN[1])),
    )


def with_limits(upright: Films, wrong: Films, axes: int) -> Statistics:
    """Statistics of all films, with limits from folds of patients."""
    apart = np.zeros(len(upright.group))
    posed = np.zeros(len(wrong.pose))
    for fold in range(FOLDS):
        held, turned = upright.fold == fold, wrong.fold == fold
        part = fitted(upright.rows(~held), wrong.rows(~turned), axes)
        place, left_out = part.placed(upright.features[held])
        apart[held] = np.take_along_axis(part.distances(place, left_out), upright.group[held][:, None], 1)[:, 0]
        ways = squared_distances(part.placed(wrong.features[turned])[0], part.pose_means, part.pose_precision)
        posed[turned] = np.sqrt(np.take_along_axis(ways, wrong.pose[turned][:, None], 1)[:, 0])
    limits = [np.quantile(apart[upright.group == group], 1 - np.asarray(OUTSIDE)) for group in range(len(GROUPS))]
    return replace(
        fitted(upright, wrong, axes),
        group_limits=np.asarray(limits, np.float32),
        pose_limit=np.asarray([np.quantile(posed, 1 - OUTSIDE[0])], np.float32),
    )


def fitted(upright: Films, wrong: Films, axes: int) -> Statistics:
    """Axes, groups and poses; both groups count alike, however many films they have. Limits are left at nothing."""
    features = upright.features.astype(np.float64)
    weight = 1.0 / np.bincount(upright.group, minlength=len(GROUPS))[upright.group]
    weight *= len(weight) / weight.sum()
    mean = np.average(features, axis=0, weights=weight)
    scale = np.sqrt(np.average((features - mean) ** 2, axis=0, weights=weight)) + 1e-3
    held = (features - mean) / scale * np.sqrt(weight)[:, None]
    _, turned = np.linalg.eigh(held.T @ held)
    principal = turned[:, ::-1][:, :axes].T.astype(np.float16)
    empty = np.zeros(0, np.float32)
    made = Statistics(
        *(np.asarray(a, np.float32) for a in (mean, scale, principal)), *([empty] * 9)  # rounded as they are kept
    )  # fmt: skip
    place, left_out = made.placed(upright.features)
    members = [upright.group == group for group in range(len(GROUPS))]
    spreads = [shrunk(np.cov(place[rows].T)) for rows in members]
    means = np.stack([place[rows].mean(0) for rows in members])
    others = made.placed(wrong.features)[0]
    everything, poses = np.concatenate([place, others]), np.concatenate([upright.pose, wrong.pose])
    pose_means = np.stack([everything[poses == pose].mean(0) for pose in range(len(POSES))])
    within = everything - pose_means[poses]
    counts = 1.0 / np.bincount(poses, minlength=len(POSES))[poses]
    return replace(
        made,
        group_means=_kept(means),
        group_precisions=_kept(np.stack([np.linalg.inv(spread) for spread in spreads])),
        group_residuals=_kept(np.stack([[left_out[rows].mean(), left_out[rows].std()] for rows in members])),
        age_weights=_kept(discriminant(place[upright.is_of_age], upright.group[upright.is_of_age])),
        pose_means=_kept(pose_means),
        pose_precision=_kept(np.linalg.inv(shrunk((within * counts[:, None]).T @ within / counts.sum()))),
    )


def shrunk(spread: Floats) -> Floats:
    """A covariance shrunk towards a multiple of the identity."""
    return np.asarray((1 - SHRINKAGE) * spread + SHRINKAGE * np.trace(spread) / len(spread) * np.eye(len(spread)))


def discriminant(place: Floats, group: NDArray[np.int64]) -> Floats:
    """Weights and constant of the linear discriminant (Fisher) of the first group against the second, equal priors."""
    first, second = place[group == 0], place[group == 1]
    within = shrunk((np.cov(first.T) + np.cov(second.T)) / 2)
    weights = np.linalg.solve(within, first.mean(0) - second.mean(0))
    return np.asarray(np.append(weights, -weights @ (first.mean(0) + second.mean(0)) / 2), np.float64)


def pixel_limits(module: LungUNet, table: pd.DataFrame, root: Path, most: int, dice: np.random.Generator) -> Array:
    """Least and greatest value of each pixel measure (M, 2): the more lenient of the two groups' quantiles."""
    found = []
    is_grown = (table["source"] != "kermany").to_numpy()
    for rows in (np.flatnonzero(~is_grown), np.flatnonzero(is_grown)):
        measures = []
        for row in dice.permutation(rows)[:most]:
            case = film_case(read_grey(root / table["path"].iloc[row]))
            lungs = outline_of(prepare(case, INPUT, None), module).lungs
            seen = pixels_of(case, lungs)
            measures.append([getattr(seen, name) for name in MEASURES])
        found.append(np.quantile(np.asarray(measures), (CUT, 1 - CUT), axis=0))
    low, high = np.min([pair[0] for pair in found], axis=0), np.max([pair[1] for pair in found], axis=0)
    for name in ("dark", "bright"):
        high[MEASURES.index(name)] = max(high[MEASURES.index(name)], LEAST_CLIPPED)
    return _kept(np.stack([low, high], axis=1))


def _kept(array: NDArray[Any]) -> Array:
    return np.asarray(array, np.float32)
