"""Pass and clamp filters on relevance (Tjoa et al., arXiv 1911.08136; semantics, section 9).

With m the greatest |R| of the tensor (per sample, over channels and space): ``pass`` keeps R where lo <= |R| / m <= hi,
``clamp`` brings magnitudes above hi * m down to hi * m with their sign and those below lo * m to zero. The scale is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from xai_core.rules.books import Books, per_sample

FilterMode = Literal["none", "pass", "clamp"]
FilterPlace = Literal["output", "blocks", "all"]


@dataclass(frozen=True)
class RelevanceFilter:
    """One filter and where it applies. ``is_idle``: it changes nothing, to the bit."""

    mode: FilterMode = "none"
    low: float = 0.0
    high: float = 1.0
    place: FilterPlace = "output"
    per_channel: bool = False

    @property
    def is_idle(self) -> bool:
        return self.mode == "none" or (self.low <= 0 and self.high >= 1)

    def __call__(self, relevance: Tensor, books: Books | None = None) -> Tensor:
        """Filtered relevance (N, C, *space), of the same shape; what is removed goes to ``filtered``."""
        if self.is_idle:
            return relevance
        magnitude = relevance.abs()
        if self.per_channel and relevance.ndim > 2:
            greatest = magnitude.amax(dim=tuple(range(2, relevance.ndim)), keepdim=True)
        else:
            samples = relevance.shape[0] if books is None else books.samples
            greatest = per_sample(magnitude.reshape(samples, -1).amax(1), relevance)
        low, high = self.low * greatest, self.high * greatest
        zero = torch.zeros((), dtype=relevance.dtype, device=relevance.device)
        if self.mode == "pass":
            kept = torch.where((magnitude >= low) & (magnitude <= high), relevance, zero)
        else:
            kept = torch.where(magnitude >= low, torch.minimum(torch.maximum(relevance, -high), high), zero)
        if books is not None:
            books.filtered += books.total(relevance - kept)
        return kept
