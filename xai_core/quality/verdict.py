"""Whether a film looks like those the models know, words first, numbers on demand; built as the badge of a map is.

Each check is a function from what is known of a film to a finding or nothing. What a film is taken for (blank, turned, unlike)
comes first; where that is bad, nothing finer is said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace

from xai_core.case import Case, Region
from xai_core.models import Model
from xai_core.models.card import Card
from xai_core.quality.pixels import MEASURES, Pixels, pixels_of
from xai_core.quality.statistics import Judged, Statistics, statistics_for
from xai_core.trust.badge import Finding, Level, level_of, ordered, word_of

KNOWN = "like known films"
MIRRORED = "Whether a film is mirrored cannot be told reliably: look for the letter of the side."
NOTHING_KEPT = "Nothing was checked: no statistics of training images are kept for this kind of image."


@dataclass(frozen=True)
class FilmFinding(Finding):
    """One thing found of a film, with a ``remedy``; ``labels``: those it concerns (empty: all)."""

    remedy: str = ""
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Quality:
    """``findings``, the worst first; ``distance`` from the films that the models were taught on, 1 where two in a hundred of those lie
    further out (None where nothing was checked); ``notes``; ``numbers`` on demand."""

    findings: tuple[FilmFinding, ...] = ()
    distance: float | None = None
    notes: tuple[str, ...] = ()
    numbers: Mapping[str, float | str] = field(default_factory=dict)

    @property
    def level(self) -> Level:
        """That of the worst finding."""
        return level_of(self.findings)

    @property
    def word(self) -> str:
        """The worst finding's word, or that nothing speaks against the film."""
        return word_of(self.findings, KNOWN)

    @property
    def sentences(self) -> tuple[str, ...]:
        """Every finding's sentence with its remedy, the worst first, then the notes."""
        return tuple(f"{found.sentence} {found.remedy}".strip() for found in self.findings) + self.notes

    def about(self, label: str) -> Quality:
        """The same without findings that concern other labels only."""
        kept = tuple(found for found in self.findings if not found.labels or label in found.labels)
        return replace(self, findings=kept)


@dataclass(frozen=True)
class Seen:
    """What the checks may look at: the ``case``, the ``card`` of the model to be asked, the ``lungs`` found, what was measured of the
    ``pixels``, what the ``judged`` features say, and the ``limits`` (least, greatest) of each pixel measure on known films."""

    case: Case
    card: Card
    lungs: Region | None
    pixels: Pixels
    judged: Judged
    limits: Mapping[str, tuple[float, float]]


Check = Callable[[Seen], FilmFinding | None]
CHECKS: list[Check] = []


def check(function: Check) -> Check:
    """Register a check; its name marks what it finds."""
    CHECKS.append(function)
    return function


def quality(case: Case, model: Model) -> Quality:
    """Say whether ``case`` looks like the films that the shipped models were taught on, and what ``model`` was taught of such patients.

    The statistics are those of chest films; of other images nothing is said but that. Raises :class:`ModelError` where
    the shipped statistics are damaged.
    """
    outlines = model.outlines(case) if model.card.modality == "CXR" else None
    statistics = statistics_for(outlines.weights_digest) if outlines is not None else None
    if outlines is None or statistics is None:
        return Quality(notes=(NOTHING_KEPT,))
    outline = outlines.of(case)
    return verdict(seen(case, model.card, model.lungs(case), statistics.judged(outline.deep), statistics))


def seen(case: Case, card: Card, lungs: Region | None, judged: Judged, statistics: Statistics) -> Seen:
    """All that is known of a film, for the checks."""
    limits = {
        name: (float(low), float(high)) for name, (low, high) in zip(MEASURES, statistics.pixel_limits, strict=True)
    }
    return Seen(case, card, lungs, pixels_of(case, lungs), judged, limits)


def verdict(film: Seen) -> Quality:
    """Run every check; where one is bad, only the bad ones are kept."""
    found = [(one.__name__, one(film)) for one in CHECKS]
    findings = ordered([replace(finding, check=name) for name, finding in found if finding is not None])
    if findings and findings[0].level == "bad":
        findings = tuple(finding for finding in findings if finding.level == "bad")
    judged = film.judged
    turn, is_inverted = judged.pose
    numbers: dict[str, float | str] = {
        "distance_from_known_films": judged.distance,
        "child_probability": judged.child,
        "likeliest_pose": f"{turn}, inverted" if is_inverted else turn,
        "pose_share": judged.pose_share,
        **asdict(film.pixels),
    }
    return Quality(findings, judged.distance, (MIRRORED,), numbers)
