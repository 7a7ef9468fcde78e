"""The line that says what is being computed, how long it will take, and the button that stops it."""

from __future__ import annotations

import streamlit as st

from xai_core.jobs import Job


def line(job: Job | None, titles: dict[str, str], where: str) -> None:
    """One line at the top of the page, always of the same height: progress, or the model and its device."""
    with st.container(key="status", horizontal=True, vertical_alignment="center", gap="small"):
        if job is None or job.done:
            st.html(f"<p role='status'>{where}</p>")
            return
        under_way = [key for key, pane in job.panes.items() if pane.state == "loading"]
        current = next((key for key in under_way if job.panes[key].share > 0), under_way[0] if under_way else None)
        name = titles.get(current[0], current[0]) if current else ""
        left = job.seconds_left
        time_left = "" if left is None else f", about {max(1, round(left))} s left"
        st.progress(job.share, text=f"{name} {100 * job.share:.0f} %{time_left}")
        st.button("Cancel", key="cancel", type="tertiary", icon=":material/close:", on_click=job.cancel)
