"""Where flow fails: core, penumbra and oligaemia of a closed vessel, shaped like real strokes.

Sizes: volumes of cores are log-normal as those of 24 acute lesions of the Stroke Outcome Optimization Project (OpenNeuro ds004889;
0.5 to 146 ml: mean of ln ml 1.85, standard deviation 1.62), cut to what is seen on thick slices. Shape: core lies deep in the
territory, away from the neighbours that still send blood, and is ragged on a scale chosen so that its surface is as much larger
than a ball's as that of those masks (middle 1.6, from 1.1 to 1.9). Penumbra: the target of reperfusion trials is a hypoperfused volume of at
least 1.8 cores (Albers et al., NEJM 2018;378:708).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from xai_core.phantoms.anatomy import Floats, smooth_field

LOG_ML_MEAN, LOG_ML_SD = 1.85, 1.62
LEAST_CORE_ML, MOST_CORE_ML = 4.0, 90.0
RATIO_MEDIAN, RATIO_SD, LEAST_RATIO, MOST_RATIO = 2.6, 0.35, 1.4, 6.0
"""Hypoperfused volume (core and penumbra) to core: log-normal."""
OLIGAEMIA_SHARE = (0.5, 1.2)
"""Volume of the oligaemia to that of core and penumbra."""
MOST_CORE_SHARE, MOST_LESION_SHARE = 0.4, 0.8
"""Of the territory, at most."""
# What makes flow fail early: depth in the territory, nearness to a focus, and chance on two scales.
DEPTH, FOCUS, COARSE, FINE = 0.6, 1.2, 0.5, 0.18
COARSE_MM, FINE_MM = 28.0, 9.0

NORMAL, OLIGAEMIA, PENUMBRA, CORE = range(4)
Mask = NDArray[np.bool_]
Steps = tuple[float, ...]


@dataclass(frozen=True)
class Stroke:
    """``zone`` (D, H, W) uint8 of the four above; ``severity`` (D, H, W) float32: within its zone, 0 at the mildest voxel and 1 at
    the worst."""

    zone: NDArray[np.uint8]
    severity: Floats


def stroke(territory: Mask, step_mm: Steps, dice: np.random.Generator) -> Stroke:
    """A stroke in ``territory`` (D, H, W) of voxels ``step_mm`` apart: its voxels in order of failing flow, cut at drawn volumes."""
    voxel_ml = float(np.prod(step_mm)) / 1000
    held = int(territory.sum())
    core_ml = float(np.clip(np.exp(dice.normal(LOG_ML_MEAN, LOG_ML_SD)), LEAST_CORE_ML, MOST_CORE_ML))
    core = min(core_ml / voxel_ml, MOST_CORE_SHARE * held)
    ratio = float(np.clip(RATIO_MEDIAN * np.exp(dice.normal(0, RATIO_SD)), LEAST_RATIO, MOST_RATIO))
    lesion = min(core * ratio, MOST_LESION_SHARE * held)
    failing = lesion * (1 + dice.uniform(*OLIGAEMIA_SHARE))
    order = np.argsort(-_risk(territory, step_mm, dice)[territory], kind="stable")
    edges = np.minimum(np.rint([0, core, lesion, failing]), held).astype(int)
    zones, severities = np.zeros(held, np.uint8), np.zeros(held, np.float32)
    for place, (first, last) in enumerate(itertools.pairwise(edges)):
        zones[order[first:last]] = CORE - place
        severities[order[first:last]] = np.linspace(1, 0, last - first)
    zone, severity = np.zeros(territory.shape, np.uint8), np.zeros(territory.shape, np.float32)
    zone[territory], severity[territory] = zones, severities
    return Stroke(zone, severity)


def _risk(territory: Mask, step_mm: Steps, dice: np.random.Generator) -> Floats:
    """How early flow fails at each voxel, without unit."""
    closed = ndimage.binary_closing(territory, iterations=2)
    depth = np.asarray(ndimage.distance_transform_edt(closed, sampling=step_mm), np.float32)
    depth /= max(float(depth.max()), 1e-6)
    inner = np.argwhere(territory & (depth > 0.3))
    focus = inner[dice.integers(len(inner))] if len(inner) else np.argwhere(territory)[0]
    apart_mm = [
        (np.arange(size) - middle) * step for size, middle, step in zip(territory.shape, focus, step_mm, strict=True)
    ]
    squared = sum(line.reshape([-1 if k == axis else 1 for k in range(3)]) ** 2 for axis, line in enumerate(apart_mm))
    radius_mm = (float(territory.sum()) * float(np.prod(step_mm)) * 3 / (4 * np.pi)) ** (1 / 3)
    risk = DEPTH * depth - FOCUS * np.sqrt(squared, dtype=np.float32) / max(radius_mm, 1e-6)
    for weight, length_mm in ((COARSE, COARSE_MM), (FINE, FINE_MM)):
        risk += weight * smooth_field(dice, territory.shape, step_mm, length_mm)
    return np.asarray(risk, np.float32)
