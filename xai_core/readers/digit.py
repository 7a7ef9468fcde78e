"""One handwritten digit as a case: a small square picture, white on black as MNIST's, or black on white and turned over.

A digit is no film: it is read only where a page or a script asks for one, never by ``read_case``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.case import Case
from xai_core.errors import ReadError
from xai_core.readers.film import film_case, grey_of
from xai_core.readers.raster import decode_raster
from xai_core.readers.registry import readers
from xai_core.readers.source import open_source

SIDE = 28
"""Pixels along both sides of MNIST's digits; others are resampled to it by the model's input."""
MOST_SIDE = 1024
TURNED = "Black on white: turned over, as the networks know white on black."


def read_digit(source: Any, *, name: str | None = None) -> Case:
    """The digit in ``source`` (a path, bytes or an open file of PNG, JPEG or WebP), a square of 28 to 1,024 pixels.

    Ink is taken to be the rarer tone: a bright rim means black on white, which the model sees turned over.
    Raises :class:`ReadError` where it is no such picture.
    """
    opened = open_source(source, name)
    if not readers()["raster"].recognises(opened):
        raise ReadError(f"{opened.title} is no PNG, JPEG or WebP picture.", "Save the digit as PNG.")
    raster = decode_raster(opened, film=False)
    grey, notes = grey_of(opened.title, raster.samples)
    pixels = np.asarray(np.rint(grey * (255.0 / _most(grey))), dtype=np.uint8)
    return digit_case(opened.title, pixels, {"notes": (*raster.notes, *notes)})


def digit_case(title: str, pixels: NDArray[np.uint8], facts: Mapping[str, Any] | None = None) -> Case:
    """A digit of ``pixels`` (side, side) uint8; raises :class:`ReadError` where they are no square of fitting size, or blank."""
    rows, columns = pixels.shape
    if rows != columns or not SIDE <= rows <= MOST_SIDE:
        raise ReadError(
            f"{title} is {columns} x {rows} pixels, and a digit is a square of {SIDE} to {MOST_SIDE:,}.",
            f"Crop it to a square around the digit; {SIDE} x {SIDE} is what the networks see.",
        )
    rim = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    is_dark_on_bright = float(rim.mean()) > 127.5
    given = {"photometric": "MONOCHROME1" if is_dark_on_bright else "MONOCHROME2", **(facts or {})}
    if is_dark_on_bright:
        given["notes"] = (*given.get("notes", ()), TURNED)
    case = film_case(title, pixels, given, sliver=False)
    return replace(case, channels=("digit",))


def _most(grey: NDArray[Any]) -> float:
    return float(np.iinfo(grey.dtype).max) if grey.dtype.kind in "iu" else float(grey.max()) or 1.0
