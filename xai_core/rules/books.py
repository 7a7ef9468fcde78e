"""The books of a relevance walk: where relevance went that did not reach the input.

``seed = map + bias + stabiliser + filtered + stopped + error``, per sample, in float64 (semantics, section 2).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

_CHUNK = 1024


def total(relevance: Tensor) -> Tensor:
    """Sum per sample, (N,) float64: runs of 1024 in the tensor's own precision, the runs in float64."""
    flat = relevance.reshape(relevance.shape[0], -1)
    if flat.dtype == torch.float64 or flat.shape[1] <= _CHUNK:
        return flat.sum(1, dtype=torch.float64)
    whole = flat.shape[1] // _CHUNK * _CHUNK
    runs = flat[:, :whole].reshape(flat.shape[0], -1, _CHUNK).sum(2).sum(1, dtype=torch.float64)
    return runs + flat[:, whole:].sum(1, dtype=torch.float64) if whole < flat.shape[1] else runs


def product_total(a: Tensor, b: Tensor) -> Tensor:
    """Sum of a * b per sample, (N,) float64."""
    return total(a * b)


@dataclass
class Books:
    """Amounts absorbed so far: each (N,) float64."""

    samples: int
    device: torch.device
    bias: Tensor = field(init=False)
    stabiliser: Tensor = field(init=False)
    filtered: Tensor = field(init=False)
    stopped: Tensor = field(init=False)

    def __post_init__(self) -> None:
        for name in ("bias", "stabiliser", "filtered", "stopped"):
            setattr(self, name, torch.zeros(self.samples, dtype=torch.float64, device=self.device))

    def account(self, seed: Tensor, relevance: Tensor) -> dict[str, Tensor]:
        """The closed account of a map: every entry (N,) float64, with ``amplification`` = sum|map| / |seed|."""
        mapped = total(relevance)
        start = total(seed)
        parts = {
            "seed": start,
            "map": mapped,
            "bias": self.bias,
            "stabiliser": self.stabiliser,
            "filtered": self.filtered,
            "stopped": self.stopped,
        }
        parts["error"] = start - mapped - self.bias - self.stabiliser - self.filtered - self.stopped
        parts["magnitude"] = total(relevance.abs())
        tiny = torch.finfo(torch.float64).tiny
        parts["amplification"] = parts["magnitude"] / start.abs().clamp_min(tiny)
        return parts


def is_closed(account: dict[str, float], double: bool = False) -> bool:
    """Whether the books close: |error| <= tol * max(1, |seed|, 1e-3 * sum|map|), tol 1e-3 (float32) or 1e-9 (float64)."""
    tolerance = 1e-9 if double else 1e-3
    return abs(account["error"]) <= tolerance * max(1.0, abs(account["seed"]), 1e-3 * account["magnitude"])
