"""A page with the viewer alone: a made-up head of up to four modalities with maps and regions, in a moment and without a model.

``streamlit run tests/browser/stage_volume.py``, then ``?maps=3&layout=planes&plane=axial&focus=map-0&slices=40&side=160&picks=voxel``;
``&columns=136&modalities=4`` for a grid that is not square and for more modalities.
The head is stored with flipped, oblique and anisotropic axes, its lesion lies on the patient's left.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import xai_core as xc
from components import viewer
from xai_core.case import Case, Geometry, Region, Window, digest_of

FIELD_MM = (150.0, 220.0, 190.0)
NAMES = ("FLAIR", "T1", "T2", "T1ce")
Size = tuple[int, int, int, int]
LESION_MM = np.array([35.0, 15.0, 25.0])
TILT = np.deg2rad(8)


def affine_of(slices: int, rows: int, columns: int) -> NDArray[np.float64]:
    """Slices to the head, rows to the front and columns to the right, nodding by 8 degrees, about the field's middle."""
    steps = np.array([FIELD_MM[0] / slices, FIELD_MM[1] / rows, FIELD_MM[2] / columns])
    nod = np.array([[1, 0, 0], [0, np.cos(TILT), -np.sin(TILT)], [0, np.sin(TILT), np.cos(TILT)]])
    axes = nod @ np.array([[0, 0, -1.0], [0, -1.0, 0], [1.0, 0, 0]]) * steps
    found = np.eye(4)
    found[:3, :3] = axes
    found[:3, 3] = -axes @ (np.array([slices, rows, columns]) - 1) / 2
    return found


@cache
def head(slices: int, rows: int, columns: int, modalities: int) -> tuple[Case, NDArray[np.float64]]:
    """The case, and every sample's distance from the lesion's middle in mm."""
    affine = affine_of(slices, rows, columns)
    index = np.stack(np.meshgrid(np.arange(slices), np.arange(rows), np.arange(columns), indexing="ij"), axis=-1)
    place = index @ affine[:3, :3].T + affine[:3, 3]
    x, y, z = np.moveaxis(place, -1, 0)
    skull = np.sqrt((x / 72) ** 2 + (y / 92) ** 2 + (z / 70) ** 2)
    ventricles = np.sqrt(((np.abs(x) - 12) / 8) ** 2 + (y / 30) ** 2 + ((z - 8) / 14) ** 2)
    nose = (np.abs(x) < 6) & (y < -85) & (y > -104) & (np.abs(z + 20) < 12)
    folds = 60 * np.sin(x / 4) * np.sin(y / 5) * np.sin(z / 4)
    tissue = np.select([ventricles < 1, skull < 0.86, skull < 0.93], [150, 620 + folds, 260], 0) + 900 * (
        (skull >= 0.93) & (skull < 1)
    )
    away = np.linalg.norm(place - LESION_MM, axis=-1)
    noise = np.random.default_rng(5).normal(0, 18, tissue.shape)
    flair = np.clip(tissue + 700 * (nose) + 650 * (away < 14) + noise, 0, None)
    t1 = np.clip(1100 - 0.9 * tissue - 250 * (away < 14) + noise, 0, None) * ((skull < 1) | nose)
    t2 = np.where(ventricles < 1, 1300, flair)
    pixels = np.stack([flair, t1, t2, t1 + 500 * (np.abs(away - 12) < 3)][:modalities]).astype(np.uint16)
    windows = tuple(Window(name, 550, 1200) for name in NAMES[:modalities])
    facts = {"modality": "MR", "windows": windows, "simulated": True}
    return Case("volume", NAMES[:modalities], pixels, Geometry(affine=affine), facts, digest_of(pixels, "volume")), away


@cache
def relevance(size: Size, number: int) -> NDArray[np.float32]:
    """A map for each modality, hot around the lesion."""
    case, away = head(*size)
    random = np.random.default_rng(100 + number)
    hot = np.exp(-((away / (14 + 4 * number)) ** 2))
    noise = 0.12 * random.normal(size=away.shape)
    parts = [weight * hot - less + noise for weight, less in ((1.0, 0.0), (0.4, 0.2), (0.7, 0.0), (0.2, 0.0))]
    return np.asarray(np.stack(parts[: size[3]]) * (case.pixels > 0), np.float32)


def pane(size: Size, number: int) -> viewer.Pane:
    grid: dict[str, Any] = {"grid_scale": (1.0, 1.0, 1.0), "grid_offset": (0.0, 0.0, 0.0)}
    values = relevance(size, number)
    return viewer.Pane(id=f"map-{number}", title=f"Map {number}", lines=("lesion",), map=values, unit="logit", **grid)


@cache
def regions(size: Size) -> tuple[Region, Region]:
    _, away = head(*size)
    shifted = np.roll(away, 3, axis=2)
    return Region(shifted < 12, "prediction"), Region(away < 14, "truth")


st.set_page_config(layout="wide")
st.html(Path(viewer.__file__).parents[1] / "style.css")
asked = st.query_params
rows = int(asked.get("side", 160))
size = int(asked.get("slices", 40)), rows, int(asked.get("columns", rows)), int(asked.get("modalities", 2))
start = {name: asked[name] for name in ("plane", "layout", "focus") if name in asked}
events = viewer.show(
    head(*size)[0],
    [pane(size, number) for number in range(int(asked.get("maps", 3)))],
    key="viewer",
    settings={"volume": start, "picks": asked.get_all("picks")},
    contours=regions(size),
)
if asked.get_all("picks"):
    told = st.session_state.setdefault("told", [])
    told.extend(event for event in (events.voxel, events.box) if event is not None)
    regions_told = [xc.read_region(event.boxes, head(*size)[0]) for event in told if event.boxes]
    st.text("told: " + " ".join(str(int(region.mask.sum())) for region in regions_told))
    st.button("Again")
