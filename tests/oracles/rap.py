"""Relative attributing propagation, twice: the paper's equations 3 to 6 and the authors' published code.

Semantics section 6 and ``data/reference/rap/README.md``. Small networks go connection by connection through dense
matrices; ``large=True`` takes transposed maps instead, so that the torchvision networks can be checked as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.fx
from torch import Tensor, nn

from tests.oracles.linear import Affine, Share, quotient, rule
from tests.oracles.walk import ACTIVATION_CALLS, ACTIVATIONS, LINEAR, Composite, Walk, _transposed


class _Halves:
    """Positive and negative contributions of one linear operation: their sums over inputs, and their ways back.

    ``by_weight`` False: by the sign of the product a_i w_ij (the paper). True: by the sign of the weight (the code).
    """

    def __init__(self, affine: Affine, a: Tensor, by_weight: bool, large: bool) -> None:
        self.large, self.a = large, a
        w_plus, w_minus = affine.weight.clamp(min=0), affine.weight.clamp(max=0)
        if by_weight:
            self.terms = {"+": [(a, w_plus)], "-": [(a, w_minus)]}
        else:
            up, down = a.clamp(min=0), a.clamp(max=0)
            self.terms = {"+": [(up, w_plus), (down, w_minus)], "-": [(up, w_minus), (down, w_plus)]}
        self.apply = affine.apply
        if not large:
            shape = tuple(a.shape)
            self.dense = {
                which: sum(affine.matrix(shape, w) * u.reshape(1, -1) for u, w in terms)
                for which, terms in self.terms.items()
            }

    def sums(self, which: str) -> Tensor:
        if not self.large:
            with torch.no_grad():
                shape = self.apply(self.a[None], self.terms["+"][0][1])[0].shape
            return self.dense[which].sum(1).reshape(shape)
        with torch.no_grad():
            return sum(self.apply(u[None], w)[0] for u, w in self.terms[which])

    def back(self, which: str, s: Tensor) -> Tensor:
        """sum_j c_ij s_j over the contributions of sign ``which``."""
        if not self.large:
            return (self.dense[which] * s.reshape(-1, 1)).sum(0).reshape(self.a.shape)
        return sum(
            u * _transposed(lambda v, w=w: self.apply(v, w), torch.zeros_like(self.a)[None], s[None])[0]
            for u, w in self.terms[which]
        )


class RapPaper(Walk):
    """Equations 3 to 6 of Nam 2020 as semantics reads them; the first layer is ``box`` from ``low`` to ``high``."""

    def __init__(self, module: nn.Module, low: float, high: float, *, large: bool = False) -> None:
        box = rule("box", low=low, high=high)
        # sums and batch norm as alpha-beta (1, 0); pooling as everywhere
        table = Composite(box, box, sums=rule("alpha-beta", alpha=1.0, beta=0.0))
        super().__init__(module, table, large=large)
        self.large = large

    def linear(self, node: torch.fx.Node, affine: Affine, a: Tensor, R: Tensor) -> Tensor:
        if node is self._last_linear():
            return self._influence(affine, a, R)
        if self.is_first(node):
            return self.book(self.share(affine, self.table.convolution, a, R))
        positive_only = self._behind_activation(node)
        halves = _Halves(affine, a, by_weight=False, large=self.large)
        upper, lower = halves.sums("+"), halves.sums("-")  # Z+ and Z-
        share = quotient(lower.abs(), upper.abs() + lower.abs())
        first = halves.back("+", quotient(R, upper))
        second = halves.back("-", quotient(R * share, lower))
        found = first + second
        activated = a > 0 if positive_only else a != 0
        found = torch.where(activated, found, 0.0)
        count = int(activated.sum())
        if count == 0:
            self.account["stopped"] += float(R.sum())
            return torch.zeros_like(a)[None]
        found = found - torch.where(activated, (found.sum() - R.sum()) / count, 0.0)
        return found[None]

    def _influence(self, affine: Affine, a: Tensor, R: Tensor) -> Tensor:
        share = self.share(affine, rule("z"), a, R)
        r = share.relevance
        influence = r.abs() * quotient(r.sum(), r.abs().sum())
        return self.book(Share(influence, share.bias, share.stabiliser, share.stopped))

    def _last_linear(self) -> torch.fx.Node:
        return next(node for node in reversed(self.nodes) if isinstance(self._layer(node), LINEAR))

    def _behind_activation(self, node: torch.fx.Node) -> bool:
        above = node.args[0]
        return isinstance(self._layer(above), ACTIVATIONS) or above.target in ACTIVATION_CALLS


class Rsp(RapPaper):
    """Sections parted at the value of the node ``section`` (its fx name), then RAP's equations 5 and 6 down to the box."""

    def __init__(self, module: nn.Module, section: str, low: float, high: float, *, large: bool = False) -> None:
        super().__init__(module, low, high, large=large)
        self.section = next(node for node in self.nodes if node.name == section)

    def back(
        self, values: dict[torch.fx.Node, Any], R: Tensor, start: torch.fx.Node | None = None
    ) -> tuple[dict[torch.fx.Node, Tensor], dict[str, float]]:
        a = values[self.section]
        g = self._slope(values, a, R != 0)
        sections = torch.zeros_like(a)
        for place in torch.nonzero(a * g):
            index = tuple(place.tolist())
            sections[index] = float(abs(a[index] * g[index])) * (1.0 if g[index] > 0 else -1.0)
        whole = float((a * g).sum())
        sections -= (sections != 0) * (float(sections.sum()) - whole) / max(1, int((sections != 0).sum()))
        relevance, account = super().back(values, sections, self.section)
        account["bias"] += float(R.sum()) - whole
        account["seed"] = float(R.sum())
        return relevance, account

    def _slope(self, values: dict[torch.fx.Node, Any], a: Tensor, chosen: Tensor) -> Tensor:
        """d chosen output / d a, the nodes above the section run again under autograd."""
        again = dict(values) | {self.section: a.clone().requires_grad_()}

        def real(argument: Any) -> Any:
            return torch.fx.map_arg(argument, lambda node: again[node])

        for node in self.nodes[self.nodes.index(self.section) + 1 : -1]:
            again[node] = self._apply(node, *real(node.args), **real(node.kwargs))
        return torch.autograd.grad((again[self._output()] * chosen).sum(), again[self.section])[0]

    def _last_linear(self) -> None:
        return None


