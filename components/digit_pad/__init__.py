"""A pad to draw a digit on: a small component of the browser that hands back 28 x 28 grey values when the pen is lifted.

What was drawn is laid as MNIST lays its digits: at most 20 pixels high and wide, its centre of mass in the middle
(LeCun et al. 1998, Proc. IEEE 86).
"""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

import cv2
import numpy as np
import streamlit as st
from numpy.typing import NDArray

from xai_core.case import Case
from xai_core.readers.digit import SIDE, digit_case

GRID = 112  # the pad's own pixels a side
BOX = 20
_HERE = Path(__file__).parent
_mount = st.components.v2.component(
    "lightbox_digit_pad",
    html='<canvas width="280" height="280" role="img" aria-label="Draw a digit here"></canvas><button type="button">Clear</button>',
    css=(_HERE / "pad.css").read_text("utf-8"),
    js=(_HERE / "pad.js").read_text("utf-8"),
)


def pad() -> Case | None:
    """Draw the pad; the digit on it as a case, or None while it is empty."""
    drawn = _mount(key="digit-pad", data={"grid": GRID}, default={"ink": ""}, on_ink_change=_nothing)
    ink = decoded(str(drawn.ink or ""))
    return None if ink is None else digit_case("Your digit", laid(ink))


def decoded(ink: str) -> NDArray[np.uint8] | None:
    """What the browser sent, (GRID, GRID) uint8; None where it is empty or no such picture."""
    try:
        content = base64.b64decode(ink, validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(content) != GRID * GRID or not any(content):
        return None
    return np.frombuffer(content, np.uint8).reshape(GRID, GRID)


def laid(ink: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Ink (n, n) uint8 as a cell (28, 28): scaled so that its longer side takes 20 pixels, its centre of mass in the middle."""
    rows, columns = np.nonzero(ink)
    scale = BOX / max(np.ptp(rows) + 1, np.ptp(columns) + 1)
    middle = [np.average(axis, weights=ink[rows, columns]) for axis in (columns, rows)]
    fine = 4
    size = fine * SIDE
    shift = [(size - 1) / 2 - fine * scale * place for place in middle]
    matrix = np.asarray([[fine * scale, 0, shift[0]], [0, fine * scale, shift[1]]])
    large = cv2.warpAffine(ink, matrix, (size, size), flags=cv2.INTER_LINEAR)
    return np.asarray(cv2.resize(large, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def _nothing() -> None:
    """A state of the component needs a listener to be kept; the page reads it from the result."""
