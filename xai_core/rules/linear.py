"""LRP rules for linear operations, each stated once over :class:`~xai_core.rules.layers.LinearLayer`.

a: the layer's input, z = W a + b, R: relevance of the outputs, s(z) = +1 for z >= 0 else -1. Every rule returns the
relevance of a and writes what did not arrive into the books. A denominator of exactly zero sends its R to ``stopped``.
Sources: Bach et al. 2015 (equations 56-60); Montavon et al. 2017 (w-square, box), 2019 (overview); Andéol et al. 2021 (signed gamma).
Bach 2015 has R = alpha P - beta N with N over negative products; we keep that sign (some later papers print +beta).
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import cache
from math import inf, isfinite
from typing import ClassVar, Literal, Protocol

import torch
from torch import Tensor
from torch.nn.functional import leaky_relu

from xai_core.errors import ParameterError
from xai_core.rules.books import Books, per_sample
from xai_core.rules.layers import LinearLayer

BiasSplit = Literal["signed", "whole", "none"]


@cache
def described(rule: LinearRule) -> str:
    """The rule with its numbers in words, as the page shows it."""
    return str(rule)


class LinearRule(Hashable, Protocol):
    """``keeps_norms``: whether a batch norm standing alone is a layer with a bias of its own (z, epsilon) or is passed through;
    ``remakes_weights``: whether it splits or changes the weights, each output's for itself."""

    keeps_norms: ClassVar[bool]
    remakes_weights: ClassVar[bool]

    def __call__(self, layer: LinearLayer, a: Tensor, relevance: Tensor, books: Books, is_non_negative: bool) -> Tensor:
        """Relevance of ``a``."""
        ...

    def share_sum(self, parts: list[Tensor], relevance: Tensor, books: Books, is_non_negative: bool) -> list[Tensor]:
        """Relevance of each summand of a sum, seen as a linear operation with weights 1."""
        ...


def applied(
    rule: LinearRule, layer: LinearLayer, a: Tensor, relevance: Tensor, books: Books, is_non_negative: bool
) -> Tensor:
    """Relevance of ``a`` by ``rule``; remade weights of a large matrix are made for a block of outputs at a time."""
    blocks = layer.blocks() if rule.remakes_weights else []
    if len(blocks) < 2:
        return rule(layer, a, relevance, books, is_non_negative)
    result = torch.zeros_like(a)
    for outputs, block in blocks:
        result += rule(block, a, relevance[..., outputs], books, is_non_negative)
    return result


def divided(relevance: Tensor, z: Tensor, books: Books) -> Tensor:
    """R / z with 0 where z is exactly 0; that R goes to ``stopped``. What is not finite otherwise stays so, and is seen."""
    s = relevance / z
    if isfinite(float(s.sum())):
        return s
    if isfinite(float(relevance.sum())) and isfinite(float(z.sum())):
        s.nan_to_num_(0.0, inf, -inf)  # of finite numbers only 0 / 0 is NaN: nothing to lose
        if isfinite(float(s.sum())):
            return s
    zero = z == 0
    books.stopped += books.total(torch.where(zero, relevance, torch.zeros((), dtype=z.dtype, device=z.device)))
    return s.masked_fill_(zero, 0)


def positive(tensor: Tensor) -> Tensor:
    return tensor.clamp(min=0)


def negative(tensor: Tensor) -> Tensor:
    return tensor.clamp(max=0)


def signed_step(z: Tensor, size: Tensor | float) -> Tensor:
    """size * s(z)."""
    step = torch.ones_like(z).copysign_(z + 0.0)
    return step.mul_(size)


def machine_step(z: Tensor, books: Books) -> Tensor | float:
    """d of rule ``z``: 1e-12 in float64, 1e-7 * rms(z) in float32, per sample."""
    return 1e-12 if z.dtype == torch.float64 else 1e-7 * books.root_mean_square(z)


