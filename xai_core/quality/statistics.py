"""What the training films look like to ``cxr-lungs``, kept as a few small arrays, and how far a film lies from them.

The deepest maps of the lung network (channels x 6 x 6), pooled to 3 x 3, are standardised and brought to the first principal axes of
the upright films. There each of two groups (children, adults) is one Gaussian with a shrunk covariance, and how much of a
film its axes leave out counts beside it (a distance as of Lee et al. 2018, arXiv 1807.03888, on pooled features). Films turned and
turned over on purpose give one mean for each way a film can lie, with one covariance for all (linear discriminants).
``weights/film-quality.safetensors`` holds the arrays, ``weights/quality.toml`` its digest, the network it goes with, and figures.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load

from xai_core.errors import ModelError
from xai_core.models.places import SHELF
from xai_core.models.shelf import toml_of

Array = NDArray[np.float32]
NAME = "film-quality"
MANIFEST = "quality.toml"
GROUPS = ("children", "adults")
TURNS = ("upright", "a quarter", "upside down")
POSES = tuple((turn, is_inverted) for turn in TURNS for is_inverted in (False, True))
"""(how a film is turned, whether its greys are turned over), in the order of ``Statistics.pose_means``."""
POOLED = 3


@dataclass(frozen=True)
class Judged:
    """``distance``: from the nearer group, 1 where its stated share of known films lies further out; ``is_far``: beyond the second,
    much rarer limit; ``child``: probability of the children's group against the adults'; ``pose``: the likeliest of
    ``POSES``, with its ``pose_share`` (0..1), and ``is_posed``: as near to films of that pose as such films are."""

    distance: float
    is_far: bool
    child: float
    pose: tuple[str, bool]
    pose_share: float
    is_posed: bool


@dataclass(frozen=True)
class Statistics:
    """Arrays over features (F,) and axes (D,); G = 2 groups, P = 6 poses, M pixel measures.

    ``mean``, ``scale`` (F,); ``axes`` (D, F); ``group_means`` (G, D), ``group_precisions`` (G, D, D), ``group_residuals`` (G, 2): mean and
    standard deviation of the logarithm of what the axes leave out; ``group_limits`` (G, 2): distances; ``age_weights`` (D + 1,):
    logit of the children's group, the constant last; ``pose_means`` (P, D), ``pose_precision`` (D, D), ``pose_limit`` (1,);
    ``pixel_limits`` (M, 2): least and greatest value of each of ``pixels.MEASURES``.
    """

    mean: Array
    scale: Array
    axes: Array
    group_means: Array
    group_precisions: Array
    group_residuals: Array
    group_limits: Array
    age_weights: Array
    pose_means: Array
    pose_precision: Array
    pose_limit: Array
    pixel_limits: Array

    def judged(self, deep: NDArray[np.floating[Any]]) -> Judged:
        """Judge a film by its deepest maps (channels, rows, columns)."""
        place, left_out = self.placed(pooled(deep)[None])
        apart = self.distances(place, left_out)[0]
        logit = float(place[0] @ self.age_weights[:-1] + self.age_weights[-1])
        ways = squared_distances(place, self.pose_means, self.pose_precision)[0]
        shares = np.exp(-0.5 * (ways - ways.min()))
        pose = int(ways.argmin())
        return Judged(
            distance=float((apart / self.group_limits[:, 0]).min()),
            is_far=bool((apart > self.group_limits[:, 1]).all()),
            child=float(1 / (1 + np.exp(-np.clip(logit, -50, 50)))),
            pose=POSES[pose],
            pose_share=float(shares[pose] / shares.sum()),
            is_posed=bool(np.sqrt(ways[pose]) <= self.pose_limit[0]),
        )

    def placed(self, features: NDArray[np.floating[Any]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Features (N, F) on the axes (N, D), and the logarithm of what the axes leave out (N,)."""
        held = (features.astype(np.float64) - self.mean) / self.scale
        axes = self.axes.astype(np.float64)
        place = held @ axes.T
        apart = np.sqrt(((held - place @ axes) ** 2).mean(axis=1))
        return place, np.log(np.maximum(apart, 1e-6))

    def distances(self, place: NDArray[np.float64], left_out: NDArray[np.float64]) -> NDArray[np.float64]:
        """Distance of each film from each group, (N, G); what the axes leave out counts as two axes would, and only where it is
        more than usual."""
        found = []
        for mean, precision, (usual, spread) in zip(
            self.group_means, self.group_precisions, self.group_residuals, strict=True
        ):
            beyond = np.maximum(0.0, (left_out - usual) / spread)
            found.append(np.sqrt(squared_distances(place, mean[None], precision)[:, 0] + 2 * beyond**2))
        return np.stack(found, axis=1)


def pooled(deep: NDArray[np.floating[Any]]) -> Array:
    """Maps (channels, rows, columns) as (channels * 9,): means over a grid of 3 x 3."""
    channels, rows, columns = deep.shape
    parts = deep.reshape(channels, POOLED, rows // POOLED, POOLED, columns // POOLED)
    return np.asarray(parts.mean(axis=(2, 4)).reshape(-1), dtype=np.float32)


def squared_distances(
    place: NDArray[np.float64], means: NDArray[np.floating[Any]], precision: NDArray[np.floating[Any]]
) -> NDArray[np.float64]:
    """Squared Mahalanobis distances of (N, D) from means (K, D): (N, K)."""
    apart = place[:, None] - means[None].astype(np.float64)
    return np.asarray(np.einsum("nki,ij,nkj->nk", apart, precision.astype(np.float64), apart))


def statistics_for(weights_digest: str, shelf: Path = SHELF) -> Statistics | None:
    """The shipped statistics where they were taken with the lung network of this digest, else None; raises
    :class:`ModelError` where their file is absent, damaged or changed."""
    table = quality_table(shelf)
    if not table or table["serves"]["sha256"] != weights_digest:
        return None
    return _read(shelf, str(table["sha256"]))


def quality_table(shelf: Path = SHELF) -> dict[str, Any]:
    """Digest, metrics and the network served, as ``weights/quality.toml`` has them; empty where there is none."""
    path = shelf / MANIFEST
    return dict(toml_of(path)[NAME]) if path.is_file() else {}


@functools.cache
def _read(shelf: Path, digest: str) -> Statistics:
    path = shelf / f"{NAME}.safetensors"
    content = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(content).hexdigest() != digest:
        raise ModelError(
            f"The statistics of known films ({path.name}) are absent or not the ones that {MANIFEST} describes.",
            "Fetch the weights folder again.",
        )
    arrays = load(content)
    return Statistics(**{field.name: arrays[field.name].astype(np.float32) for field in fields(Statistics)})
