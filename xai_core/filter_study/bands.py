"""The study's grid of filters: weak relevance kept up to alpha, or strong relevance from alpha on, by pass and by clamp.

Of (0, alpha) "pass" drops what is stronger than alpha times the greatest relevance, "clamp" cuts it down to that; of (alpha, 1)
both drop what is weaker, and there they are one and the same filter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from xai_core.rules.filters import FilterMode

Side = Literal["weak", "strong"]
WEAK = ((0.0, 0.05), (0.0, 0.1), (0.0, 0.2), (0.0, 0.4), (0.0, 0.6))
STRONG = ((0.05, 1.0), (0.1, 1.0), (0.2, 1.0), (0.4, 1.0), (0.6, 1.0))


@dataclass(frozen=True)
class Band:
    """One filter: relevance between ``low`` and ``high`` times the greatest is kept."""

    mode: FilterMode = "none"
    low: float = 0.0
    high: float = 1.0

    @property
    def is_raw(self) -> bool:
        """Whether it is no filter."""
        return self.mode == "none"

    @property
    def name(self) -> str:
        """As tables and menus have it: "raw", "pass 0–0.2"."""
        return "raw" if self.is_raw else f"{self.mode} {self.low:g}–{self.high:g}"

    @property
    def side(self) -> Side:
        """Which part of relevance is kept."""
        return "weak" if self.low <= 0 else "strong"

    @property
    def alpha(self) -> float:
        """The end that moves along the study's grid."""
        return self.high if self.side == "weak" else self.low

    @property
    def width(self) -> float:
        """How much of the range of magnitudes is kept."""
        return self.high - self.low

    @property
    def alike(self) -> Band:
        """The filter that does the same to the bit, under which it is computed once: without an upper end, clamp is pass."""
        return Band("pass", self.low, self.high) if self.mode == "clamp" and self.high >= 1 else self

    def parameters(self, place: str) -> dict[str, Any]:
        """As an explainer takes it."""
        if self.is_raw:
            return {}
        return {"filter_mode": self.mode, "filter_range": (self.low, self.high), "filter_at": place}


RAW = Band()
MODES: Sequence[FilterMode] = ("pass", "clamp")
STUDY_BANDS = (RAW, *(Band(mode, low, high) for mode in MODES for low, high in (*WEAK, *STRONG)))
