"""Relevance through a whole network by a second mechanism: a traced graph, one sample, one node at a time, float64.

``torch.fx`` lists the network's calls, a plain interpreter keeps every value (nothing in place), and the walk goes
back node by node as semantics, sections 3 to 5, say. It shares no idea with the Recording: no dispatch mode, no
versions, no fused operations.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.fx
import torch.nn.functional as F
from torch import Tensor, nn

from tests.oracles.large import large_share
from tests.oracles.linear import Affine, Rule, Share, affine_of, dense_share, quotient, rule, sign

LINEAR = (
    nn.Linear,
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
ACTIVATIONS = (nn.ReLU, nn.LeakyReLU, nn.ELU, nn.SiLU, nn.GELU, nn.Tanh, nn.Sigmoid, nn.PReLU, nn.ReLU6, nn.Softplus)
ACTIVATION_CALLS = {F.relu, torch.relu, F.leaky_relu, F.elu, F.silu, F.gelu, torch.tanh, torch.sigmoid, F.relu6}
MAX_POOL_CALLS = {F.max_pool1d, F.max_pool2d, F.max_pool3d}
AVERAGE_CALLS = {
    F.avg_pool1d,
    F.avg_pool2d,
    F.avg_pool3d,
    F.adaptive_avg_pool1d,
    F.adaptive_avg_pool2d,
    F.adaptive_avg_pool3d,
    F.interpolate,
    torch.mean,
    torch.sum,
}
AVERAGE_METHODS = {"mean", "sum"}
MOVES = {torch.flatten, torch.cat, torch.stack, torch.flip, operator.getitem, F.pad, torch.reshape, torch.permute}
MOVE_METHODS = {"view", "reshape", "flatten", "permute", "transpose", "contiguous", "squeeze", "unsqueeze", "expand"}
SAME = (nn.Dropout, nn.Dropout2d, nn.Dropout3d, nn.Identity)


@dataclass(frozen=True)
class Composite:
    """Rules by place. ``sums`` "parts": a + b by the sign of its parts (alpha, beta); "epsilon", "gamma", "halves"."""

    convolution: Rule
    dense: Rule
    first: Rule | None = None
    sums: Rule = field(default_factory=lambda: rule("plus"))
    pools: Rule = field(default_factory=lambda: rule("epsilon", epsilon=1e-6))
    norm_passes: bool = True
    max_pool: str = "winner"


def composite(name: str, *, single: bool = False, low: float = 0.0, high: float = 1.0, **given: Any) -> Composite:
    """The table of semantics section 5 under ``name``; ``single``: with the stabiliser of float32."""
    z = rule("z", single=single)
    part = rule("epsilon", epsilon=given.get("epsilon", 1e-6))
    whole = rule("epsilon", epsilon=given.get("epsilon", 0.25), relative=given.get("relative", True))
    gamma = rule("gamma", gamma=given.get("gamma", 0.25))
    split = given.get("bias_split", "signed")
    one, two = (rule("alpha-beta", alpha=a, beta=a - 1, bias_split=split) for a in (1.0, 2.0))
    plus, flat, square, box = rule("plus"), rule("flat"), rule("w-square"), rule("box", low=low, high=high)
    tables = {
        "lrp-z": Composite(z, z, sums=z, pools=z, norm_passes=False),
        "lrp-epsilon": Composite(whole, whole, sums=whole, pools=whole, norm_passes=False),
        "lrp-gamma": Composite(gamma, gamma, sums=gamma),
        "lrp-alpha-1-beta-0": Composite(one, one, sums=one),
        "lrp-alpha-2-beta-1": Composite(two, two, sums=two),
        "lrp-flat": Composite(flat, flat, sums=rule("halves")),
        "lrp-w-square": Composite(square, square, sums=rule("halves")),
        "lrp-epsilon-plus": Composite(plus, part),
        "lrp-epsilon-plus-flat": Composite(plus, part, flat),
        "lrp-epsilon-gamma-box": Composite(gamma, part, box, sums=gamma),
        "lrp-epsilon-alpha-2-beta-1": Composite(two, part, sums=two),
        "lrp-epsilon-alpha-2-beta-1-flat": Composite(two, part, flat, sums=two),
        "deep-taylor": Composite(plus, plus, box),
    }
    return tables[name]


@dataclass
class Result:
    """``relevance`` (N, C, *space) float64 and the account, one number a sample."""

    relevance: Tensor
    account: dict[str, Tensor]
    below: dict[str, Tensor] = field(default_factory=dict)


class Walk:
    """LRP by a :class:`Composite`. Subclasses replace what RAP does otherwise."""

    def __init__(self, module: nn.Module, table: Composite | None = None, *, large: bool = False) -> None:
        module = copy.deepcopy(module).double().eval()
        for layer in module.modules():
            if hasattr(layer, "inplace"):
                layer.inplace = False
        self.module = module
        self.table = table
        self.share: Callable[[Affine, Rule, Tensor, Tensor], Share] = large_share if large else dense_share
        self.graph = torch.fx.Tracer().trace(module)
        for node in self.graph.nodes:
            if node.kwargs.get("inplace"):
                node.kwargs = dict(node.kwargs) | {"inplace": False}
        self.nodes = list(self.graph.nodes)
        self.folded = self._foldable()

    def run(self, x: Tensor, target: int | list[int] | None = None, seed: str = "logit") -> Result:
        """Relevance of the logit at ``target`` (its index in the flattened output) for every sample of ``x``."""
        maps, books, below = [], [], {}
        for index in range(x.shape[0]):
            values = self.forward(x[index : index + 1].double())
            out = values[self._output()][0].reshape(-1)
            chosen = int(out.argmax()) if target is None else target if isinstance(target, int) else target[index]
            R = torch.zeros_like(out)
            if seed == "contrast":
                R -= out[chosen] / (out.numel() - 1)
            R[chosen] = 1.0 if seed == "one" else out[chosen]
            found, account = self.back(values, R.reshape(values[self._output()].shape))
            maps.append(found[self.nodes[0]])
            books.append(account)
            for node, relevance in found.items():
                below.setdefault(node.name, []).append(relevance)
        return Result(
            torch.cat(maps),
            {key: torch.tensor([book[key] for book in books], dtype=torch.float64) for key in books[0]},
            {name: torch.cat(parts) for name, parts in below.items() if len(parts) == x.shape[0]},
        )

    # --- forward --------------------------------------------------------------------------------------------

    def forward(self, x: Tensor) -> dict[torch.fx.Node, Any]:
        """Every node's value for one sample (1, C, *space); raises where the trace disagrees with the module."""
        values: dict[torch.fx.Node, Any] = {}

        def real(argument: Any) -> Any:
            return torch.fx.map_arg(argument, lambda node: values[node])

        with torch.no_grad():
            for node in self.nodes:
                if node.op == "placeholder":
                    values[node] = x
                elif node.op == "output":
                    values[node] = real(node.args[0])
                elif node.op == "get_attr":
                    values[node] = operator.attrgetter(node.target)(self.module)
                elif node.op == "call_module":
                    values[node] = self.module.get_submodule(node.target)(*real(node.args), **real(node.kwargs))
                elif node.op == "call_method":
                    first, *rest = real(node.args)
                    values[node] = getattr(first, node.target)(*rest, **real(node.kwargs))
                else:
                    values[node] = node.target(*real(node.args), **real(node.kwargs))
            torch.testing.assert_close(values[self._output()], self.module(x), rtol=1e-12, atol=1e-12)
        return values

    def _output(self) -> torch.fx.Node:
        return self.nodes[-1].args[0]

    def _layer(self, node: torch.fx.Node) -> nn.Module | None:
        return self.module.get_submodule(node.target) if node.op == "call_module" else None

    def _foldable(self) -> dict[torch.fx.Node, torch.fx.Node]:
        """Batch norms that stand right behind a linear layer nobody else reads: norm -> linear."""
        found = {}
        for node in self.nodes:
            if isinstance(self._layer(node), NORMS):
                source = node.args[0]
                if isinstance(self._layer(source), LINEAR) and len(source.users) == 1:
                    found[node] = source
        return found

    def is_first(self, node: torch.fx.Node) -> bool:
        """No layer with weights between the input and this one."""
        pending, seen = list(node.all_input_nodes), set()
        while pending:
            above = pending.pop()
            if above in seen:
                continue
            seen.add(above)
            if isinstance(self._layer(above), LINEAR + NORMS):
                return False
            pending += above.all_input_nodes
        return True

    # --- backward -------------------------------------------------------------------------------------------

    def back(
        self, values: dict[torch.fx.Node, Any], R: Tensor, start: torch.fx.Node | None = None
    ) -> tuple[dict[torch.fx.Node, Tensor], dict[str, float]]:
        """Relevance of every node's value (from ``start``, else the output, down), and the account."""
        self.values = values
        self.account = {"seed": float(R.sum()), "bias": 0.0, "stabiliser": 0.0, "stopped": 0.0}
        relevance: dict[torch.fx.Node, Tensor] = {start or self._output(): R}
        for node in reversed(self.nodes):
            if node.op in ("placeholder", "output", "get_attr") or node not in relevance:
                continue
            for source, part in self.step(node, relevance[node]):
                relevance[source] = relevance[source] + part if source in relevance else part
        entry = self.nodes[0]
        relevance.setdefault(entry, torch.zeros_like(values[entry]))
        self.account["map"] = float(relevance[entry].sum())
        return relevance, self.account

    def book(self, share: Share) -> Tensor:
        """The share's relevance with its batch axis; its losses go to the account."""
        for key in ("bias", "stabiliser", "stopped"):
            self.account[key] += getattr(share, key)
        return share.relevance[None]

    def step(self, node: torch.fx.Node, R: Tensor) -> list[tuple[torch.fx.Node, Tensor]]:
        layer, target = self._layer(node), node.target
        source = node.args[0] if node.args else None
        if node in self.folded:
            below = self.folded[node].args[0]
            return [(below, self.linear(self.folded[node], self._fold(node), self.values[below][0], R[0]))]
        if isinstance(layer, LINEAR):
            return [(source, self.linear(node, affine_of(layer), self.values[source][0], R[0]))]
        if isinstance(layer, NORMS):
            return [(source, self.norm(layer, self.values[source][0], R[0]))]
        if isinstance(layer, ACTIVATIONS + SAME) or target in ACTIVATION_CALLS or target is F.dropout:
            return [(source, R)]
        kind = type(layer).__name__ if layer is not None else ""
        if kind.startswith("MaxPool") or target in MAX_POOL_CALLS or "boolean_dispatch" in repr(target):
            return [(source, self.max_pool(self._call(node), self.values[source], R))]
        averages = kind.startswith(("AvgPool", "AdaptiveAvgPool", "Upsample")) or target in AVERAGE_METHODS
        if averages or target in AVERAGE_CALLS or target is torch._C._nn.avg_pool2d:
            return [(source, self.average(self._call(node), self.values[source][0], R[0]))]
        if target in (operator.add, operator.iadd, torch.add, "add", "add_"):
            return self.add(node, R)
        if target in (operator.mul, operator.imul, torch.mul, "mul"):
            return self.multiply(node, R)
        if target in MOVES or target in MOVE_METHODS or kind in ("Flatten", "ZeroPad2d"):
            return self.move(node, R)
        raise NotImplementedError(f"oracle: {node.format_node()}")

    def linear(self, node: torch.fx.Node, affine: Affine, a: Tensor, R: Tensor) -> Tensor:
        table = self.table
        # On (positions, channels) a fully connected layer is a 1 x 1 convolution.
        how = table.dense if isinstance(self._layer(node), nn.Linear) and a.ndim == 1 else table.convolution
        if table.first is not None and self.is_first(node):
            how = table.first
        return self.book(self.share(affine, how, a, R))

    def norm(self, layer: nn.Module, a: Tensor, R: Tensor) -> Tensor:
        """A batch norm that stands alone: unchanged, or a diagonal layer whose bias takes its share."""
        if self.table.norm_passes:
            return R[None]
        scale, shift = scale_and_shift(layer)
        shape = (-1, *[1] * (a.ndim - 1))
        scale, shift = scale.reshape(shape), shift.reshape(shape)
        return self.book(
            self.share(Affine(lambda u, w: u * w, scale.expand_as(a), shift), self.table.convolution, a, R)
        )

    def average(self, apply: Callable[[Tensor], Tensor], a: Tensor, R: Tensor) -> Tensor:
        return self.book(self.share(Affine(lambda u, _: apply(u), None), self.table.pools, a, R))

    def max_pool(self, apply: Callable[[Tensor], Tensor], a: Tensor, R: Tensor) -> Tensor:
        if self.table is not None and self.table.max_pool == "proportional":
            raise NotImplementedError("windows: tests/oracles/operations.py")
        return _transposed(apply, a, R)  # autograd sends everything to the winner

    def add(self, node: torch.fx.Node, R: Tensor) -> list[tuple[torch.fx.Node, Tensor]]:
        parts = [(p, self.values[p]) for p in node.args if isinstance(p, torch.fx.Node)]
        constants = [p for p in node.args if not isinstance(p, torch.fx.Node)]
        if constants:
            raise NotImplementedError("a + constant is tested by itself")
        a = torch.stack([value[0] for _, value in parts])
        return list(zip([p for p, _ in parts], self.sum_parts(a, R[0])[:, None], strict=True))

    def sum_parts(self, a: Tensor, R: Tensor) -> Tensor:
        """Relevance (branches, ...) of a sum's branches ``a`` (branches, ...)."""
        if self.table.sums.name == "halves":
            return torch.stack([R / a.shape[0]] * a.shape[0])
        # Without a batch axis an operation sees (branches, ...): the sum over branches is its linear map.
        return self.book(self.share(Affine(lambda u, _: u.sum(1), None), self.table.sums, a, R))[0]

    def multiply(self, node: torch.fx.Node, R: Tensor) -> list[tuple[torch.fx.Node, Tensor]]:
        factors = [p for p in node.args if isinstance(p, torch.fx.Node)]
        if len(factors) == 1:
            return [(factors[0], R)]
        signals = [p for p in factors if not self._is_gate(p)]
        if len(signals) == 1:
            return [(signals[0], R)]
        return [(p, _summed_to(R / 2, self.values[p].shape)) for p in factors]

    def _is_gate(self, node: torch.fx.Node) -> bool:
        while node.target in MOVES or node.target in MOVE_METHODS:
            node = node.args[0]
        return node.target in (torch.sigmoid, torch.softmax, F.softmax, F.hardsigmoid, "sigmoid", "softmax") or (
            isinstance(self._layer(node), nn.Sigmoid | nn.Softmax | nn.Hardsigmoid)
        )

    def move(self, node: torch.fx.Node, R: Tensor) -> list[tuple[torch.fx.Node, Tensor]]:
        sources = [p for p in node.all_input_nodes if isinstance(self.values[p], Tensor)]
        leaves = {p: self.values[p].clone().requires_grad_() for p in sources}

        def real(argument: Any) -> Any:
            return torch.fx.map_arg(argument, lambda p: leaves.get(p, self.values[p]))

        with torch.enable_grad():
            out = self._apply(node, *real(node.args), **real(node.kwargs))
        parts = torch.autograd.grad(out, [leaves[p] for p in sources], R)
        self.account["stopped"] += float(R.sum()) - sum(float(part.sum()) for part in parts)
        return list(zip(sources, parts, strict=True))

    def _apply(self, node: torch.fx.Node, *args: Any, **kwargs: Any) -> Any:
        if node.op == "call_module":
            return self.module.get_submodule(node.target)(*args, **kwargs)
        if node.op == "call_method":
            return getattr(args[0], node.target)(*args[1:], **kwargs)
        return node.target(*args, **kwargs)

    def _call(self, node: torch.fx.Node) -> Callable[[Tensor], Tensor]:
        rest = torch.fx.map_arg(node.args[1:], lambda p: self.values[p])
        kwargs = torch.fx.map_arg(node.kwargs, lambda p: self.values[p])
        return lambda u: self._apply(node, u, *rest, **kwargs)

    def _fold(self, norm: torch.fx.Node) -> Affine:
        source = self.folded[norm]
        plain = affine_of(self._layer(source))
        scale, shift = scale_and_shift(self._layer(norm))
        transposed = type(self._layer(source)).__name__.startswith("ConvTranspose")
        if transposed and self._layer(source).groups != 1:
            raise NotImplementedError("grouped transposed convolution before a norm")
        trailing = plain.weight.ndim - 2
        rows = scale.reshape((1, -1) if transposed else (-1, 1)).reshape(
            *((1, -1) if transposed else (-1, 1)), *[1] * trailing
        )
        column = (-1, *[1] * trailing)
        bias = plain.bias * scale.reshape(column) + shift.reshape(column)
        return Affine(plain.apply, plain.weight * rows, bias)


def scale_and_shift(norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Batch norm in eval mode as ``scale * x + shift``, with its eps."""
    scale = norm.weight.detach() / torch.sqrt(norm.running_var + norm.eps)
    return scale.double(), (norm.bias.detach() - norm.running_mean * scale).double()


def _transposed(apply: Callable[[Tensor], Tensor], a: Tensor, R: Tensor) -> Tensor:
    u = a.clone().requires_grad_()
    with torch.enable_grad():
        out = apply(u)
    return torch.autograd.grad(out, u, R)[0]


def _summed_to(R: Tensor, shape: torch.Size) -> Tensor:
    u = torch.zeros(shape, dtype=R.dtype, requires_grad=True)
    return torch.autograd.grad(u.expand_as(R), u, R)[0]


def add_constant(a: Tensor, constant: Tensor | float, R: Tensor, epsilon: float) -> Tensor:
    """a R / (a + constant + d s): the constant's share goes to ``bias``."""
    z = a + constant
    return a * quotient(R, z + epsilon * sign(z))
