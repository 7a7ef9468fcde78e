"""Every rule for linear operations, written as a sum over connections in float64 (semantics, section 3).

A linear operation is one dense matrix ``W`` (out, in), found by applying it to unit vectors, and a bias. Stride,
padding, groups, dilation and transposition are then nothing special, and a rule is its formula in the literature
over the contributions ``c_ij = a_i W_ji``. Slow on purpose.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Rule:
    """A rule by the name of semantics section 3 and its parameters."""

    name: str
    parameters: dict[str, Any] = field(default_factory=dict)


def rule(name: str, **parameters: Any) -> Rule:
    return Rule(name, parameters)


@dataclass(frozen=True)
class Share:
    """What one operation hands down: ``relevance`` like its input, and the sums that went elsewhere."""

    relevance: Tensor
    bias: float = 0.0
    stabiliser: float = 0.0
    stopped: float = 0.0


@dataclass(frozen=True)
class Affine:
    """``apply(u, weight)`` is linear in ``u`` (batch first), without the bias; ``bias`` broadcasts to the output.

    ``weight`` None: the operation has no parameters (pooling, sum); its coefficients are fixed.
    """

    apply: Callable[[Tensor, Tensor | None], Tensor]
    weight: Tensor | None
    bias: Tensor | float = 0.0

    def matrix(self, shape: tuple[int, ...], weight: Tensor | None = None) -> Tensor:
        """The dense (out, in) matrix over inputs of ``shape`` (without batch)."""
        count = int(torch.Size(shape).numel())
        unit = torch.eye(count, dtype=torch.float64).reshape(count, *shape)
        with torch.no_grad():
            return self.apply(unit, self.weight if weight is None else weight).reshape(count, -1).T

    def taps(self, shape: tuple[int, ...]) -> Tensor:
        """Which inputs an output sees at all, as 0 and 1, whatever the weight's value."""
        ones = None if self.weight is None else torch.ones_like(self.weight)
        return (self.matrix(shape, ones) != 0).to(torch.float64)


def affine_of(layer: nn.Module) -> Affine:
    """The affine map of a fully connected or (transposed) convolution layer, in float64."""
    import torch.nn.functional as F

    weight = layer.weight.detach().double()
    if isinstance(layer, nn.Linear):
        apply = F.linear
    elif isinstance(layer, nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d):
        transposed = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[weight.ndim - 3]

        def apply(u: Tensor, w: Tensor) -> Tensor:
            return transposed(
                u, w, None, layer.stride, layer.padding, layer.output_padding, layer.groups, layer.dilation
            )
    else:
        forward = (F.conv1d, F.conv2d, F.conv3d)[weight.ndim - 3]

        def apply(u: Tensor, w: Tensor) -> Tensor:
            return forward(u, w, None, layer.stride, layer.padding, layer.dilation, layer.groups)

    bias: Tensor | float = 0.0
    if layer.bias is not None:
        trailing = 0 if isinstance(layer, nn.Linear) else weight.ndim - 2
        bias = layer.bias.detach().double().reshape(-1, *[1] * trailing)
    return Affine(apply, weight, bias)


def dense_share(affine: Affine, how: Rule, a: Tensor, R: Tensor) -> Share:
    """``how`` on one sample: ``a`` the input and ``R`` the relevance above, both without batch, in float64."""
    W = affine.matrix(tuple(a.shape))
    b = torch.as_tensor(affine.bias, dtype=torch.float64).expand(R.shape).reshape(-1)
    result = _RULES[how.name](W, b, a.reshape(-1), R.reshape(-1), affine, tuple(a.shape), **how.parameters)
    return Share(result.relevance.reshape(a.shape), result.bias, result.stabiliser, result.stopped)


def quotient(upper: Tensor, lower: Tensor) -> Tensor:
    """upper / lower, and 0 where lower is exactly 0."""
    return torch.where(lower == 0, 0.0, upper / torch.where(lower == 0, 1.0, lower))


def sign(z: Tensor) -> Tensor:
    return torch.where(z >= 0, 1.0, -1.0).to(z.dtype)


def rms(z: Tensor) -> float:
    return float(z.double().square().mean().sqrt())


