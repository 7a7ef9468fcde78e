"""DeepLIFT's multipliers of maxima: max pool, amax, max over an axis, the greater of two.

The paper leaves maxima open (its section 5) beyond the gradient, which its package uses and which does not add up. Here a rise of
the maximum is given to the winner in the image: it was no greater than the old maximum before, so its own difference is at least the
rise. A fall is given to the winner in the baseline, by the same argument. So the multiplier is between 0 and 1 and the rule is
complete, winners the same or not, windows overlapping or not. It is captum's and SHAP's rule, which keep
contributions and divide by differences afterwards. captum 0.9 loses some of it: where windows overlap its max_unpool keeps one
share of several, where nothing moved it takes the first sample's gradient (its issue 1276), and next to another activation its
own convergence delta is not zero. Shares are added here.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from xai_core.rules.layers import is_free
from xai_core.rules.multipliers import Shares, multiplier_rule
from xai_core.rules.operations import arrived, summed_to
from xai_core.rules.pair import Pair
from xai_core.steps import Step, Value

_SPACE = {
    "max_pool2d_with_indices": 2,
    "max_pool3d_with_indices": 3,
    "adaptive_max_pool2d": 2,
    "adaptive_max_pool3d": 3,
}


def winner_multipliers(run: Tensor, rise: Tensor, m: Tensor, here: Tensor, there: Tensor) -> Tensor:
    """``run`` (rows, P): differences of the candidates; ``rise``, ``m`` (rows, Q): of the maxima; ``here``, ``there`` (rows, Q): winners."""
    given = torch.zeros_like(run)
    still = ((rise == 0) & (here == there)).to(run.dtype)  # nothing moved: the derivative
    up = torch.where(rise > 0, rise / run.gather(1, here), still)
    given.scatter_add_(1, here, up.mul_(m))
    down = torch.where(rise < 0, rise / run.gather(1, there), 0)
    return given.scatter_add_(1, there, down.mul_(m))


@multiplier_rule(*_SPACE)
def of_max_pool(pair: Pair, step: Step, outgoing: Sequence[Tensor | None]) -> Shares:
    """Max pool of any size, overlapping windows too; indices count within one plane."""
    m = outgoing[0]
    if m is None:
        return []
    value = step.arguments[0]
    planes = value.shape[: -_SPACE[step.operation]].numel()
    image, baseline = pair.at(value)
    (top, here), (top0, there) = (pair.results(step, samples) for samples in (image, baseline))
    rows = (part.reshape(planes, -1) for part in (image - baseline, top - top0, m, here, there))
    return [(value, winner_multipliers(*rows).reshape(value.shape))]


@multiplier_rule("max", "min", "amax", "amin")
def of_maximum(pair: Pair, step: Step, outgoing: Sequence[Tensor | None]) -> Shares:
    """The greatest (least) over some axes, or over all."""
    value = step.inputs[0]
    if len(step.inputs) == 2:
        return of_greater(pair, step, outgoing)
    sign = -1 if "min" in step.operation else 1
    image, baseline = (sign * part for part in pair.at(value))
    count = len(value.shape)
    given = step.arguments[1] if len(step.arguments) > 1 else step.options.get("dim", ())
    chosen = [axis % count for axis in ([given] if isinstance(given, int) else given or range(count))]
    others = [axis for axis in range(count) if axis not in chosen]
    order = [*others, *chosen]
    rows = torch.Size(value.shape[axis] for axis in others).numel()
    image, baseline = (part.permute(order).reshape(rows, -1) for part in (image, baseline))
    top, top0 = image.max(1, keepdim=True), baseline.max(1, keepdim=True)
    m = arrived(outgoing).reshape(rows, 1)
    found = winner_multipliers(image - baseline, top.values - top0.values, m, top.indices, top0.indices)
    back = [order.index(axis) for axis in range(count)]
    return [(value, found.reshape([value.shape[axis] for axis in order]).permute(back))]


@multiplier_rule("maximum", "minimum", "fmax", "fmin")
def of_greater(pair: Pair, step: Step, outgoing: Sequence[Tensor | None]) -> Shares:
    """The greater (smaller) of two values, element by element."""
    sign = -1 if "min" in step.operation else 1
    m = arrived(outgoing)
    parts = step.arguments[:2]
    pairs = [pair.at(part) if isinstance(part, Value) else (part, part) for part in parts]
    image, baseline = (
        torch.stack([sign * both[side].expand_as(m) for both in pairs], -1).reshape(-1, 2) for side in (0, 1)
    )
    top, top0 = image.max(1, keepdim=True), baseline.max(1, keepdim=True)
    found = winner_multipliers(
        image - baseline, top.values - top0.values, m.reshape(-1, 1), top.indices, top0.indices
    ).reshape(*m.shape, 2)
    return [(part, summed_to(found[..., n], part.shape)) for n, part in enumerate(parts) if not is_free(part)]
