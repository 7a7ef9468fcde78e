"""The same rules without a matrix, for whole networks: forward maps and their transposes by autograd, in float64.

Checked against :mod:`tests.oracles.linear` connection by connection in ``tests/oracles/test_oracles.py``.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tests.oracles.linear import Affine, Rule, Share, quotient, rms, sign


def large_share(affine: Affine, how: Rule, a: Tensor, R: Tensor) -> Share:
    """As :func:`tests.oracles.linear.dense_share`."""
    parts = _Parts(affine, a)
    b = torch.as_tensor(affine.bias, dtype=torch.float64).expand(R.shape)
    return _RULES[how.name](parts, b, R, **how.parameters)


class _Parts:
    """Sums of contributions over inputs (``over_inputs``) and back (``to_inputs``), by sign of the product."""

    def __init__(self, affine: Affine, a: Tensor) -> None:
        self.affine, self.a = affine, a
        weight = affine.weight
        self.weights = {
            "all": weight,
            "+": None if weight is None else weight.clamp(min=0),
            "-": None if weight is None else weight.clamp(max=0),
        }

    def terms(self, which: str) -> list[tuple[Tensor, str]]:
        """Pairs (input part, weight part) whose products are the contributions of sign ``which``."""
        a = self.a
        if self.affine.weight is None:  # fixed coefficients, none negative
            return [({"all": a, "+": a.clamp(min=0), "-": a.clamp(max=0)}[which], "all")]
        if which == "all":
            return [(a, "all")]
        opposite = {"+": "-", "-": "+"}[which]
        return [(a.clamp(min=0), which), (a.clamp(max=0), opposite)]

    def over_inputs(self, which: str) -> Tensor:
        with torch.no_grad():
            return sum(self.affine.apply(u[None], self.weights[w])[0] for u, w in self.terms(which))

    def to_inputs(self, which: str, s: Tensor) -> Tensor:
        return sum(u * self.transposed(s, self.weights[w]) for u, w in self.terms(which))

    def transposed(self, s: Tensor, weight: Tensor | None) -> Tensor:
        u = torch.zeros_like(self.a)[None].requires_grad_()
        with torch.enable_grad():
            out = self.affine.apply(u, weight)
        return torch.autograd.grad(out, u, s[None])[0][0]


def _stopped(lower: Tensor, R: Tensor) -> float:
    return float(R[lower == 0].sum())


def _epsilon(parts: _Parts, b: Tensor, R: Tensor, epsilon: float, relative: bool = False) -> Share:
    z = parts.over_inputs("all") + b
    d = epsilon * (rms(z) if relative else 1.0) * sign(z)
    s = quotient(R, z + d)
    return Share(parts.to_inputs("all", s), float((b * s).sum()), float((d * s).sum()), _stopped(z + d, R))


def _gamma(parts: _Parts, b: Tensor, R: Tensor, gamma: float) -> Share:
    z = parts.over_inputs("all") + b
    relevance, absorbed, stopped = torch.zeros_like(parts.a), 0.0, 0.0
    for here, which, favoured_b in ((z >= 0, "+", b.clamp(min=0)), (z < 0, "-", b.clamp(max=0))):
        lower = z + gamma * (parts.over_inputs(which) + favoured_b)
        above = torch.where(here, R, 0.0)
        s = quotient(above, lower)
        relevance = relevance + parts.to_inputs("all", s) + gamma * parts.to_inputs(which, s)
        absorbed += float(((b + gamma * favoured_b) * s).sum())
        stopped += _stopped(lower, above)
    return Share(relevance, absorbed, 0.0, stopped)


def _alpha_beta(parts: _Parts, b: Tensor, R: Tensor, alpha: float, beta: float, bias_split: str = "signed") -> Share:
    halves = {"signed": (b.clamp(min=0), b.clamp(max=0)), "whole": (b, b), "none": (0 * b, 0 * b)}[bias_split]
    relevance, absorbed, stopped = torch.zeros_like(parts.a), 0.0, 0.0
    for factor, which, bias in ((alpha, "+", halves[0]), (-beta, "-", halves[1])):
        lower = parts.over_inputs(which) + bias
        s = quotient(factor * R, lower)
        relevance = relevance + parts.to_inputs(which, s)
        absorbed += float((bias * s).sum())
        stopped += _stopped(lower, factor * R)
    return Share(relevance, absorbed, 0.0, stopped)


def _by_weight(parts: _Parts, R: Tensor, weight: Tensor | None) -> Share:
    with torch.no_grad():
        lower = parts.affine.apply(torch.ones_like(parts.a)[None], weight)[0]
    return Share(parts.transposed(quotient(R, lower), weight), 0.0, 0.0, _stopped(lower, R))


def _box(parts: _Parts, b: Tensor, R: Tensor, low: float, high: float) -> Share:
    positive, negative = parts.weights["+"], parts.weights["-"]
    ones = torch.ones_like(parts.a)
    with torch.no_grad():
        lower = parts.over_inputs("all") - sum(
            bound * parts.affine.apply(ones[None], weight)[0] for bound, weight in ((low, positive), (high, negative))
        )
    s = quotient(R, lower)
    relevance = parts.to_inputs("all", s) - low * parts.transposed(s, positive) - high * parts.transposed(s, negative)
    return Share(relevance, 0.0, 0.0, _stopped(lower, R))


_RULES: dict[str, Callable[..., Share]] = {
    "z": lambda p, b, R, single=False: _epsilon(p, b, R, 1e-7 if single else 1e-12, single),
    "epsilon": _epsilon,
    "epsilon-no-bias": lambda p, b, R, **parameters: _epsilon(p, 0 * b, R, **parameters),
    "gamma": _gamma,
    "alpha-beta": _alpha_beta,
    "plus": lambda p, b, R: _alpha_beta(p, b, R, 1.0, 0.0, "none"),
    "w-square": lambda p, b, R: _by_weight(p, R, p.affine.weight.square()),
    "flat": lambda p, b, R: _by_weight(p, R, torch.ones_like(p.affine.weight)),
    "box": _box,
}