@dataclass(frozen=True)
class Epsilon:
    """R_i = sum_j a_i w_ij / (z_j + epsilon s(z_j)) R_j (Bach 2015, eq. 58). ``relative``: epsilon is a share of rms(z).

    ``epsilon`` None is rule ``z``: LRP-0 with a step of machine size only. ``bias`` False leaves b out of z.
    """

    epsilon: float | None = 1e-6
    relative: bool = False
    bias: bool = True
    keeps_norms: ClassVar[bool] = True
    remakes_weights: ClassVar[bool] = False

    def __str__(self) -> str:
        bias = "" if self.bias else ", without bias"
        if self.epsilon is None:
            return f"z: each product's share of the sum{bias}"
        unit = " of the layer's typical output" if self.relative else ""
        return f"epsilon {self.epsilon:g}{unit}: each product's share, small sums damped{bias}"

    def _size(self, z: Tensor, books: Books) -> Tensor | float:
        if self.epsilon is None:
            return machine_step(z, books)
        return self.epsilon * books.root_mean_square(z) if self.relative else self.epsilon

    def ratio(self, z: Tensor, relevance: Tensor, books: Books) -> Tensor:
        """R / (z + d s(z)), with what d absorbs in the books."""
        step = signed_step(z, self._size(z, books))
        s = divided(relevance, z + step, books)
        books.stabiliser += books.total(s * step)
        return s

    def __call__(self, layer: LinearLayer, a: Tensor, relevance: Tensor, books: Books, is_non_negative: bool) -> Tensor:
        weight = layer.weight
        bias = layer.bias if self.bias else None
        z = layer.output if layer.output is not None and bias is layer.bias else layer.forward(a, weight, bias)
        s = self.ratio(z, relevance, books)
        if bias is not None:
            books.bias += books.total(layer.bias_share(s, bias))
        return layer.backward(s, weight, a).mul_(a)

    def share_sum(self, parts: list[Tensor], relevance: Tensor, books: Books, is_non_negative: bool) -> list[Tensor]:
        s = self.ratio(_added(parts).expand_as(relevance), relevance, books)
        return [part * s for part in parts]


@dataclass(frozen=True)
class AlphaBeta:
    """R_i = sum_j (alpha (a_i w_ij)+ / z_j+ - beta (a_i w_ij)- / z_j-) R_j (Bach 2015, eq. 60), alpha - beta = 1.

    (a w)+ is the sign of the product: a+ w+ + a- w-. ``bias_split``: "signed" counts b+ in z+ and b- in z- (LRP toolbox,
    default), "whole" the whole b in both (iNNvestigate), "none" leaves it out. A half without any product (z+ = 0 or
    z- = 0) loses its share to ``stopped``.
    """

    alpha: float = 1.0
    beta: float = 0.0
    bias_split: BiasSplit = "signed"
    keeps_norms: ClassVar[bool] = False
    remakes_weights: ClassVar[bool] = True

    def __str__(self) -> str:
        bias = {"signed": "biases by their sign", "whole": "the whole bias in each half", "none": "without bias"}
        against = "" if self.beta == 0 else f" less {self.beta:g} x negative ones"
        name = "plus" if self == PLUS else f"alpha {self.alpha:g} beta {self.beta:g}"
        factor = "" if self.alpha == 1 else f"{self.alpha:g} x "
        return f"{name}: {factor}positive products{against}, {bias[self.bias_split]}"

    def __call__(self, layer: LinearLayer, a: Tensor, relevance: Tensor, books: Books, is_non_negative: bool) -> Tensor:
        bias = None if self.bias_split == "none" else layer.bias
        weight = layer.scale_free_weight if bias is None else layer.weight
        plus, minus = positive(weight), None if is_non_negative and self.beta == 0 else negative(weight)
        result = self._half(
            layer, a, plus, minus, self._part(bias, positive), _times(self.alpha, relevance), books, is_non_negative
        )
        if self.beta != 0:
            assert minus is not None
            share = -self.beta * relevance
            result += self._half(layer, a, minus, plus, self._part(bias, negative), share, books, is_non_negative)
        return result

    def _part(self, bias: Tensor | None, half: object) -> Tensor | None:
        if bias is None or self.bias_split == "whole":
            return bias
        return positive(bias) if half is positive else negative(bias)

    @staticmethod
    def _half(
        layer: LinearLayer,
        a: Tensor,
        same: Tensor,
        other: Tensor | None,
        bias: Tensor | None,
        relevance: Tensor,
        books: Books,
        is_non_negative: bool,
    ) -> Tensor:
        """All products of one sign: a+ with ``same`` and, where a can be negative, a- with ``other``."""
        if is_non_negative:
            s = divided(relevance, layer.forward(a, same, bias), books)
            result = layer.backward(s, same, a).mul_(a)
        else:
            assert other is not None
            up, down = positive(a), negative(a)
            s = divided(relevance, layer.forward_pair(up, down, same, other, bias), books)
            from_up, from_down = layer.backward_pair(s, same, other, a)
            result = (up * from_up).addcmul_(down, from_down)
        if bias is not None:
            books.bias += books.total(layer.bias_share(s, bias))
        return result

    def share_sum(self, parts: list[Tensor], relevance: Tensor, books: Books, is_non_negative: bool) -> list[Tensor]:
        if is_non_negative and self.beta == 0:
            s = divided(relevance, _added(parts).expand_as(relevance), books)
            return [part * s for part in parts]
        ups = [positive(part) for part in parts]
        s = divided(_times(self.alpha, relevance), _added(ups).expand_as(relevance), books)
        shares = [up.mul_(s) if up.shape == s.shape else up * s for up in ups]
        if self.beta != 0:
            downs = [negative(part) for part in parts]
            s = divided(-self.beta * relevance, _added(downs).expand_as(relevance), books)
            shares = [share + down * s for share, down in zip(shares, downs, strict=True)]
        return shares


