"""What is said of an image before its findings: a warning with what to do where it looks unlike what the models know.

Nothing is drawn where all is well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import streamlit as st

from components.shell import escaped
from xai_core.quality import InputFinding, Quality
from xai_core.trust import Level
from xai_core.trust.badge import ordered

BOXES: Mapping[Level, Callable[..., object]] = {"caution": st.warning, "bad": st.error}
QUESTION = "What was measured of this image"
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
    "head_ml": "head, ml",
    "head_share": "share of the volume that is head",
    "air": "share of air set to one value",
    "side_mm": "longest side of the head, mm",
    "likeness": "how much more alike the head's sides are than its front and back, or top and bottom",
    "look": "looks like",
    "fluid": "share of the middle darker than fluid",
    "white": "share of the middle darker than white matter",
    "top": "share of the head at the brightest value",
    "cover": "share of the head that is filled",
    "dip": "darkest ring below the surface (1: none)",
}


def warn(known: Quality) -> None:
    """Draw one box a finding that warns, the worst first, and the numbers behind them on demand."""
    warn_of([("", known)])


def warn_of(known: Iterable[tuple[str, Quality]]) -> None:
    """The same of several images, or of one that several models are asked about, each with its name: what holds of some
    of them only begins with their names."""
    told = list(known)
    whose: dict[InputFinding, list[str]] = {}
    for name, one in told:
        for found in one.findings:
            if found.level in BOXES:
                whose.setdefault(found, []).append(name)
    for found in ordered(whose):
        names = "" if len(whose[found]) == len(told) else f"**{escaped(', '.join(whose[found]))}:** "
        text = f"{names}{escaped(found.sentence)} {escaped(found.remedy)}"
        BOXES[found.level](text, icon=":material/error:" if found.level == "bad" else ":material/warning:")
    if whose:
        _numbers(told)


def _numbers(told: Sequence[tuple[str, Quality]]) -> None:
    """A column an image; images with the same numbers are one."""
    with st.expander(QUESTION, key="film-quality"):
        columns: list[tuple[str, Mapping[str, float | str]]] = []
        for name, one in told:
            if one.numbers not in [numbers for _, numbers in columns]:
                columns.append((name, one.numbers))
        measures = list(dict.fromkeys(measure for _, numbers in columns for measure in numbers))
        table = {"measure": [_meaning(measure) for measure in measures]}
        for place, (name, numbers) in enumerate(columns):
            head = "value" if len(columns) == 1 else name if name not in table else f"{name} ({place + 1})"
            table[head] = [_written(numbers.get(measure, "")) for measure in measures]
        st.table(table)
        notes = dict.fromkeys(note for _, one in told for note in one.notes)
        st.caption("  \n".join(escaped(note) for note in notes))


def _meaning(measure: str) -> str:
    """A measure in words; of a channel with its name before it."""
    channel, _, name = measure.rpartition(": ")
    words = MEANINGS.get(name, name)
    return f"{channel}: {words}" if channel else words


def _written(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.3g}"