class RapPublished(Walk):
    """``modules/layers.py`` of the authors, formulas 1 to 5 of the reference's README. Seed 1, one sample at a time."""

    def __init__(self, module: nn.Module, *, large: bool = False) -> None:
        super().__init__(module, None, large=large)
        self.large = large
        self.folded = {}  # the code keeps batch norms

    def run(self, x: Tensor, target: int | list[int] | None = None, seed: str = "one") -> Any:
        return super().run(x, target, seed)

    def linear(self, node: torch.fx.Node, affine: Affine, a: Tensor, R: Tensor) -> Tensor:
        layer = self._layer(node)
        if isinstance(layer, nn.Linear) and float(R.max()) == 1.0:
            return self._last(affine, a, R)[None]
        if self.is_first(node) and affine.weight.ndim > 2 and affine.weight.shape[1] == 3:
            box = rule("box", low=float(a.min()), high=float(a.max()))
            return self.share(affine, box, a, R).relevance[None]
        up = self._quarter(affine, a.clamp(min=0), R, isinstance(layer, nn.Linear))
        down = self._quarter(affine, (-a).clamp(min=0), R, isinstance(layer, nn.Linear))
        return (up + down)[None]

    def _last(self, affine: Affine, a: Tensor, R: Tensor) -> Tensor:
        c = int(R.reshape(-1).argmax())
        w, b = affine.weight[c], float(torch.as_tensor(affine.bias).expand(R.shape)[c])
        z = a * w
        P, N = float(z.clamp(min=0).sum()), float(z.clamp(max=0).sum())
        up, down = a.clamp(min=0) * w.clamp(min=0), a.clamp(min=0) * w.clamp(max=0)
        r = z + b * (P / (P + N) * quotient(up, up.sum()) + N / (P + N) * quotient(down, down.sum()))
        return r.abs() * r.sum() / r.abs().sum()

    def _quarter(self, affine: Affine, u: Tensor, R: Tensor, dense: bool) -> Tensor:
        halves = _Halves(affine, u, by_weight=True, large=self.large)
        Z1 = torch.where(R != 0, halves.sums("+"), 0.0)
        Z2 = torch.where(R != 0, -halves.sums("-"), 0.0)
        share = quotient(Z2, Z1 + Z2)
        if dense:
            along_plus, along_minus = R, share * R
        else:
            along_plus, along_minus = R.clamp(min=0), share * R + R.clamp(max=0)
        C = halves.back("+", quotient(along_plus, Z1)) - halves.back("-", quotient(along_minus, Z2))
        count = int((C != 0).sum())
        if count == 0:
            return C
        return C - torch.where(C != 0, (C.sum() - R.sum()) / count, 0.0)

    def norm(self, layer: nn.Module, a: Tensor, R: Tensor) -> Tensor:
        weight = layer.weight.detach().double().reshape(-1, *[1] * (a.ndim - 1))
        return torch.where(a * weight != 0, R, 0.0)[None]

    def average(self, apply: Callable[[Tensor], Tensor], a: Tensor, R: Tensor) -> Tensor:
        return self._pool(apply, a[None], R[None])

    def max_pool(self, apply: Callable[[Tensor], Tensor], a: Tensor, R: Tensor) -> Tensor:
        return self._pool(apply, a, R)

    def _pool(self, apply: Callable[[Tensor], Tensor], a: Tensor, R: Tensor) -> Tensor:
        with torch.no_grad():
            z = apply(a)
        return a * _transposed(apply, a, quotient(R, z))

    def sum_parts(self, a: Tensor, R: Tensor) -> Tensor:
        return a * quotient(R, a.sum(0))
