"""Relative attributing propagation as the paper has it (Nam et al., AAAI 2020, equations 3 to 6).

The layer of the logit shares by rule ``z`` and turns shares into influence (equation 4): R_i = |r_i| sum(r) / sum|r|.
Every layer below sends R_j along positive products, and the share |Z-| / (|Z+| + |Z-|) of it along negative ones too
(equation 5); what that adds is taken back evenly from the activated neurons (equation 6), so the sum is conserved. The first layer is
``box``, without a shift. Sums and norms are shared as by alpha 1 beta 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from xai_core.rules.books import Books, per_sample
from xai_core.rules.context import Context, Shares
from xai_core.rules.layers import LinearLayer, layer_of
from xai_core.rules.linear import Box, Z, described, negative, positive
from xai_core.rules.operations import ACTIVATIONS, arrived, share_matrix_product
from xai_core.steps import Step, Value

_ACTIVATIONS = frozenset(ACTIVATIONS)
INFLUENCE = "influence: the size of each share, with the sign of their sum"
RELATIVE = "relative attributing: along positive and, in proportion, negative products, the surplus taken back evenly"


@dataclass(frozen=True)
class RelativeAttributing:
    """Step rules for linear layers; ``last`` and ``first``: ids of the steps next to the logit and next to the input."""

    last: frozenset[int]
    first: frozenset[int]
    box: Box
    keeps_norms: ClassVar[bool] = False

    def __call__(self, context: Context, step: Step, relevance: Sequence[Tensor | None]) -> Shares:
        found = layer_of(step, context.folded.pop(id(step), None))
        if found is None:
            if step.operation == "convolution":
                raise context.unsupported(step)
            return share_matrix_product(context, step, relevance)
        layer, value = found
        a, r = context.tensor(value), arrived(relevance)
        name = step.path or step.operation
        if id(step) in self.last:
            context.chosen[name] = INFLUENCE
            return [(value, influence(Z(layer, a, r, context.books, value.is_non_negative), context.books))]
        if id(step) in self.first:
            context.chosen[name] = described(self.box)
            return [(value, self.box(layer, a, r, context.books, value.is_non_negative))]
        context.chosen[name] = RELATIVE
        activated = a > 0 if is_activated(value) else a != 0
        return [(value, relative(layer, a, r, activated, context.books, value.is_non_negative))]


def influence(contributions: Tensor, books: Books) -> Tensor:
    """Equation 4: |r_i| sum(r) / sum|r| per sample; the sum is kept, signs become one."""
    magnitude = contributions.abs()
    share = ratio(contributions.reshape(books.samples, -1).sum(1), magnitude.reshape(books.samples, -1).sum(1))
    return magnitude * per_sample(share, magnitude)


def relative(
    layer: LinearLayer, a: Tensor, relevance: Tensor, activated: Tensor, books: Books, is_non_negative: bool
) -> Tensor:
    """Equations 5 and 6 for one layer, on products a_i w_ij and without bias."""
    weight = layer.scale_free_weight
    plus, minus = positive(weight), negative(weight)
    up = a if is_non_negative else positive(a)
    if is_non_negative:
        for_target, against = layer.forward(up, plus), layer.forward(up, minus)
    else:
        down = negative(a)
        for_target = layer.forward_pair(up, down, plus, minus)
        against = layer.forward_pair(up, down, minus, plus)
    along = ratio(relevance, for_target)
    back = ratio(relevance, for_target - against)
    result = (layer.backward(along, plus, a) - layer.backward(back, minus, a)).mul_(up)
    if not is_non_negative:
        result += (layer.backward(along, minus, a) - layer.backward(back, plus, a)).mul_(down)
    return shifted(result.mul_(activated), relevance, activated, books)


def shifted(result: Tensor, relevance: Tensor, activated: Tensor, books: Books) -> Tensor:
    """Equation 6: what came too much is taken evenly from the activated neurons; none activated: R ends in ``stopped``."""
    count = activated.reshape(books.samples, -1).sum(1)
    surplus = books.total(result) - books.total(relevance)
    books.stopped += torch.where(count == 0, -surplus, torch.zeros_like(surplus))
    shift = (surplus / count.clamp_min(1)).to(result.dtype)
    return result - per_sample(shift, result) * activated


def ratio(relevance: Tensor, z: Tensor) -> Tensor:
    """R / z, 0 where z is exactly 0 (the shift gives that part back)."""
    return torch.where(z == 0, torch.zeros((), dtype=z.dtype, device=z.device), relevance / z)


def is_activated(value: Value) -> bool:
    """True for the output of an activation, whose active neurons are the positive ones."""
    return value.producer is not None and value.producer.operation in _ACTIVATIONS
