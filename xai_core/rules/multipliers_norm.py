"""DeepLIFT's multipliers of norms that take their statistics from what they get: layer, group, instance norm.

y = (a - mean a) * r * weight + bias with r = 1 / sqrt(q + eps), q = mean of (a - mean a)^2. Every part is exact: centring is linear,
c * c and c * r are products (mean of the other factor), and the difference of the inverse root is
delta_r = - delta_q / (s s0 (s + s0)) with s = sqrt(q + eps). So the norm is complete without any integral.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from xai_core.rules.layers import constant
from xai_core.rules.multipliers import Shares, multiplier_rule
from xai_core.rules.operations import arrived
from xai_core.rules.pair import Pair
from xai_core.steps import NORMS, Step


def norm_multipliers(image: Tensor, baseline: Tensor, m: Tensor, axes: list[int], eps: float) -> Tensor:
    """Of (a - mean) / sqrt(variance + eps), statistics over ``axes``; ``m`` already times the norm's weight."""
    c, c0 = (a - a.mean(axes, keepdim=True) for a in (image, baseline))
    s, s0 = ((part.square().mean(axes, keepdim=True) + eps).sqrt() for part in (c, c0))
    middle = (c + c0) / 2
    count = c.numel() // max(s.numel(), 1)
    m_q = -(m * middle).sum(axes, keepdim=True) / (s * s0 * (s + s0))
    m_c = m * (1 / s + 1 / s0) / 2 + m_q * middle * (2 / count)
    found: Tensor = m_c - m_c.mean(axes, keepdim=True)
    return found


@multiplier_rule("native_layer_norm")
def of_layer_norm(pair: Pair, step: Step, outgoing: Sequence[Tensor | None]) -> Shares:
    value, shape, weight, _, eps = step.arguments[:5]
    m = arrived(outgoing)
    m = m if weight is None else m * constant(weight)
    return [(value, norm_multipliers(*pair.at(value), m, list(range(-len(shape), 0)), eps))]


@multiplier_rule("native_group_norm")
def of_group_norm(pair: Pair, step: Step, outgoing: Sequence[Tensor | None]) -> Shares:
    value, weight = step.arguments[:2]
    groups, eps = step.arguments[6:8]
    return [(value, _grouped(pair, step, arrived(outgoing), weight, groups, eps))]


@multiplier_rule(*NORMS)
def of_batch_statistics(pair: Pair, step: Step, outgoing: Sequence[Tensor | None]) -> Shares:
    """Batch norm by the batch's own statistics; instance norm is one over samples folded into channels."""
    value, weight = step.arguments[:2]
    image, baseline = pair.at(value)
    m = arrived(outgoing)
    m = m if weight is None else m * _per_channel(constant(weight), m)
    axes = [axis for axis in range(m.ndim) if axis != 1]
    return [(value, norm_multipliers(image, baseline, m, axes, step.arguments[-1]))]


def _grouped(pair: Pair, step: Step, m: Tensor, weight: object, groups: int, eps: float) -> Tensor:
    fixed = constant(weight)
    m = m if fixed is None else m * _per_channel(fixed, m)
    rows = (m.shape[0], groups, -1)
    image, baseline = pair.at(step.inputs[0])
    found = norm_multipliers(image.reshape(rows), baseline.reshape(rows), m.reshape(rows), [2], eps)
    return found.reshape(m.shape)


def _per_channel(weight: Tensor, like: Tensor) -> Tensor:
    return weight.reshape((1, -1) + (1,) * (like.ndim - 2))