@dataclass(frozen=True)
class Gamma:
    """R_i = sum_j a_i (w_ij + gamma w_ij+) / sum_i a_i (w_ij + gamma w_ij+) R_j, in a form for inputs of both signs (Andéol et al. 2021).

    It is zennit's ``Gamma``. Outputs z_j > 0 share by a+ (w + g w+) + a- (w + g w-), outputs z_j < 0 by a+ (w + g w-) + a- (w + g w+); biases alike.
    An output of exactly zero sends its relevance to ``stopped``. Since w+ and w- are (w +- |w|) / 2, both cases are one:
    R_i = sum_j (c a_i w_ij s(z_j) + h |a_i w_ij|) / (c |z_j| + h sum_i |a_i w_ij|) R_j with h = g / 2, c = 1 + h, the bias an
    input of 1: two passes down and two up for all four quadrants, and no difference of two large terms below the line.
    """

    gamma: float = 0.25
    keeps_norms: ClassVar[bool] = False
    remakes_weights: ClassVar[bool] = True

    def __str__(self) -> str:
        return f"gamma {self.gamma:g}: what has the output's sign counts {1 + self.gamma:g}-fold"

    def __call__(self, layer: LinearLayer, a: Tensor, relevance: Tensor, books: Books, is_non_negative: bool) -> Tensor:
        weight, bias = layer.weight, layer.bias
        known = layer.rectified if layer.is_silent_below(relevance) else None
        if is_non_negative and known is not None:
            return self._upper(layer, a, weight, bias, relevance, books)
        half, whole = self.gamma / 2, 1 + self.gamma / 2
        size, magnitude = weight.abs(), a if is_non_negative else a.abs()
        z = layer.forward(a, weight, bias) if known is None else known  # where it differs there is no relevance
        total = layer.forward(magnitude, size, None if bias is None else bias.abs()).mul_(half)
        total.add_(z.abs(), alpha=whole)
        if known is None:
            total.masked_fill_(z == 0, 0)
        unsigned = divided(relevance, total, books)
        signed = z.sign().mul_(unsigned).mul_(whole)
        unsigned.mul_(half)
        if bias is not None:
            books.bias += books.total(layer.bias_share(signed, bias) + layer.bias_share(unsigned, bias.abs()))
        if is_non_negative:
            return layer.backward(signed, weight, a).add_(layer.backward(unsigned, size, a)).mul_(a)
        result = layer.backward(signed, weight, a).mul_(a)
        return result.addcmul_(magnitude, layer.backward(unsigned, size, a))

    def _upper(
        self, layer: LinearLayer, a: Tensor, weight: Tensor, bias: Tensor | None, relevance: Tensor, books: Books
    ) -> Tensor:
        """a >= 0 and relevance at outputs z > 0 alone: one quadrant. Weights and bias are in units of 1 + gamma, which cancels."""
        favoured = leaky_relu(weight, 1 / (1 + self.gamma))
        modified = None if bias is None else leaky_relu(bias, 1 / (1 + self.gamma))
        s = divided(relevance, layer.forward(a, favoured, modified), books)
        if modified is not None:
            books.bias += books.total(layer.bias_share(s, modified))
        return layer.backward(s, favoured, a).mul_(a)

    def share_sum(self, parts: list[Tensor], relevance: Tensor, books: Books, is_non_negative: bool) -> list[Tensor]:
        z = _added(parts).expand_as(relevance)
        shares = []
        lifted_up = [part + self.gamma * positive(part) for part in parts]
        lifted_down = [part + self.gamma * negative(part) for part in parts]
        one = torch.ones((), dtype=z.dtype, device=z.device)
        denominator = torch.where(z > 0, _added(lifted_up), torch.where(z < 0, _added(lifted_down), 0 * one))
        s = divided(relevance, denominator, books)
        for up, down in zip(lifted_up, lifted_down, strict=True):
            shares.append(torch.where(z > 0, up, down) * s)
        return shares


