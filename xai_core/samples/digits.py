"""Twenty packaged handwritten digits, two of each class, drawn from strokes of our own (scripts/make_digits.py): none is MNIST's.

They lie in one sheet, two rows of ten cells of 28 x 28, 0 to 9 from left to right.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from xai_core.case import Case
from xai_core.readers.digit import SIDE, digit_case

SHEET = Path(__file__).with_name("digits.png")
CREDIT = "Drawn by Lightbox (scripts/make_digits.py). Apache-2.0."


@dataclass(frozen=True)
class DigitSample:
    """A packaged digit: its ``label`` "0" to "9" and its ``case``."""

    name: str
    title: str
    label: str
    case: Case


@functools.cache
def digit_samples() -> dict[str, DigitSample]:
    """The packaged digits by name ("digit-7-b"), class by class."""
    cells = cv2.imread(str(SHEET), cv2.IMREAD_GRAYSCALE)
    assert cells is not None, f"{SHEET.name} is missing from the package"
    found = {}
    for digit in range(10):
        for row, way in enumerate("ab"):
            cell = np.asarray(cells[row * SIDE : (row + 1) * SIDE, digit * SIDE : (digit + 1) * SIDE], np.uint8)
            name, title = f"digit-{digit}-{way}", f"{digit}, {('first', 'second')[row]} hand"
            found[name] = DigitSample(name, title, str(digit), digit_case(title, cell, {"credit": CREDIT}))
    return found
