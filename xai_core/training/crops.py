"""Films cropped to their lung fields, as ``prepare`` would crop them, kept small in memory and on disk for classifiers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from xai_core.case import Region
from xai_core.models.card import InputSpec
from xai_core.models.outline import field_from
from xai_core.preprocess import grid_of, intensity_range, prepare
from xai_core.training.films import film_root, read_grey
from xai_core.training.loop import Journal
from xai_core.training.lungs_card import INPUT as LUNG_INPUT
from xai_core.training.lungs_card import film_case

STORED = 256
BATCH = 32


@dataclass(frozen=True)
class Crops:
    """``films`` (N, S, S) uint8 within the range the intensity recipe gives, ``lungs`` (N, S, S) uint8 (255 inside),
    ``is_found`` (N,) whether a field was found, row by row those of ``table``."""

    films: NDArray[np.uint8]
    lungs: NDArray[np.uint8]
    is_found: NDArray[np.bool_]
    table: pd.DataFrame


def read_crops(
    data: Path, table: pd.DataFrame, lungs: nn.Module, spec: InputSpec, journal: Journal, kept: Path
) -> Crops:
    """Find the field of every film of ``table``, crop and stretch it to one square; read from ``kept`` where it is there."""
    if kept.is_file():
        held = np.load(kept)
        if list(held["paths"]) == list(table["path"]):
            return Crops(held["films"], held["lungs"], held["is_found"], table)
    root = film_root(data)
    stored = InputSpec(size=(STORED, STORED), intensity=spec.intensity, crop=spec.crop, margin=spec.margin)
    films = np.zeros((len(table), STORED, STORED), np.uint8)
    fields = np.zeros_like(films)
    is_found = np.zeros(len(table), bool)
    paths = list(table["path"])
    lungs = lungs.to(memory_format=torch.channels_last)
    for start in range(0, len(paths), BATCH):
        images = [read_grey(root / path) for path in paths[start : start + BATCH]]
        prepared = [prepare(film_case(image), LUNG_INPUT, None) for image in images]
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            logits = lungs(torch.cat([p.tensor for p in prepared])).float().numpy()[:, 0]
        for row, (image, given, found) in enumerate(zip(images, prepared, logits, strict=True), start):
            field = field_from(found, given.grid)
            films[row], fields[row] = cropped(image, field, stored)
            is_found[row] = field is not None
        if start % 512 == 0:
            journal.write(0.0, f"lung fields of {start} of {len(paths)} films")
    kept.parent.mkdir(parents=True, exist_ok=True)
    np.savez(kept, films=films, lungs=fields, is_found=is_found, paths=table["path"].to_numpy(str))
    return Crops(films, fields, is_found, table)


def cropped(
    image: NDArray[np.uint8], field: Region | None, spec: InputSpec
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """One film and its field on the crop's grid, grey values brought to 0..255 by the intensity recipe."""
    grid = grid_of(image.shape, spec, field)
    sample = grid.to_input(image[None])
    low, high = intensity_range(sample, grid, spec, field)
    shares = np.clip((sample[0] - low) / max(high - low, 1e-3), 0, 1)
    inside = np.zeros(sample.shape[1:]) if field is None else grid.to_input(field.mask[None].astype(np.float32))[0]
    return np.round(255 * shares).astype(np.uint8), np.round(255 * inside).astype(np.uint8)
