"""DeepLIFT's RevealCancel rule (Shrikumar et al. 2017, section 3.5.3): what pushed a unit up and what pushed it down, apart.

The paper gives every unit two differences, delta+ and delta-, with a multiplier each. Kept here are their sum delta and their
distance D = delta+ - delta-, and of the multipliers the mean m = (m+ + m-) / 2 and the half difference h = (m+ - m-) / 2: the
contribution m+ delta+ + m- delta- is m delta + h D. Then the paper's Linear rule (3.5.1), z+ from positive and z- from negative terms w_i delta_i, is

    D_z = |W| |delta_x|,    m_x+ = m_x- = W^T m + sign(delta_x) |W|^T h      (half of each where delta_x = 0, as published)

one operation more than Rescale on the way up and one on the way down, instead of four and four; and RevealCancel for y = f(z) is

    delta_y+ = 1/2 (f(z0 + delta_z+) - f(z0)) + 1/2 (f(z) - f(z0 + delta_z-)),  delta_y- alike,  m_z+ = m_y delta_y+ / delta_z+.

Where delta_z+ is nought that multiplier is its limit, 1/2 (f'(z0) + f'(z0 + delta_z-)), each slope on the side of the part (3.5.2 asks for
the gradient near the reference; the authors' package moves the part by a little): an input whose parts cancel still passes on by it.

Linear rule: convolution, fully connected, average pools, means, resizes. Batch norm, scaling, reshaping, concatenation and the sums
of a residual network act on every element alone: they belong to the linear unit below and carry D along (a batch norm of
negative scale exchanges the two). Everything else, max pools, gates, attention, layer norm, has no published rule for two parts:
there the difference counts as one, with the sign it has, and goes on by the rules of Rescale.

The paper numbers equations 1 (sum), 2 (multiplier) and 3 (chain rule); its rules stand in sections. Two places it leaves open and its
package (kundajelab/deeplift) settles otherwise: an average pool there carries both parts of what it averages, where here it is a
linear unit of equal weights; and an activation straight upon another gets the two parts of that one's output, where here they count as one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from xai_core.rules.derivative import derivative_of
from xai_core.rules.layers import is_free, with_constants
from xai_core.rules.linearity import free_value, is_linear, is_pointwise
from xai_core.rules.multipliers import multipliers_of
from xai_core.rules.operations import AVERAGES, RESIZES, STRUCTURE
from xai_core.rules.pair import Pair, Substituted
from xai_core.rules.slope import gradient_of
from xai_core.steps import NORMS, Step, Value

Arguments = tuple[Any, ...]


class RevealCancel:
    """One walk by the RevealCancel rule: called with each step and the multipliers m of its outputs."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        self._halves: dict[int, Tensor] = {}
        self._distances: dict[int, Tensor | None] = {}

    def __call__(self, step: Step, outgoing: Sequence[Tensor | None]) -> Iterable[tuple[Value, Tensor]]:
        halves = [self._halves.pop(output.index, None) for output in step.outputs]
        for output in step.outputs:
            self._distances.pop(output.index, None)
        absolute = absolute_of(step)
        if absolute is None or all(h is None for h in halves):
            whole = [
                m if m is None or h is None else m + h * self._pair.delta(value).sign()
                for value, m, h in zip(step.outputs, outgoing, halves, strict=True)
            ]
            return self._of_whole(step, whole)
        shares = dict(self._indexed(derivative_of(self._pair.image, step, outgoing)))
        for value, h in derivative_of(self._pair.image, absolute, halves):
            if step.operation in _LAYERS:
                mean = shares[value.index][1]
                shares[value.index] = (value, mean + h * self._pair.delta(value).sign())
            else:
                present = self._halves.get(value.index)
                self._halves[value.index] = h if present is None else present + h
        return shares.values()

    def finished(self, m: Tensor) -> Tensor:
        """The contributions of the input, given the mean multipliers that arrived there."""
        start = self._pair.image.input
        delta = self._pair.delta(start)
        h = self._halves.pop(start.index, None)
        return m * delta if h is None else m * delta + h * delta.abs()

    def _of_whole(self, step: Step, outgoing: Sequence[Tensor | None]) -> Iterable[tuple[Value, Tensor]]:
        """Everything but the linear rule: outputs whose difference counts as one."""
        m = outgoing[0]
        if m is None or is_linear(step) or not is_pointwise(step) or self._pair.constants_differ(step):
            return multipliers_of(self._pair, step, outgoing)
        value = free_value(step)
        distance = self.distance(value)
        if distance is None:
            return multipliers_of(self._pair, step, outgoing)
        image, baseline = self._pair.at(value)
        up, down = parts_of(image - baseline, distance)
        raised, lowered, top, bottom = (
            self._pair.results(step, samples)[0] for samples in (baseline + up, baseline + down, image, baseline)
        )
        slopes = [((raised - bottom) + (top - lowered)) / 2 / up, ((lowered - bottom) + (top - raised)) / 2 / down]
        for part, other, slope, way in zip((up, down), (down, up), slopes, (torch.inf, -torch.inf), strict=True):
            if bool((nought := part == 0).any()):
                starts = (torch.nextafter(at, torch.full_like(at, way)) for at in (baseline, baseline + other))
                first, second = (gradient_of(step, value, at) for at in starts)
                slope[nought] = torch.nan_to_num((first + second)[nought] / 2, 0.0, 0.0, 0.0)
        above, below = (m * slope for slope in slopes)
        present, h = self._halves.get(value.index), (above - below) / 2
        self._halves[value.index] = h if present is None else present + h
        return [(value, (above + below) / 2)]

    def distance(self, value: Value) -> Tensor | None:
        """D = delta+ - delta- of a value that a linear unit made; None where the difference counts as one."""
        if value.index not in self._distances:
            self._distances[value.index] = self._distance(value)
        return self._distances[value.index]

    def _distance(self, value: Value) -> Tensor | None:
        step = value.producer
        absolute = None if step is None else absolute_of(step)
        if step is None or absolute is None:
            return None
        free = [part for part in step.inputs if not part.is_constant]
        known = [None if step.operation in _LAYERS else self.distance(part) for part in free]
        if step.operation not in _LAYERS and all(part is None for part in known):
            return None
        parts = {
            part.index: self._pair.delta(part).abs() if distance is None else distance
            for part, distance in zip(free, known, strict=True)
        }
        return Substituted(self._pair.image, parts, absolute).replay(absolute)[step.outputs.index(value)]

    @staticmethod
    def _indexed(shares: Iterable[tuple[Value, Tensor]]) -> Iterable[tuple[int, tuple[Value, Tensor]]]:
        found: dict[int, tuple[Value, Tensor]] = {}
        for value, share in shares:
            found[value.index] = (value, share + found[value.index][1] if value.index in found else share)
        return found.items()


