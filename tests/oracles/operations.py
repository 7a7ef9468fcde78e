"""Operations of semantics section 4 that are not linear: the shares inside a pooling window, one window at a time."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor


def max_pool_proportional(a: Tensor, R: Tensor, kernel: int, stride: int, padding: int = 0) -> tuple[Tensor, float]:
    """``a`` (C, *space), ``R`` (C, *pooled): in proportion to a window's positive values; finding none, R stops."""
    relevance, stopped = torch.zeros_like(a), 0.0
    for channel in range(a.shape[0]):
        for place in itertools.product(*(range(length) for length in R.shape[1:])):
            window = tuple(
                slice(max(p * stride - padding, 0), min(p * stride - padding + kernel, length))
                for p, length in zip(place, a.shape[1:], strict=True)
            )
            positive = a[(channel, *window)].clamp(min=0)
            share = R[(channel, *place)]
            if float(positive.sum()) == 0.0:
                stopped += float(share)
            else:
                relevance[(channel, *window)] += positive / positive.sum() * share
    return relevance, stopped
