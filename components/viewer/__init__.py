"""The viewer: a film or a volume and its maps, drawn and handled in the browser; Python only says what is there.

``show`` mounts one component (Streamlit components v2: no frame, no build step, nothing from another host). Samples
and maps travel once by address (payload.py), everything a hand does stays in the browser, and few messages come back, each
when a hand lets go (events.py): the filter of relevance "inside the propagation", a voxel to explain, a box.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from components.viewer.bundle import script, stylesheet
from components.viewer.events import Box, ViewerEvents, Voxel, box_of, voxel_of
from components.viewer.pane import Pane
from components.viewer.payload import payload
from xai_core.case import Case, Region

__all__ = ["Box", "Pane", "ViewerEvents", "Voxel", "show"]


_mount = st.components.v2.component("lightbox_viewer", html="<div></div>", css=stylesheet(), js=script())


def show(
    case: Case,
    panes: Sequence[Pane],
    *,
    key: str,
    settings: Mapping[str, Any] | None = None,
    contours: Sequence[Region] = (),
) -> ViewerEvents:
    """Draw ``case`` and ``panes`` at one place of the script; a rerun with unchanged data sends no pixels again.

    ``settings`` are starting values of the browser's own state ("threshold", "opacity", "colours", "sign", "scale",
    "smooth", "filterMode", "filterLow", "filterHigh", "filterAt") and "sentences": False where the page shows the two
    sentences itself. For a volume "volume" holds where to begin: "plane" ("axial", "coronal", "sagittal"), "channel"
    (a number), "layout" ("panes", "modalities", "planes", "mosaic"), "focus" (the pane of the last two), "cursor"
    [d, h, w] in voxels of the case, "isProjected"; and "picks" names what the page answers to, "voxel" and "box": without
    it their tools are not offered. ``contours`` are outlined in every pane, a volume's in every plane and
    filled at the opacity "fill" (0.3; over maps only with "fillsMaps": True); the reader shows and hides each by its name.
    """
    mounted = _mount(
        data=payload(case, panes, key, dict(settings or {}), contours),
        key=key,
        default={"filter": None},
        on_filter_change=_nothing,
        on_voxel_change=_nothing,
        on_box_change=_nothing,
    )
    asked = mounted.filter
    return ViewerEvents(dict(asked) if asked else None, voxel_of(mounted.voxel, case), box_of(mounted.box, case))


def _nothing() -> None:
    """A state of the component needs a listener to be kept; the page reads it from the result."""
