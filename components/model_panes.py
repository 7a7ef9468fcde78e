"""One explainer on one film by several models: a job a model, a pane a model, and the pane of their mean.

The mean is made from the members' maps that are there, so an ensemble costs no second computation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from components.panes import pane
from components.viewer import Pane
from xai_core.explain import Explanation
from xai_core.explain_members import mean_explanation
from xai_core.jobs import Job
from xai_core.models import Ensemble, Model, Prediction

MEAN = "mean"


@dataclass(frozen=True)
class Comparison:
    """What is compared: one job a name (a model's, or a film's), all of one explainer and one target."""

    explainer: str
    target: str
    jobs: Mapping[str, Job]

    @property
    def done(self) -> bool:
        """Whether nothing more will come."""
        return all(job.done for job in self.jobs.values())

    @property
    def explanations(self) -> list[Explanation]:
        """The maps that are there, in the order of the names."""
        states = [next(iter(job.panes.values())) for job in self.jobs.values()]
        return [state.explanation for state in states if state.explanation is not None]

    def cancel(self) -> None:
        """Let go of every job."""
        for job in self.jobs.values():
            job.cancel()


def panes(
    shown: Comparison, models: Mapping[str, Model], told: Mapping[str, Prediction], whole: Ensemble | None
) -> list[Pane]:
    """One pane a model with its own probability, then the mean of all where every map is there."""
    made = []
    for name, job in shown.jobs.items():
        state = next(iter(job.panes.values()))
        drawn = pane(shown.explainer, models[name].card.title, shown.target, job, state, None)
        seconds = f"{state.explanation.seconds:.1f} s" if state.explanation is not None else ""
        made.append(replace(drawn, id=_id(shown, name), lines=_lines(shown.target, told[name], name, seconds)))
    found = shown.explanations
    if whole is not None and len(found) == len(shown.jobs):
        mean = mean_explanation(whole, found)
        made.append(
            Pane(
                id=_id(shown, MEAN),
                title=f"Mean of {len(found)} models",
                lines=(*_lines(shown.target, told[MEAN], f"agreement {mean.badge.numbers['agreement']}", ""),),
                map=mean.shown,
                grid_scale=mean.grid.scale[-2:],
                grid_offset=mean.grid.offset[-2:],
                is_signed=mean.is_signed,
                unit=mean.unit,
                badge_level=mean.badge.level,
                badge_word=mean.badge.word,
                badge_sentences=mean.badge.sentences,
                case_digest=mean.case_digest,
            )
        )
    return made


def common_labels(models: Sequence[Model]) -> list[str]:
    """Labels that every model has and shows, in the first one's order."""
    shown = [set(model.card.labels) - set(model.card.off) for model in models]
    return [label for label in models[0].card.labels if all(label in labels for labels in shown)]


def share_of(told: Prediction, label: str) -> float:
    """The calibrated probability of a label."""
    return float(told.probabilities[told.labels.index(label)])


def _lines(target: str, told: Prediction, name: str, seconds: str) -> tuple[str, ...]:
    lines = (f"{target} {100 * share_of(told, target):.0f} %", name, seconds)
    return tuple(line for line in lines if line)


def _id(shown: Comparison, name: str) -> str:
    return f"{shown.explainer}|{shown.target}|{name}"
