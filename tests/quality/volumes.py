"""Brain volumes of the reference folder for the tests of input quality, named by their sources."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from xai_core.case import Case
from xai_core.training.volume_quality import FILES, WHOLE, card, exchanged, laid, volume

__all__ = ["FILES", "FOUR", "WHOLE", "card", "exchanged", "laid", "volume", "with_facts"]
FOUR = [name for name, (_, words) in FILES.items() if len(words) == 4]


def with_facts(case: Case, **facts: object) -> Case:
    """The case with other facts."""
    return replace(case, facts=MappingProxyType({**case.facts, **facts}))
