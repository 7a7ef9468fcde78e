"""Relative attributing propagation as the authors' code computes it, on networks their code cannot run too.

Reproduced from its formulas (reference data ``rap``): seed 1; the bias of the last layer shared out P : N; weights, not
products, split by sign, and both halves of a signed input propagated, which doubles the sum; convolutions send negative
relevance along negative weights only; the shift over C != 0; sums by a / (a + b), unbounded; batch norm loses relevance
where its input is zero. a / b is 0 where b is exactly 0. Use ``variant="paper"`` for reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from xai_core.rules.books import Books, per_sample
from xai_core.rules.context import Context, Shares
from xai_core.rules.derivative import derivative_of
from xai_core.rules.layers import LinearLayer, constant, is_free, layer_of
from xai_core.rules.linear import Box, described, negative, positive
from xai_core.rules.operations import arrived, share_matrix_product, share_sum, summed_to
from xai_core.rules.rap import INFLUENCE, ratio
from xai_core.steps import Step

PUBLISHED = "relative attributing as published: weights split by sign, both halves of a signed input"


@dataclass(frozen=True)
class PublishedLinear:
    """Linear layers of the published code; ``last`` and ``first``: ids of steps, ``target``: label of every sample."""

    last: frozenset[int]
    first: frozenset[int]
    target: tuple[int, ...]

    def __call__(self, context: Context, step: Step, relevance: Sequence[Tensor | None]) -> Shares:
        found = layer_of(step)
        if found is None:
            if step.operation == "convolution":
                raise context.unsupported(step)
            return share_matrix_product(context, step, relevance)
        layer, value = found
        a, r = context.tensor(value), arrived(relevance)
        is_convolution = step.operation == "convolution"
        name = step.path or step.operation
        if id(step) in self.last and not is_convolution:
            context.chosen[name] = INFLUENCE
            return [(value, self._logit_layer(layer, a))]
        if id(step) in self.first and is_convolution and a.shape[1] == 3:
            context.chosen[name] = described(Box())
            return [(value, Box()(layer, a, r, context.books, value.is_non_negative))]
        context.chosen[name] = PUBLISHED
        result = _half(layer, positive(a), r, is_convolution, context.books)
        if not value.is_non_negative:
            result = result + _half(layer, -negative(a), r, is_convolution, context.books)
        return [(value, result)]

    def _logit_layer(self, layer: LinearLayer, a: Tensor) -> Tensor:
        columns = layer.weight[:, list(self.target)].t()
        bias = layer.bias[list(self.target)].unsqueeze(1) if layer.bias is not None else torch.zeros_like(a[:, :1])
        products = a * columns
        for_target = positive(products).sum(1, keepdim=True)
        against = negative(products).sum(1, keepdim=True)
        up = positive(a)
        along = ratio(up * positive(columns), (up * positive(columns)).sum(1, keepdim=True))
        back = ratio(up * -negative(columns), (up * -negative(columns)).sum(1, keepdim=True))
        whole = for_target + against
        shares = products + bias * (ratio(for_target, whole) * along + ratio(against, whole) * back)
        return shares.abs() * ratio(shares.sum(1, keepdim=True), shares.abs().sum(1, keepdim=True))


def _half(layer: LinearLayer, u: Tensor, relevance: Tensor, is_convolution: bool, books: Books) -> Tensor:
    """Q(u) for one half of the input (u >= 0), with its shift."""
    plus, minus = positive(layer.weight), -negative(layer.weight)
    arrives = relevance != 0
    along, back = layer.forward(u, plus) * arrives, layer.forward(u, minus) * arrives
    share = ratio(back, along + back)
    if is_convolution:
        first, second = positive(relevance), share * relevance + negative(relevance)
    else:
        first, second = relevance, share * relevance
    result = u * layer.backward(ratio(first, along), plus, u) + u * layer.backward(ratio(second, back), minus, u)
    held = result != 0
    count = held.reshape(books.samples, -1).sum(1)
    shift = ((books.total(result) - books.total(relevance)) / count.clamp_min(1)).to(result.dtype)
    return result - per_sample(shift, result) * held


def published_pool(context: Context, step: Step, relevance: Sequence[Tensor | None]) -> Shares:
    """x_i sum_j dz_j/dx_i R_j / z_j for maximum and mean alike."""
    value = step.inputs[0]
    s = ratio(arrived(relevance), context.tensor(step.outputs[0]))
    ((_, share),) = derivative_of(context.recording, step, [s, *([None] * (len(step.outputs) - 1))])
    return [(value, share * context.tensor(value))]


def published_sum(context: Context, step: Step, relevance: Sequence[Tensor | None]) -> Shares:
    """a R / (a + b) and b R / (a + b)."""
    left, right = step.arguments[:2]
    if is_free(left) or is_free(right):
        return share_sum(context, step, relevance)
    s = ratio(arrived(relevance), context.tensor(left) + context.tensor(right))
    return [(part, summed_to(context.tensor(part) * s, part.shape)) for part in (left, right)]


def published_norm(context: Context, step: Step, relevance: Sequence[Tensor | None]) -> Shares:
    """R where input times weight is not exactly zero; elsewhere it is lost (``stopped``)."""
    value, r = step.arguments[0], arrived(relevance)
    weight = constant(step.arguments[1])
    a = context.tensor(value)
    product = a if weight is None else a * weight.reshape((1, -1) + (1,) * (a.ndim - 2))
    share = r * (product != 0)
    context.books.stopped += context.books.total(r) - context.books.total(share)
    return [(value, share)]