def parts_of(delta: Tensor, distance: Tensor) -> tuple[Tensor, Tensor]:
    """delta+ >= 0 and delta- <= 0 with the sum ``delta``, whatever rounding did to their distance."""
    up = ((delta + distance) / 2).clamp_min_(0)
    down = (delta - up).clamp_max_(0)
    return delta - down, down


def absolute_of(step: Step) -> Step | None:
    """``step`` as it acts on distances: weights by their absolute value, constants nought. None where no published rule applies."""
    change = _ABSOLUTE.get(step.operation)
    if change is None or not is_linear(step):
        return None
    changed = change(with_constants(step))
    if changed is not None:
        changed.outputs = step.outputs
    return changed


def _replaced(step: Step, arguments: Arguments, function: Any = None, operation: str = "") -> Step:
    return Step(operation or step.operation, function or step.function, arguments, step.options, step.path, step.inputs)


def _magnitude(part: Any) -> Any:
    return part if isinstance(part, Value) or part is None else abs(part)


def _convolution(step: Step) -> Step | None:
    a, weight, _, *settings = step.arguments
    return None if is_free(a) else _replaced(step, (a, weight.abs(), None, *settings))


def _fully_connected(step: Step) -> Step | None:
    bias, a, weight = step.arguments[:3]
    if is_free(a) or not is_free(bias) or step.options:
        return None
    return _replaced(step, (torch.zeros_like(bias), a, weight.abs()))


def _matrix_product(step: Step) -> Step | None:
    return _replaced(step, tuple(_magnitude(part) for part in step.arguments))


def _batch_norm(step: Step) -> Step | None:
    value, weight, _, mean, variance, *rest = step.arguments
    weight = weight if weight is None else weight.abs()
    return _replaced(step, (value, weight, None, torch.zeros_like(mean), variance, *rest))


def _sum(step: Step) -> Step | None:
    parts = [part if not is_free(part) else 0 * part for part in step.arguments[:2]]
    if not all(isinstance(part, Value | Tensor) for part in parts):  # plus a number
        return _replaced(step, tuple(parts)) if isinstance(parts[0], Value) else None
    absolute = Step("add", torch.ops.aten.add.Tensor, tuple(parts), {}, step.path, step.inputs)
    absolute.options = {"alpha": abs(step.options.get("alpha", 1))}
    return absolute


def _scaled(step: Step) -> Step | None:
    return _replaced(step, tuple(_magnitude(part) for part in step.arguments))


def _joined(step: Step) -> Step | None:
    parts = [part if not is_free(part) else torch.zeros_like(_plain(part)) for part in step.arguments[0]]
    return _replaced(step, (parts, *step.arguments[1:]))


def _plain(part: Any) -> Tensor:
    tensor = part.tensor if isinstance(part, Value) else part
    assert isinstance(tensor, Tensor)
    return tensor


def _padded(step: Step) -> Step | None:
    return _replaced(step, step.arguments[:2])


def _unchanged(step: Step) -> Step | None:
    return _replaced(step, step.arguments)


_LAYERS = frozenset({"convolution", "addmm", "mm", *AVERAGES, *RESIZES})
_ABSOLUTE: Mapping[str, Callable[[Step], Step | None]] = {
    **dict.fromkeys({*STRUCTURE, *AVERAGES, *RESIZES, "native_dropout"} - {"upsample_bicubic2d"}, _unchanged),
    **dict.fromkeys(NORMS, _batch_norm),
    **dict.fromkeys(("add", "sub"), _sum),
    **dict.fromkeys(("mul", "div"), _scaled),
    **dict.fromkeys(("cat", "stack"), _joined),
    "convolution": _convolution,
    "addmm": _fully_connected,
    "mm": _matrix_product,
    "constant_pad_nd": _padded,
}
