"""A page with the viewer alone: a made-up 16-bit film and maps of different kinds, in a moment and without a model.

``streamlit run tests/browser/stage.py``, then ``?maps=9&side=1024&spacing=1``. Benchmarks and tests of the viewer's
own hands use it; what a reader really sees is tested on the landing page.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import numpy as np
import streamlit as st
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from components import viewer
from xai_core.case import Case, Geometry, Window, digest_of


@cache
def film(side: int, spacing: float) -> Case:
    """Blurred noise of 12 bits over a slope, so that every grey and every place looks different."""
    noise = np.random.default_rng(3).normal(size=(side // 32 + 1, side // 32 + 1))
    fine = np.kron(noise, np.ones((32, 32)))[:side, :side] + np.linspace(-2, 2, side)[:, None]
    pixels = np.clip(2048 + 500 * fine, 0, 4095).astype(np.uint16)[None]
    facts = {"windows": (Window("whole", 2048, 4096), Window("narrow", 2048, 800)), "bits": 12, "modality": "DX"}
    geometry = Geometry(spacing_mm=(spacing, spacing) if spacing else None, letters=("R", "L", "", ""))
    return Case("film", ("grey",), pixels, geometry, facts, digest_of(pixels, "film"))


@cache
def relevance(side: int, number: int) -> NDArray[np.float32]:
    """Dense relevance with a hot spot of its own; every third map on a coarse grid."""
    size = side if number % 3 else 32
    random = np.random.default_rng(100 + number)
    rows, columns = np.mgrid[:size, :size] / size
    centre = random.uniform(0.3, 0.7, 2)
    hot = np.exp(-((rows - centre[0]) ** 2 + (columns - centre[1]) ** 2) / 0.03)
    return np.asarray((hot - 0.2 + 0.2 * random.normal(size=(size, size))) * (number + 1), np.float32)


def pane(side: int, number: int) -> viewer.Pane:
    values = relevance(side, number)
    step = side / len(values)
    return viewer.Pane(
        id=f"map-{number}",
        title=f"Map {number}",
        lines=("target", "model"),
        map=values,
        grid_scale=(step, step),
        grid_offset=((step - 1) / 2, (step - 1) / 2),
        is_signed=True,
        unit="logit" if number < 4 else "none",
    )


st.set_page_config(layout="wide")
st.html(Path(viewer.__file__).parents[1] / "style.css")
asked = st.query_params
side = int(asked.get("side", 1024))
opened = film(side, float(asked.get("spacing", 0)))
viewer.show(opened, [pane(side, number) for number in range(int(asked.get("maps", 9)))], key="viewer")
