"""The badge of a map: how far to believe it, words first, numbers on demand.

Each check is a function from what is known of a map to a finding or nothing; the badge is the worst of them. A map whose
books do not close, or that holds NaN, is "bad"; one that is unstable or lost much is "caution".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from xai_core.explainers.completeness import COMPLETENESS_ERROR
from xai_core.explainers.registry import ExplainerInfo
from xai_core.rules.books import is_closed

Level = Literal["good", "caution", "bad"]
_ORDER: Mapping[Level, int] = {"good": 0, "caution": 1, "bad": 2}


@dataclass(frozen=True)
class Finding:
    """One thing a check found: ``word`` for the badge, ``sentence`` for the person."""

    level: Level
    word: str
    sentence: str


@dataclass(frozen=True)
class Badge:
    """``level``; ``word`` of the worst finding; ``sentences`` of all; ``numbers`` on demand."""

    level: Level
    word: str
    sentences: tuple[str, ...]
    numbers: Mapping[str, float | str]


@dataclass(frozen=True)
class Evidence:
    """What the checks may look at. ``raw`` (C, *space); ``explained``: the scalar that was explained; ``facts`` of the method."""

    info: ExplainerInfo
    raw: NDArray[np.float32]
    account: Mapping[str, float] | None
    explained: float
    facts: Mapping[str, float | str]
    notes: tuple[str, ...]
    seconds: float


Check = Callable[[Evidence], Finding | None]
CHECKS: list[Check] = []


def check(function: Check) -> Check:
    """Register a check."""
    CHECKS.append(function)
    return function


def badge_of(evidence: Evidence) -> Badge:
    """Run every check over ``evidence``."""
    findings = [found for one in CHECKS if (found := one(evidence)) is not None]
    worst = max(
        findings,
        key=lambda found: _ORDER[found.level],
        default=Finding("good", "sound", "Nothing speaks against this map."),
    )
    numbers: dict[str, float | str] = {"seconds": round(evidence.seconds, 3), "explained": evidence.explained}
    numbers.update(evidence.facts)
    numbers.update(evidence.account or {})
    ordered = sorted(findings, key=lambda found: -_ORDER[found.level])
    sentences = tuple(found.sentence for found in ordered) or (worst.sentence,)
    return Badge(worst.level, worst.word, sentences + evidence.notes, numbers)


@check
def finite(evidence: Evidence) -> Finding | None:
    if np.isfinite(evidence.raw).all():
        return None
    return Finding("bad", "not finite", "The map holds NaN or infinite values and must not be read.")


@check
def not_empty(evidence: Evidence) -> Finding | None:
    if np.any(evidence.raw != 0):
        return None
    return Finding("bad", "empty", "The map is zero everywhere: this method found nothing for this target.")


@check
def books_close(evidence: Evidence) -> Finding | None:
    account = evidence.account
    if account is None:
        return None
    if not is_closed(dict(account)):
        return Finding(
            "bad", "books open", f"Relevance of {account['error']:.3g} of {account['seed']:.3g} is unaccounted for."
        )
    return Finding("good", "books closed", f"The books close: all of {account['seed']:.3g} is accounted for.")


@check
def adds_up(evidence: Evidence) -> Finding | None:
    error = evidence.facts.get(COMPLETENESS_ERROR)
    if not isinstance(error, float):
        return None
    added, wanted = evidence.facts["map_sum"], evidence.facts["difference"]
    told = f"The map adds up to {added:.3g}, and f(image) - f(baseline) is {wanted:.3g}: {error:.1%} off."
    if error <= 0.05:
        return Finding("good", "adds up", told)
    return Finding("caution" if error <= 0.5 else "bad", "does not add up", f"{told} Take more steps or samples.")


@check
def stable(evidence: Evidence) -> Finding | None:
    account = evidence.account
    if account is None or account["amplification"] <= 100:
        return None
    is_bounded = evidence.info.name.startswith("lrp-epsilon-plus")
    return Finding(
        "caution",
        "unstable",
        f"Positive and negative relevance add up to {account['amplification']:.3g} times what is explained: "
        f"the rule grew without bound. Compare with {'occlusion' if is_bounded else 'lrp-epsilon-plus'}.",
    )


@check
def little_lost(evidence: Evidence) -> Finding | None:
    account = evidence.account
    if account is None or account["seed"] == 0:
        return None
    kept = account["map"] / account["seed"]
    if 0.5 <= kept <= 2 or account["amplification"] > 100:
        return None
    where = max(("bias", "stabiliser", "filtered", "stopped"), key=lambda name: abs(account[name]))
    names = {
        "bias": "biases took the rest",
        "stabiliser": "the stabiliser took the rest",
        "filtered": "the filter removed the rest",
        "stopped": "the rest ended in constants and gates",
    }
    return Finding("caution", "partial", f"The map carries {kept:.0%} of what is explained; {names[where]}.")


@check
def speaks_for_the_target(evidence: Evidence) -> Finding | None:
    if not evidence.info.target_dependent:
        return Finding("caution", "not of this target", "This method shows the same map for every target.")
    if evidence.explained < 0 and evidence.info.is_signed:
        return Finding(
            "good", "absent", "The model says no to this target: warm colours speak for it, cold ones against it."
        )
    return None


@check
def lies_on_the_lungs(evidence: Evidence) -> Finding | None:
    inside = evidence.facts.get("mass_inside_lungs")
    if not isinstance(inside, float) or inside != inside:
        return None
    if inside < 0.5:
        return Finding(
            "caution",
            "outside lungs",
            f"{1 - inside:.0%} of what speaks for the target lies outside the lungs: the model may have used the frame.",
        )
    return Finding("good", "on the lungs", f"{inside:.0%} of what speaks for the target lies within the lungs.")


@check
def coarse(evidence: Evidence) -> Finding | None:
    if "grid" not in evidence.facts:
        return None
    return Finding(
        "good",
        "coarse",
        f"Drawn from a grid of {evidence.facts['grid']} (layer {evidence.facts.get('target_layer') or 'last with space'}): "
        "edges finer than that are not in the map.",
    )


def plain(account: Mapping[str, Any] | None) -> dict[str, float] | None:
    """The account as plain floats, for one sample."""
    return None if account is None else {name: float(amount) for name, amount in account.items()}
