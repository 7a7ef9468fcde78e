"""Whether an image looks like those the models know, words first, numbers on demand; built as the badge of a map is.

Each check is a function from what is known of an image to a finding or nothing, and each modality has a judge that runs its
checks. What an image is taken for (blank, turned, unlike) comes first; where that is bad, nothing finer is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from xai_core.case import Case
from xai_core.models import Model
from xai_core.trust.badge import Finding, Level, level_of, ordered, word_of

KNOWN = "like known images"
NOTHING_KEPT = "Nothing was checked: no statistics of training images are kept for this kind of image."


@dataclass(frozen=True)
class InputFinding(Finding):
    """One thing found of an image, with a ``remedy``; ``labels``: those it concerns (empty: all)."""

    remedy: str = ""
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Quality:
    """``findings``, the worst first; ``distance`` from the films that the models were taught on, 1 where two in a hundred of those lie
    further out (None where no such distance is known); ``notes``; ``numbers`` on demand."""

    findings: tuple[InputFinding, ...] = ()
    distance: float | None = None
    notes: tuple[str, ...] = ()
    numbers: Mapping[str, float | str] = field(default_factory=dict)

    @property
    def level(self) -> Level:
        """That of the worst finding."""
        return level_of(self.findings)

    @property
    def word(self) -> str:
        """The worst finding's word, or that nothing speaks against the image."""
        return word_of(self.findings, KNOWN)

    @property
    def sentences(self) -> tuple[str, ...]:
        """Every finding's sentence with its remedy, the worst first, then the notes."""
        return tuple(f"{found.sentence} {found.remedy}".strip() for found in self.findings) + self.notes

    def about(self, label: str) -> Quality:
        """The same without findings that concern other labels only."""
        kept = tuple(found for found in self.findings if not found.labels or label in found.labels)
        return replace(self, findings=kept)


S = TypeVar("S")
Judge = Callable[[Case, Model], Quality | None]
JUDGES: dict[str, Judge] = {}


def judge(modality: str) -> Callable[[Judge], Judge]:
    """Register the decorated function as what judges images for models of ``modality``; it returns None for an image of
    which nothing is known."""

    def add(function: Judge) -> Judge:
        JUDGES[modality] = function
        return function

    return add


def quality(case: Case, model: Model) -> Quality:
    """Say whether ``case`` looks like what ``model`` was taught on; where nothing is known of such images, that is said.

    Raises :class:`ModelError` where the shipped statistics are damaged.
    """
    judged = JUDGES[model.card.modality](case, model) if model.card.modality in JUDGES else None
    return Quality(notes=(NOTHING_KEPT,)) if judged is None else judged


def findings_of(checks: Iterable[Callable[[S], InputFinding | None]], image: S) -> tuple[InputFinding, ...]:
    """What the checks find of an image, the worst first; where one is bad, only the bad ones are kept."""
    found = [(one.__name__, one(image)) for one in checks]
    findings = ordered([replace(finding, check=name) for name, finding in found if finding is not None])
    is_bad = bool(findings) and findings[0].level == "bad"
    return tuple(finding for finding in findings if finding.level == "bad" or not is_bad)
