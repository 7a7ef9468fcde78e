"""How far to believe each map: one folded list a pane, sentences first, numbers on demand.

The badge in the viewer says one word; here is everything behind it, with the button for the checks that cost as much as the map.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import streamlit as st

from components.panes import with_looks
from components.shell import escaped, sentence
from xai_core.explain import Explanation
from xai_core.explainers.registry import ExplainerInfo
from xai_core.jobs import Job, PaneKey
from xai_core.trust import Level

ICONS: Mapping[Level, str] = {
    "good": ":green[:material/check:]",
    "caution": ":orange[:material/warning:]",
    "bad": ":red[:material/error:]",
}
QUESTION = "How far to believe this map"
ABOUT_MEMORY = (
    "Extra memory is about what the computation took beyond what the program held: sampled, of the whole process, "
    "and so blind to short peaks and to memory used again."
)


def expanders(job: Job, looks: Job | None, infos: Mapping[str, ExplainerInfo], ask: Callable[[str], None]) -> None:
    """Draw one expander a map of ``job`` that is there; ``ask(explainer)`` is called for a second look that was not taken."""
    for (name, target), state in with_looks(job, looks).items():
        if state.explanation is None:
            continue
        title = infos[name].title if name in infos else name
        with st.expander(f"{escaped(title)}: {QUESTION[0].lower()}{QUESTION[1:]}", key=f"trust-{name}"):
            _sentences(state.explanation)
            _second_look((name, target), state.explanation, looks, ask)
            _numbers(name, state.explanation)


def _sentences(explanation: Explanation) -> None:
    badge = explanation.badge
    lines = [f"{ICONS[found.level]} {escaped(found.sentence)}" for found in badge.findings]
    st.markdown("  \n".join([*lines, *(escaped(note) for note in badge.notes)]))


def _second_look(key: PaneKey, explanation: Explanation, looks: Job | None, ask: Callable[[str], None]) -> None:
    """What is still to come of the second look, or the button that asks for it."""
    if explanation.checks == "full":
        return
    state = looks.panes.get(key) if looks is not None else None
    if state is not None and state.error is None:
        st.caption("A second look is under way: once more, and with the model's last layer made random.")
        return
    if state is not None and state.error is not None:
        st.caption(sentence(state.error))
        return
    st.button(
        f"Look a second time (about {max(1, round(explanation.seconds))} s)",
        key=f"look-{key[0]}",
        help="Computes the map with the model's last layer made random. A map that stays the same does not depend on "
        "what the model learned there.",
        on_click=ask,
        args=(key[0],),
        width="stretch",
    )


def _numbers(name: str, explanation: Explanation) -> None:
    """Every number behind the sentences, and where the map comes from."""
    if not st.toggle("Numbers", key=f"numbers-{name}"):
        return
    numbers = {called.replace("_", " "): _written(value) for called, value in explanation.badge.numbers.items()}
    st.table({"number": list(numbers), "value": list(numbers.values())})
    st.caption(ABOUT_MEMORY)


def _written(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"
