"""The judge of chest films: what is known of a film, and its checks (``age.py``, ``exposure.py``, ``kinds.py``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from xai_core.case import Case, Region
from xai_core.models import Model
from xai_core.models.card import Card
from xai_core.quality.pixels import MEASURES, Pixels, pixels_of
from xai_core.quality.statistics import Judged, Statistics, statistics_for
from xai_core.quality.verdict import InputFinding, Quality, findings_of, judge

MIRRORED = "Whether a film is mirrored cannot be told reliably: look for the letter of the side."


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


Check = Callable[[Seen], InputFinding | None]
CHECKS: list[Check] = []


def check(function: Check) -> Check:
    """Register a check; its name marks what it finds."""
    CHECKS.append(function)
    return function


@judge("CXR")
def judge_film(case: Case, model: Model) -> Quality | None:
    """Judge a film by the statistics of the films that the shipped models were taught on, and by what ``model`` was taught of such
    patients; None where the statistics are not those of the lung network at hand."""
    outlines = model.outlines(case)
    statistics = statistics_for(outlines.weights_digest) if outlines is not None else None
    if outlines is None or statistics is None:
        return None
    outline = outlines.of(case)
    return verdict(seen(case, model.card, model.lungs(case), statistics.judged(outline.deep), statistics))


def seen(case: Case, card: Card, lungs: Region | None, judged: Judged, statistics: Statistics) -> Seen:
    """All that is known of a film, for the checks."""
    limits = {
        name: (float(low), float(high)) for name, (low, high) in zip(MEASURES, statistics.pixel_limits, strict=True)
    }
    return Seen(case, card, lungs, pixels_of(case, lungs), judged, limits)


def verdict(film: Seen) -> Quality:
    """Run every check of a film."""
    judged = film.judged
    turn, is_inverted = judged.pose
    numbers: dict[str, float | str] = {
        "distance_from_known_films": judged.distance,
        "child_probability": judged.child,
        "likeliest_pose": f"{turn}, inverted" if is_inverted else turn,
        "pose_share": judged.pose_share,
        **asdict(film.pixels),
    }
    return Quality(findings_of(CHECKS, film), judged.distance, (MIRRORED,), numbers)