@dataclass(frozen=True)
class WeightSquare:
    """R_i = sum_j w_ij^2 / sum_i w_ij^2 R_j, not multiplied by a (Montavon 2017, eq. 12). Padded taps do not count."""

    keeps_norms: ClassVar[bool] = False
    remakes_weights: ClassVar[bool] = True

    def __str__(self) -> str:
        return "w-square: by squared weights, whatever the inputs hold"

    def _weight(self, layer: LinearLayer) -> Tensor:
        return layer.scale_free_weight.square()

    def __call__(self, layer: LinearLayer, a: Tensor, relevance: Tensor, books: Books, is_non_negative: bool) -> Tensor:
        weight = self._weight(layer)
        z = layer.forward(layer.ones(a), weight).expand_as(relevance)
        result = layer.backward(divided(relevance, z, books), weight, a)
        return result if layer.valid is None else result.mul_(layer.valid)

    def share_sum(self, parts: list[Tensor], relevance: Tensor, books: Books, is_non_negative: bool) -> list[Tensor]:
        return [relevance / len(parts) for _ in parts]


@dataclass(frozen=True)
class Flat(WeightSquare):
    """R_i = sum_j R_j / fan-in, valid taps only (Lapuschkin 2019). Not multiplied by a."""

    def __str__(self) -> str:
        return "flat: every input alike"

    def _weight(self, layer: LinearLayer) -> Tensor:
        return torch.ones_like(layer.scale_free_weight)


@dataclass(frozen=True)
class Box:
    """z^B: R_i = sum_j (a_i w_ij - l w_ij+ - h w_ij-) / (the same summed over i) R_j (Montavon 2017, eq. 14). No bias.

    ``low``, ``high``: the least and greatest value an input can take; None takes those of the sample.
    """

    low: float | None = None
    high: float | None = None
    keeps_norms: ClassVar[bool] = False
    remakes_weights: ClassVar[bool] = True

    def __str__(self) -> str:
        low, high = (
            "the card's or the image's own" if bound is None else f"{bound:g}" for bound in (self.low, self.high)
        )
        return f"box: by distance from the least possible value ({low}) and from the greatest ({high})"

    def __post_init__(self) -> None:
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ParameterError(
                f"low = {self.low:g} is not below high = {self.high:g}.",
                "Give the least and the greatest value an input can take.",
            )

    def __call__(self, layer: LinearLayer, a: Tensor, relevance: Tensor, books: Books, is_non_negative: bool) -> Tensor:
        weight = layer.scale_free_weight
        plus, minus = positive(weight), negative(weight)
        samples = a.reshape(books.samples, -1)
        low = per_sample(samples.amin(1), a) if self.low is None else torch.full_like(a[:1], self.low)
        high = per_sample(samples.amax(1), a) if self.high is None else torch.full_like(a[:1], self.high)
        above, below = a - low * layer.ones(a), a - high * layer.ones(a)  # so written no two large terms cancel
        s = divided(relevance, layer.forward_pair(above, below, plus, minus), books)
        from_above, from_below = layer.backward_pair(s, plus, minus, a)
        return (above * from_above).addcmul_(below, from_below)

    def share_sum(self, parts: list[Tensor], relevance: Tensor, books: Books, is_non_negative: bool) -> list[Tensor]:
        return PLUS.share_sum(parts, relevance, books, is_non_negative)


@dataclass(frozen=True)
class Study:
    """Rule of the 3-D U-Net study (Tjoa et al., arXiv 1911.08136): R = x * W+^T (R / (W+ x + 1e-9)), x signed, no bias."""

    step: float = 1e-9
    keeps_norms: ClassVar[bool] = False
    remakes_weights: ClassVar[bool] = True

    def __str__(self) -> str:
        return "study: positive weights against signed inputs, without bias"

    def __call__(self, layer: LinearLayer, a: Tensor, relevance: Tensor, books: Books, is_non_negative: bool) -> Tensor:
        weight = positive(layer.scale_free_weight)
        s = divided(relevance, layer.forward(a, weight) + self.step, books)
        books.stabiliser += self.step * books.total(s)
        return layer.backward(s, weight, a).mul_(a)

    def share_sum(self, parts: list[Tensor], relevance: Tensor, books: Books, is_non_negative: bool) -> list[Tensor]:
        return PLUS.share_sum(parts, relevance, books, is_non_negative)


def _times(factor: float, relevance: Tensor) -> Tensor:
    return relevance if factor == 1 else factor * relevance


def _added(parts: list[Tensor]) -> Tensor:
    result = parts[0]
    for part in parts[1:]:
        result = result + part
    return result


Z = Epsilon(epsilon=None)
PLUS = AlphaBeta(1.0, 0.0, "none")
