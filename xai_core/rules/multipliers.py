"""DeepLIFT's multipliers, one rule per ATen operation (Shrikumar et al. 2017, section 3), complete at every step.

Each rule turns the multipliers m of the outputs into those of the inputs (equation 3, the chain rule) so that
sum m_in * delta_in = sum m_out * delta_out, delta being the difference from the baseline. Summed up that is completeness
(equation 1, "summation to delta"), whatever the network is made of.

* linear operations: the transposed map (section 3.5.1; positive and negative parts have the same multipliers under Rescale);
* elementwise functions: delta_out / delta_in (3.5.2), its limit where both are near; * products: the mean of the other
  factor, as its package has it;
* maximum: a rise goes to the winner in the image, a fall to the winner in the baseline; each was at least as far off;
* norms by their own statistics: centring is linear, the variance a mean of products, its inverse root an exact quotient;
* softmax and anything else with many inputs: the mean gradient on the straight line between its two inputs (Aumann-Shapley
  of that one operation), by Gauss-Legendre; what rounding or a kink leaves over is added by the least change of m.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from xai_core.errors import UnsupportedOperationError
from xai_core.rules.derivative import derivative_of
from xai_core.rules.layers import is_free
from xai_core.rules.linearity import BILINEAR, free_value, is_linear, is_pointwise
from xai_core.rules.operations import arrived, summed_to
from xai_core.rules.pair import Pair
from xai_core.rules.slope import slope_of
from xai_core.steps import Step, Value

Shares = Iterable[tuple[Value, Tensor]]
Multipliers = Callable[[Pair, Step, Sequence[Tensor | None]], Shares]
MULTIPLIERS: dict[str, Multipliers] = {}
ALTERNATIVES = ("gradient", "input-x-gradient", "occlusion")
NODES = (4, 8, 16, 32, 64)
_CLOSES = {torch.float64: 1e-12}
_CLOSES_ELSEWHERE = 1e-6
_ENOUGH = 1e-3


def multiplier_rule(*operations: str) -> Callable[[Multipliers], Multipliers]:
    """Register the decorated function for ATen operations that are not linear in all their inputs."""

    def add(rule: Multipliers) -> Multipliers:
        for operation in operations:
            MULTIPLIERS[operation] = rule
        return rule

    return add


def multipliers_of(pair: Pair, step: Step, outgoing: Sequence[Tensor | None]) -> Shares:
    """Pairs (value, multiplier) for every input of ``step`` that depends on the network's input.

    Raises :class:`UnsupportedOperationError` where no multiplier can account for the difference of the outputs.
    """
    if pair.constants_differ(step):
        if not is_pointwise(step):
            raise unsupported(step)
        return by_slope(pair, step, outgoing)
    if is_linear(step):
        return derivative_of(pair.image, step, outgoing)
    if is_pointwise(step):
        return by_slope(pair, step, outgoing)
    if step.operation in BILINEAR:
        return derivative_of(pair.between(step, 0.5), step, outgoing)
    return MULTIPLIERS.get(step.operation, along_the_line)(pair, step, outgoing)


def unsupported(step: Step) -> UnsupportedOperationError:
    return UnsupportedOperationError(step.operation, step.path, "deeplift", ALTERNATIVES)


def by_slope(pair: Pair, step: Step, outgoing: Sequence[Tensor | None]) -> Shares:
    """Rescale: delta_out / delta_in of every element (section 3.5.2)."""
    value = free_value(step)
    return [(value, slope_of(pair, step, value).mul_(arrived(outgoing)))]


def along_the_line(pair: Pair, step: Step, outgoing: Sequence[Tensor | None]) -> Shares:
    """The mean gradient of one operation on the straight line between its two inputs, complete to rounding."""
    wanted, scale = 0.0, torch.finfo(torch.float64).tiny
    for output, m in zip(step.outputs, outgoing, strict=True):
        if m is not None:
            moved = pair.delta(output) * m
            wanted += float(moved.sum(dtype=torch.float64))
            scale += float(moved.abs().sum(dtype=torch.float64))
    tolerance = _CLOSES.get(step.outputs[0].dtype, _CLOSES_ELSEWHERE)
    missing = scale
    found: dict[int, tuple[Value, Tensor]] = {}
    for nodes in NODES:
        found = _mean_gradient(pair, step, outgoing, nodes)
        given = sum(float((pair.delta(value) * m).sum(dtype=torch.float64)) for value, m in found.values())
        missing = wanted - given
        if abs(missing) <= tolerance * scale:
            break
    if not abs(missing) <= _ENOUGH * scale:
        raise unsupported(step)
    length = sum(float(pair.delta(value).square().sum(dtype=torch.float64)) for value, _ in found.values())
    return [(value, m + pair.delta(value) * (missing / length) if length else m) for value, m in found.values()]


def _mean_gradient(
    pair: Pair, step: Step, outgoing: Sequence[Tensor | None], nodes: int
) -> dict[int, tuple[Value, Tensor]]:
    places, weights = np.polynomial.legendre.leggauss(nodes)
    found: dict[int, tuple[Value, Tensor]] = {}
    for place, weight in zip(places, weights, strict=True):
        for value, gradient in derivative_of(pair.between(step, (1 + float(place)) / 2), step, outgoing):
            share = gradient * (float(weight) / 2)
            if value.index in found:
                share += found[value.index][1]
            found[value.index] = (value, share)
    return found


@multiplier_rule("div")
def of_quotient(pair: Pair, step: Step, outgoing: Sequence[Tensor | None]) -> Shares:
    """a / b = a * (1 / b): delta = mean(1 / b) delta_a - mean(a) / (b b0) delta_b, exactly."""
    m = arrived(outgoing)
    above, below = (_both(pair, part) for part in step.arguments[:2])
    if step.options:  # rounded
        raise unsupported(step)
    shares = []
    for part, factor in (
        (step.arguments[0], (1 / below[0] + 1 / below[1]) / 2),
        (step.arguments[1], (above[0] + above[1]) / (-2 * below[0] * below[1])),
    ):
        if not is_free(part):
            shares.append((part, summed_to(m * factor, part.shape)))
    return shares


def _both(pair: Pair, part: object) -> tuple[Tensor, Tensor]:
    if isinstance(part, Value):
        return pair.at(part)
    fixed = torch.as_tensor(part)
    return fixed, fixed
