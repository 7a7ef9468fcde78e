"""The badge of a map: how far to believe it, words first, numbers on demand.

Each check is a function from what is known of a map to a finding or nothing; the badge is the worst of them. A map whose
books do not close, or that holds NaN, is "bad"; one that is unstable or lost much is "caution".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from xai_core.explainers.registry import ExplainerInfo

Level = Literal["good", "caution", "bad"]
Array = NDArray[np.float32]
_ORDER: Mapping[Level, int] = {"good": 0, "caution": 1, "bad": 2}
SOUND = "sound"


@dataclass(frozen=True)
class Finding:
    """One thing a check found: ``word`` for the badge (empty for what is only worth telling), ``sentence`` for the person,
    ``check`` the check's name."""

    level: Level
    word: str
    sentence: str
    check: str = ""


def level_of(findings: Sequence[Finding]) -> Level:
    """That of the first finding, which is the worst; good where there is none."""
    return findings[0].level if findings else "good"


def word_of(findings: Sequence[Finding], otherwise: str) -> str:
    """The first finding's word that is not empty, or ``otherwise``."""
    return next((found.word for found in findings if found.word), otherwise)


@dataclass(frozen=True)
class Badge:
    """``findings`` of all checks, the worst first; ``notes``: sentences of the method; ``numbers`` on demand."""

    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    numbers: Mapping[str, float | str] = field(default_factory=dict)

    @property
    def level(self) -> Level:
        """That of the worst finding."""
        return level_of(self.findings)

    @property
    def word(self) -> str:
        """The worst finding's word, or that nothing speaks against the map."""
        return word_of(self.findings, SOUND)

    @property
    def sentences(self) -> tuple[str, ...]:
        """Every finding's sentence, the worst first, then the notes; never empty."""
        told = tuple(found.sentence for found in self.findings) or ("Nothing speaks against this map.",)
        return told + self.notes

    def joined(self, findings: Iterable[Finding], numbers: Mapping[str, float | str]) -> Badge:
        """This badge with more findings and numbers; a finding takes the place of an older one of the same check."""
        new = list(findings)
        checks = {found.check for found in new}
        kept = [found for found in self.findings if found.check not in checks]
        return Badge(ordered([*kept, *new]), self.notes, {**self.numbers, **numbers})


@dataclass(frozen=True)
class Evidence:
    """What the checks may look at.

    ``raw`` (C, *space), ``shown`` (*space) on the network's grid; ``explained``: the scalar that was explained; ``facts`` of the
    method; ``replaced``: what stood in for the composite's rule, and where; ``idle``: what was asked for and had nothing to
    act on; ``probability`` of the target (None for segmentation); ``card_layer``: target layer of the model's card;
    ``gradient_reach``: how far the scalar would move if every input sample ran through its whole range, by the gradient
    (None where the method does not read it); ``extra_bytes``: growth of memory, about.
    """

    info: ExplainerInfo
    raw: Array
    shown: Array
    account: Mapping[str, float] | None
    explained: float
    seconds: float
    facts: Mapping[str, float | str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    unit: str = "none"
    replaced: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    idle: tuple[str, ...] = ()
    probability: float | None = None
    card_layer: str = ""
    gradient_reach: float | None = None
    extra_bytes: int | None = None


F = TypeVar("F", bound=Finding)
Check = Callable[[Evidence], Finding | None]
CHECKS: list[Check] = []


def check(function: Check) -> Check:
    """Register a check; its name marks what it finds."""
    CHECKS.append(function)
    return function


def badge_of(evidence: Evidence) -> Badge:
    """Run every check over ``evidence``."""
    found = [(one.__name__, one(evidence)) for one in CHECKS]
    findings = [replace(finding, check=name) for name, finding in found if finding is not None]
    return Badge(ordered(findings), evidence.notes, _numbers(evidence))


def plain(account: Mapping[str, Any] | None) -> dict[str, float] | None:
    """The account as plain floats, for one sample."""
    return None if account is None else {name: float(amount) for name, amount in account.items()}


def ordered(findings: Iterable[F]) -> tuple[F, ...]:
    """Findings, the worst first."""
    return tuple(sorted(findings, key=lambda found: -_ORDER[found.level]))


def _numbers(evidence: Evidence) -> dict[str, float | str]:
    optional = {"probability": evidence.probability, "gradient_reach": evidence.gradient_reach}
    if evidence.extra_bytes is not None:
        optional["extra_memory_mb"] = round(evidence.extra_bytes / 1e6, 1)
    return {
        "seconds": round(evidence.seconds, 3),
        "explained": evidence.explained,
        **{name: number for name, number in optional.items() if number is not None},
        **evidence.facts,
        **(evidence.account or {}),
    }
