"""The books of a relevance walk: where relevance went that did not reach the input.

``seed = map + bias + stabiliser + filtered + stopped + error``, per sample, in float64 (semantics, section 2).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

_CHUNK = 1024


def total(relevance: Tensor, samples: int) -> Tensor:
    """Sum per sample, (samples,) float64: runs of 1024 in the tensor's own precision, the runs in float64.

    A sample may lie in several rows (tokens): rows belong to samples in order.
    """
    flat = relevance.reshape(samples, -1)
    if flat.dtype == torch.float64 or flat.shape[1] <= _CHUNK:
        return flat.sum(1, dtype=torch.float64)
    whole = flat.shape[1] // _CHUNK * _CHUNK
    runs = flat[:, :whole].reshape(flat.shape[0], -1, _CHUNK).sum(2).sum(1, dtype=torch.float64)
    return runs + flat[:, whole:].sum(1, dtype=torch.float64) if whole < flat.shape[1] else runs


def per_sample(amount: Tensor, like: Tensor) -> Tensor:
    """(samples,) shaped to broadcast against ``like``, whose rows may be several a sample."""
    rows = amount if amount.shape[0] == like.shape[0] else amount.repeat_interleave(like.shape[0] // amount.shape[0])
    return rows.reshape((-1,) + (1,) * (like.ndim - 1))


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

    def total(self, relevance: Tensor) -> Tensor:
        """Sum per sample, (samples,) float64."""
        return total(relevance, self.samples)

    def root_mean_square(self, z: Tensor) -> Tensor:
        """Of z per sample, shaped to broadcast against it."""
        rows = z.reshape(self.samples, -1)
        squares = rows.pow(2).mean(1)
        if not bool(torch.isfinite(squares).all()):  # squares leave the range of numbers long before z does
            squares = rows.double().pow(2).mean(1)
        return per_sample(squares.sqrt_().to(z.dtype), z)

    @property
    def is_finite(self) -> bool:
        """Whether no entry has left the range of numbers."""
        return bool(torch.isfinite(self.bias + self.stabiliser + self.filtered + self.stopped).all())

    def account(self, seed: Tensor, relevance: Tensor) -> dict[str, Tensor]:
        """The closed account of a map: every entry (N,) float64, with ``amplification`` = sum|map| / |seed|."""
        mapped = self.total(relevance)
        start = self.total(seed)
        parts = {
            "seed": start,
            "map": mapped,
            "bias": self.bias,
            "stabiliser": self.stabiliser,
            "filtered": self.filtered,
            "stopped": self.stopped,
        }
        parts["error"] = start - mapped - self.bias - self.stabiliser - self.filtered - self.stopped
        parts["magnitude"] = self.total(relevance.abs())
        tiny = torch.finfo(torch.float64).tiny
        parts["amplification"] = parts["magnitude"] / start.abs().clamp_min(tiny)
        return parts


def is_closed(account: dict[str, float], double: bool = False) -> bool:
    """Whether the books close: |error| <= tol * max(1, |seed|, 1e-3 * sum|map|), tol 1e-3 (float32) or 1e-9 (float64)."""
    tolerance = 1e-9 if double else 1e-3
    return abs(account["error"]) <= tolerance * max(1.0, abs(account["seed"]), 1e-3 * account["magnitude"])
