"""LRP of the 3-D U-Net study as its published code computes it (Tjoa et al., arXiv 1911.08136; reference data ``unet3d_filters``).

The code takes the skip's relevance from the wrong half of the cut (the first channels of the up-convolved half), averages
where the skip and the pool below meet, and has a box-like first layer of its own. Offered for parity only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from xai_core.rules.context import Context, Shares
from xai_core.rules.derivative import derivative_of
from xai_core.rules.layers import layer_of
from xai_core.rules.linear import divided, negative, positive
from xai_core.rules.operations import arrived, share_linear
from xai_core.steps import Recording, Step

STEP = 1e-9


@dataclass(frozen=True)
class StudyFirstLayer:
    """R' = x W+^T s - w3^T s, s = R / (W+ x - w3 1 + e): w3 = W- ("head") or W+ ("published": what its results used)."""

    first: frozenset[int]
    uses_positive: bool

    def __call__(self, context: Context, step: Step, relevance: Sequence[Tensor | None]) -> Shares:
        found = layer_of(step)
        if id(step) not in self.first or found is None:
            return share_linear(context, step, relevance)
        layer, value = found
        third_weight = "positive" if self.uses_positive else "negative"
        context.chosen[step.path or step.operation] = f"study's first layer: positive weights less {third_weight} ones"
        a = context.tensor(value)
        plus = positive(layer.weight)
        third = plus if self.uses_positive else negative(layer.weight)
        z = layer.forward(a, plus) - layer.forward(a.new_ones(()).expand_as(a), third) + STEP
        s = divided(arrived(relevance), z, context.books)
        context.books.stabiliser += STEP * context.books.total(s)
        return [(value, a * layer.backward(s, plus, a) - layer.backward(s, third, a))]


def skips_of(recording: Recording) -> frozenset[int]:
    """Values that a concatenation takes as its first half, by index."""
    return frozenset(
        step.arguments[0][0].index for step in recording.steps if step.operation == "cat" and len(step.inputs) == 2
    )


def study_cut(chosen: Callable[[Tensor], Tensor]) -> Callable[[Context, Step, Sequence[Tensor | None]], Shares]:
    """The code's cut: the up half filtered, its first channels (filtered again) handed to the skip, the true skip half lost."""

    def cut(context: Context, step: Step, relevance: Sequence[Tensor | None]) -> Shares:
        skip, up = step.arguments[0]
        r = arrived(relevance)
        channels = skip.shape[1]
        upper = chosen(r[:, channels:])
        taken = chosen(upper[:, :channels]) * 0.5
        context.books.stopped += context.books.total(r) - context.books.total(upper) - context.books.total(taken)
        return [(skip, taken), (up, upper)]

    return cut


def study_pool(skips: frozenset[int]) -> Callable[[Context, Step, Sequence[Tensor | None]], Shares]:
    """Winner's x R / (x + 2e); halved where it meets a skip."""

    def pool(context: Context, step: Step, relevance: Sequence[Tensor | None]) -> Shares:
        value = step.inputs[0]
        r = arrived(relevance)
        z = context.tensor(step.outputs[0])
        scaled = r * z / (z + 2 * STEP) * (0.5 if value.index in skips else 1.0)
        context.books.stopped += context.books.total(r) - context.books.total(scaled)
        return list(derivative_of(context.recording, step, [scaled, None]))

    return pool
