"""DeepLIFT's multipliers of softmax and attention inside the network.

Softmax: the mean of its gradient on the straight line between its two inputs, so that, as for the gradient, the multipliers of
a row sum to zero. (captum subtracts the mean over the whole tensor after Rescale, which is complete for one row alone.)
Attention is taken apart into its two products, exact by the mean of the other factor, and the softmax between them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from xai_core.rules.layers import constant, is_free
from xai_core.rules.multipliers import NODES, Shares, along_the_line, multiplier_rule
from xai_core.rules.operations import arrived
from xai_core.rules.pair import Pair
from xai_core.steps import Step, Value


@multiplier_rule("_softmax", "_safe_softmax")
def of_softmax(pair: Pair, step: Step, outgoing: Sequence[Tensor | None]) -> Shares:
    """Softmax along ``dim``."""
    value = step.inputs[0]
    return [(value, softmax_multipliers(*pair.at(value), arrived(outgoing), step.arguments[1]))]


@multiplier_rule("_scaled_dot_product_flash_attention_for_cpu")
def of_attention(pair: Pair, step: Step, outgoing: Sequence[Tensor | None]) -> Shares:
    """softmax(q k^T) v: m_scores = m mean(v)^T through the softmax; m_q = m_scores mean(k); m_v = mean(weights)^T m."""
    mask = step.options.get("attn_mask")
    is_plain = len(step.arguments) <= 3 or not any(step.arguments[3:])  # neither dropout nor a causal mask
    if not is_plain or not is_free(mask) or any(is_free(part) for part in step.arguments[:3]):
        return along_the_line(pair, step, outgoing)
    (q, q0), (k, k0), (v, v0) = (pair.at(part) for part in step.arguments[:3])
    scale = step.options.get("scale") or q.shape[-1] ** -0.5
    scores, scores0 = (_scores(*both, scale, constant(mask)) for both in ((q, k), (q0, k0)))
    m = arrived(outgoing)
    weights = (scores.softmax(-1) + scores0.softmax(-1)) / 2
    m_scores = softmax_multipliers(scores, scores0, m @ ((v + v0) / 2).transpose(-1, -2), -1) * scale
    shares = (m_scores @ ((k + k0) / 2), m_scores.transpose(-1, -2) @ ((q + q0) / 2), weights.transpose(-1, -2) @ m)
    return [(part, share) for part, share in zip(_values(step), shares, strict=True)]


def _values(step: Step) -> list[Value]:
    return [part for part in step.arguments[:3] if isinstance(part, Value)]


def _scores(query: Tensor, key: Tensor, scale: float, mask: Tensor | None) -> Tensor:
    scores = query @ key.transpose(-1, -2) * scale
    if mask is None:
        return scores
    return scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask


def softmax_multipliers(image: Tensor, baseline: Tensor, m: Tensor, dim: int) -> Tensor:
    """The mean of softmax's transposed Jacobian times ``m`` between both inputs; every row complete to rounding."""
    is_open = torch.isfinite(image) & torch.isfinite(baseline)  # elsewhere masked in both
    run = torch.where(is_open, image - baseline, 0)
    wanted = (m * (image.softmax(dim) - baseline.softmax(dim))).sum(dim, keepdim=True)
    scale = (m * (image.softmax(dim) - baseline.softmax(dim))).abs().sum(dim, keepdim=True)
    tolerance = (1e-10 if m.dtype == torch.float64 else 1e-6) * scale.sum()
    missing, found = wanted, torch.zeros_like(m)
    for nodes in NODES:
        found = torch.zeros_like(m)
        for place, weight in zip(*np.polynomial.legendre.leggauss(nodes), strict=True):
            s = (image - run * ((1 - float(place)) / 2)).softmax(dim)
            s_m = s * m
            found += (s_m - s * s_m.sum(dim, keepdim=True)) * (float(weight) / 2)
        missing = wanted - (found * run).sum(dim, keepdim=True)
        if bool(missing.abs().sum() <= tolerance):
            break
    centred = torch.where(is_open, run - run.sum(dim, keepdim=True) / is_open.sum(dim, keepdim=True), 0)
    length = (centred * run).sum(dim, keepdim=True)
    return found + torch.where(length > 0, missing / length, 0) * centred