def _over(contributions: Tensor, lower: Tensor, R: Tensor) -> tuple[Tensor, float]:
    """sum_j c_ij / lower_j R_j, and what stops where lower_j is exactly 0."""
    return (contributions * quotient(R, lower)[:, None]).sum(0), float(R[lower == 0].sum())


def _epsilon(W: Tensor, b: Tensor, a: Tensor, R: Tensor, *_: Any, epsilon: float, relative: bool = False) -> Share:
    c = W * a
    z = c.sum(1) + b
    d = epsilon * (rms(z) if relative else 1.0) * sign(z)
    relevance, stopped = _over(c, z + d, R)
    s = quotient(R, z + d)
    return Share(relevance, float((b * s).sum()), float((d * s).sum()), stopped)


def _z(*arguments: Any, single: bool = False) -> Share:
    return _epsilon(*arguments, epsilon=1e-7 if single else 1e-12, relative=single)


def _epsilon_no_bias(W: Tensor, b: Tensor, *rest: Any, **parameters: Any) -> Share:
    return _epsilon(W, torch.zeros_like(b), *rest, **parameters)


def _gamma(W: Tensor, b: Tensor, a: Tensor, R: Tensor, *_: Any, gamma: float) -> Share:
    """Four quadrants (Andéol 2021): where z_j >= 0 the positive contributions are favoured, else the negative ones."""
    c = W * a
    z = c.sum(1) + b
    favoured = torch.where((z >= 0)[:, None], c.clamp(min=0), c.clamp(max=0))
    favoured_b = torch.where(z >= 0, b.clamp(min=0), b.clamp(max=0))
    c, b = c + gamma * favoured, b + gamma * favoured_b
    lower = c.sum(1) + b
    relevance, stopped = _over(c, lower, R)
    return Share(relevance, float((b * quotient(R, lower)).sum()), 0.0, stopped)


def _alpha_beta(
    W: Tensor, b: Tensor, a: Tensor, R: Tensor, *_: Any, alpha: float, beta: float, bias_split: str = "signed"
) -> Share:
    c = W * a
    halves = {"signed": (b.clamp(min=0), b.clamp(max=0)), "whole": (b, b), "none": (0 * b, 0 * b)}[bias_split]
    total = Share(torch.zeros_like(a))
    for factor, part, bias in ((alpha, c.clamp(min=0), halves[0]), (-beta, c.clamp(max=0), halves[1])):
        lower = part.sum(1) + bias
        relevance, stopped = _over(part, lower, factor * R)
        absorbed = float((bias * quotient(factor * R, lower)).sum())
        total = Share(total.relevance + relevance, total.bias + absorbed, 0.0, total.stopped + stopped)
    return total


def _plus(*arguments: Any) -> Share:
    return _alpha_beta(*arguments, alpha=1.0, beta=0.0, bias_split="none")


def _w_square(W: Tensor, b: Tensor, a: Tensor, R: Tensor, *_: Any) -> Share:
    relevance, stopped = _over(W.square(), W.square().sum(1), R)
    return Share(relevance, 0.0, 0.0, stopped)


def _flat(W: Tensor, b: Tensor, a: Tensor, R: Tensor, affine: Affine, shape: tuple[int, ...]) -> Share:
    taps = affine.taps(shape)
    relevance, stopped = _over(taps, taps.sum(1), R)
    return Share(relevance, 0.0, 0.0, stopped)


def _box(W: Tensor, b: Tensor, a: Tensor, R: Tensor, *_: Any, low: float, high: float) -> Share:
    c = a * W - low * W.clamp(min=0) - high * W.clamp(max=0)
    relevance, stopped = _over(c, c.sum(1), R)
    return Share(relevance, 0.0, 0.0, stopped)


_RULES: dict[str, Callable[..., Share]] = {
    "z": _z,
    "epsilon": _epsilon,
    "epsilon-no-bias": _epsilon_no_bias,
    "gamma": _gamma,
    "alpha-beta": _alpha_beta,
    "plus": _plus,
    "w-square": _w_square,
    "flat": _flat,
    "box": _box,
}
