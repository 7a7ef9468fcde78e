"""From a job's panes to what the viewer draws: titles, lines, progress, errors, and the dimmed predecessor.

A predecessor is the last map of the same film and the same explainer, whatever its target; it is shown as "previous"
and never as if current. Maps are handed on as the engine holds them, so that a rerun with nothing new sends no pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray

from components.viewer import Pane
from xai_core.explain import Explanation
from xai_core.explainers.registry import ExplainerInfo
from xai_core.jobs import Job, PaneKey, PaneState

Shown = dict[str, Explanation]
# A map with the step and the start of its cells, counted in the case's samples.
Placed = tuple[NDArray[Any], tuple[float, ...], tuple[float, ...]]
Place = Callable[[Explanation], Placed]


def on_film(explanation: Explanation) -> Placed:
    """The map of a film on the network's grid."""
    return explanation.shown, explanation.grid.scale[-2:], explanation.grid.offset[-2:]


def panes(
    job: Job, infos: Mapping[str, ExplainerInfo], shown: Shown, looks: Job | None = None, place: Place = on_film
) -> list[Pane]:
    """One viewer pane a pane of ``job``, with the badge that ``looks`` (second looks at its maps) brought, where it did.
    ``shown`` (last map by explainer, kept by the session) is brought up to date. ``place``: how a map lies on the case."""
    made = []
    for (name, target), state in with_looks(job, looks).items():
        if state.explanation is not None:
            shown[name] = state.explanation
        title = infos[name].title if name in infos else name
        made.append(pane(name, title, target, job, state, _predecessor(shown.get(name), job), place))
    return made


def with_looks(job: Job, looks: Job | None) -> dict[PaneKey, PaneState]:
    """The panes of ``job``, each with the explanation of its second look once that is there."""
    again = looks.panes if looks is not None else {}
    return {
        key: again[key] if key in again and again[key].explanation is not None else state
        for key, state in job.panes.items()
    }


def _predecessor(last: Explanation | None, job: Job) -> Explanation | None:
    return last if last is not None and last.case_digest == job.case_digest and last.model == job.model_name else None


def pane(
    name: str, title: str, target: str, job: Job, state: PaneState, last: Explanation | None, place: Place = on_film
) -> Pane:
    """One pane as it stands; ``last``: the map to show dimmed while a new one is computed."""
    current = state.explanation
    drawn = current if current is not None else last if state.state == "loading" else None
    values, scale, offset = (None, (1.0, 1.0), (0.0, 0.0)) if drawn is None else place(drawn)
    return Pane(
        id=name,
        title=title,
        lines=_lines(_asked(target, job), job.model_name, current),
        state=state.state,
        share=state.share,
        message=_message(state, last),
        map=values,
        grid_scale=scale,
        grid_offset=offset,
        is_signed=drawn is not None and drawn.is_signed,
        unit="none" if drawn is None else drawn.unit,
        badge_level="" if current is None else current.badge.level,
        badge_word="" if current is None else current.badge.word,
        badge_sentences=() if current is None else current.badge.sentences,
        previous=current is None and drawn is not None,
        case_digest=job.case_digest,
    )


def _lines(target: str, model: str, current: Explanation | None) -> tuple[str, ...]:
    return (target, model) if current is None else (target, model, f"{current.seconds:.1f} s")


def _asked(target: str, job: Job) -> str:
    return target if job.region is None else f"{target}, {job.region.name}"


def _message(state: PaneState, last: Explanation | None) -> str:
    if state.error is not None:
        return str(state.error)
    if state.state == "ready":
        return ""
    doing = "computing" if state.share > 0 else "waiting its turn"
    left = "" if state.seconds_left is None else f", about {max(1, round(state.seconds_left))} s left"
    previous = f"; previous: {', '.join(filter(None, (last.target, last.region)))}" if last is not None else ""
    return f"{doing}{left}{previous}"
