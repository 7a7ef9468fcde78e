"""The films a recipe learns from: tables, patients kept apart, pixels read once. Layout as ``films.csv`` of the data folder.

A patient belongs to one part for good: the official test part of a source where there is one, else a part drawn from
a hash of the patient's name, so that every recipe and every run hold out the same people.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xai_core.errors import ReadError


def films_table(data: Path) -> pd.DataFrame:
    """``films.csv`` with the readers' classes (``rsna_class``), ``trainable`` (bool) and ``part``: train, val or test."""
    root = film_root(data)
    films = pd.read_csv(root / "films.csv", dtype=str).fillna("")
    readers = pd.read_csv(root / "nih_readers.csv", dtype=str).fillna("")
    films = films.merge(readers[["path", "rsna_class"]], on="path", how="left").fillna("")
    films["trainable"] = films["train_ok"] == "yes"
    films["part"] = parts(films)
    return films


def film_root(data: Path) -> Path:
    """The folder that holds ``films.csv``: ``data`` itself or its ``cxr``; raises :class:`ReadError`."""
    for folder in (data, data / "cxr"):
        if (folder / "films.csv").is_file():
            return folder
    raise ReadError(f"No films.csv lies in '{data}'.", "Give the folder of the chest films with --data.")


def draw(name: str) -> float:
    """A number in [0, 1) that belongs to a patient's name for good."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) / 2**32


def hash_fold(name: str, folds: int) -> int:
    """The fold of a patient, for good."""
    return sum(name.encode()) % folds


def parts(films: pd.DataFrame) -> list[str]:
    """The part of each film. Kermany: its official test part, and 8 % of the other patients to validate. NIH: 40 % of the
    patients whom RSNA's readers saw as Normal or Lung Opacity, 15 % of the others to test; 8 % of the rest to validate.
    Sources that may not train shipped weights: test. COVID films: 25 % of the patients test, 8 % validate."""
    patient = films["source"] + "/" + films["patient"]
    read = films["rsna_class"].isin(["Normal", "Lung Opacity"]).groupby(patient).transform("any")
    named = []
    for source, split, ok, was_read, name in zip(
        films["source"], films["split"], films["trainable"], read, patient, strict=True
    ):
        place = draw(name)
        if source == "kermany":
            held = 1.0 if split == "test" else 0.0
        elif source == "nih":
            held = 0.40 if was_read else 0.15
        else:
            held = 0.25 if ok else 1.0
        named.append("test" if place < held else "val" if place < held + 0.08 else "train")
    return named


def read_grey(path: Path) -> NDArray[np.uint8]:
    """One film or mask as (H, W) uint8; raises :class:`ReadError`."""
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise ReadError(f"The film '{path.name}' cannot be read.", "Fetch the data folder again.")
    return np.asarray(image, dtype=np.uint8)


def squared(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """A film shrunk or grown to fit and centred on a black square, as ``crop = "study"`` does."""
    height, width = image.shape
    scale = size / max(height, width)
    small = cv2.resize(
        image,
        (max(1, round(width * scale)), max(1, round(height * scale))),
        interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR,
    )
    canvas = np.zeros((size, size), dtype=np.uint8)
    top, left = (size - small.shape[0]) // 2, (size - small.shape[1]) // 2
    canvas[top : top + small.shape[0], left : left + small.shape[1]] = small
    return canvas
