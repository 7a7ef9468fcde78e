"""What is explained of a segmentation: where it is predicted, everything, a given region, a drawn box, or one voxel.

What the hand picks in the viewer is put into the same fields that the keyboard reaches. A region is made once and
kept, so that a rerun asks for nothing new.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import streamlit as st

from components.viewer import ViewerEvents
from xai_core.case import Case, Region
from xai_core.explain_region import voxel, whole_output

PREDICTED, WHOLE, GIVEN, BOX, VOXEL = (
    "Where it is predicted",
    "The whole output",
    "The given region",
    "A box",
    "One voxel",
)
WAY, PICKED, KEPT = "volume-where", "volume-picked", "volume-regions"
MOST_KEPT = 4
AXES = ("i", "j", "k")


def pick(events: ViewerEvents) -> bool:
    """Remember the voxel or the box that was picked in the viewer; whether there was one."""
    if events.voxel is not None:
        st.session_state[PICKED] = (VOXEL, (events.voxel.index,))
    elif events.box is not None and events.box.first is not None:
        st.session_state[PICKED] = (BOX, (events.box.first, events.box.last))
    else:
        return False
    return True


def choose(case: Case, truth: Region | None) -> Region | None:
    """Draw the choice; the region to explain, None for where the label is predicted."""
    state = st.session_state
    _take_picked(case)
    ways = [PREDICTED, WHOLE, *([GIVEN] if truth is not None else []), BOX, VOXEL]
    if state.get(WAY) not in ways:
        state[WAY] = PREDICTED
    way = st.selectbox(
        "What is explained",
        ways,
        key=WAY,
        persist_state="session",
        help="The logits of the chosen label are added up over this part of the volume. A voxel or a box can also be picked in the picture.",
    )
    return _REGIONS[way](case, truth)


def _predicted(case: Case, truth: Region | None) -> Region | None:
    return None


def _given(case: Case, truth: Region | None) -> Region | None:
    return truth


def _whole(case: Case, truth: Region | None) -> Region | None:
    return _kept((case.digest, WHOLE), lambda: whole_output(case))


def _box(case: Case, truth: Region | None) -> Region | None:
    spans = []
    for name, size in zip(AXES, reversed(case.space), strict=True):
        key = _key(case, BOX, name)
        st.session_state.setdefault(key, (1 + size // 3, max(2 * size // 3, 1 + size // 3)))
        spans.append(st.slider(f"{name} (voxels)", 1, size, key=key) if size > 1 else (1, 1))
    corners = tuple((low - 1, high) for low, high in reversed(spans))

    def made() -> Region:
        mask = np.zeros(case.space, dtype=np.bool_)
        mask[tuple(slice(low, high) for low, high in corners)] = True
        return Region(mask, f"box {', '.join(f'{low}-{high}' for low, high in spans)}")

    return _kept((case.digest, BOX, corners), made)


def _voxel(case: Case, truth: Region | None) -> Region | None:
    index = []
    with st.container(horizontal=True):
        for name, size in zip(AXES, reversed(case.space), strict=True):
            key = _key(case, VOXEL, name)
            st.session_state.setdefault(key, 1 + size // 2)
            index.append(int(st.number_input(name, 1, size, key=key)) - 1)
    place = tuple(reversed(index))
    return _kept((case.digest, VOXEL, place), lambda: voxel(case, place))


_REGIONS: Mapping[str, Callable[[Case, Region | None], Region | None]] = {
    PREDICTED: _predicted,
    WHOLE: _whole,
    GIVEN: _given,
    BOX: _box,
    VOXEL: _voxel,
}


def _take_picked(case: Case) -> None:
    """Put what was picked into the fields, before they are drawn."""
    state = st.session_state
    if PICKED not in state:
        return
    way, corners = state.pop(PICKED)
    state[WAY] = way
    for name, *places in zip(AXES, *(corner[::-1] for corner in corners), strict=True):
        ends = tuple(place + 1 for place in places)
        state[_key(case, way, name)] = ends if len(ends) > 1 else ends[0]


def _key(case: Case, way: str, name: str) -> str:
    return f"volume|{way}|{name}|{case.digest[:12]}"


def _kept(name: tuple[Any, ...], make: Callable[[], Region]) -> Region:
    """The region under ``name``, made when first asked for."""
    kept: dict[tuple[Any, ...], Region] = st.session_state.setdefault(KEPT, {})
    if name not in kept:
        kept[name] = make()
        for oldest in list(kept)[:-MOST_KEPT]:
            del kept[oldest]
    return kept[name]
