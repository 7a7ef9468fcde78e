"""The line that says what is being computed, how long it will take, and the button that stops it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from xai_core.errands import Errand
from xai_core.jobs import Job


def line(job: Job | None, titles: dict[str, str], where: str) -> None:
    """One line at the top of the page, always of the same height: progress, or the model and its device."""
    with st.container(key="status", horizontal=True, vertical_alignment="center", gap="small"):
        if job is None or job.done:
            st.html(f"<p role='status'>{where}</p>")
            return
        under_way = [key for key, pane in job.panes.items() if pane.state == "loading"]
        current = next((key for key in under_way if job.panes[key].share > 0), under_way[0] if under_way else None)
        _bar(titles.get(current[0], current[0]) if current else "", job.share, job.seconds_left, job.cancel)


def errand_line(errand: Errand[Any]) -> None:
    """The same line for an errand that is under way."""
    with st.container(key="status", horizontal=True, vertical_alignment="center", gap="small"):
        _bar(errand.title, errand.state.share, errand.state.seconds_left, errand.cancel)


def _bar(name: str, share: float, seconds_left: float | None, cancel: Callable[[], None]) -> None:
    time_left = "" if seconds_left is None else f", about {max(1, round(seconds_left))} s left"
    st.progress(share, text=f"{name} {100 * share:.0f} %{time_left}")
    st.button("Cancel", key="cancel", type="tertiary", icon=":material/close:", on_click=cancel)
