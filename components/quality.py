"""What is said of a film before its findings: a warning with what to do where it looks unlike the films the model knows.

Nothing is drawn where all is well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import streamlit as st

from components.shell import escaped
from xai_core.quality import Quality
from xai_core.trust import Level

BOXES: Mapping[Level, Callable[..., object]] = {"caution": st.warning, "bad": st.error}
QUESTION = "What was measured of this film"
MEANINGS = {
    "distance_from_known_films": "distance from known films (1: two in a hundred lie further out)",
    "child_probability": "looks like a small child's (probability)",
    "likeliest_pose": "likeliest position",
    "pose_share": "share of that position",
    "levels": "grey levels",
    "dark": "share at the darkest value, around the lungs",
    "bright": "share at the brightest value, around the lungs",
    "sharpness": "sharpness (variance of the Laplacian by that of the film)",
    "kinship": "correlation of neighbouring pixels",
    "marks": "bright marks around the lungs",
    "side": "shorter side of the lungs, pixels",
}


def warn(quality: Quality) -> None:
    """Draw one box a finding that warns, the worst first, and the numbers behind them on demand."""
    findings = [found for found in quality.findings if found.level in BOXES]
    if not findings:
        return
    for found in findings:
        text = f"{escaped(found.sentence)} {escaped(found.remedy)}"
        BOXES[found.level](text, icon=":material/error:" if found.level == "bad" else ":material/warning:")
    with st.expander(QUESTION, key="film-quality"):
        rows = {MEANINGS.get(name, name): value for name, value in quality.numbers.items()}
        written = [value if isinstance(value, str) else f"{value:.3g}" for value in rows.values()]
        st.table({"measure": list(rows), "value": written})
        st.caption("  \n".join(escaped(note) for note in quality.notes))
