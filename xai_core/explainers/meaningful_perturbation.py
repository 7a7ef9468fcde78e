"""Meaningful perturbation (Fong and Vedaldi 2017; Fong et al. 2019): the smallest smooth blur that takes the score away.

A mask m, one number a coarse cell, enlarged linearly and in 0..1, starts at one half everywhere (at one it can be stuck there) and is
learned by gradient descent (Adam) so as to minimise

    max(0, 1 - (score(x) - score(x * m + blur * (1 - m))) / D) + l1 * mean(1 - m) + tv * mean(|grad m|^3),
    D = |score(x) - score(blur)|,  map = 1 - m

(equation 3 of 2017, with beta = 3): the score gone, little blurred, in one piece. Each step sees the mask moved against the image by some
pixels (jitter, their equation 4), so that it cannot live on single pixels. The papers lower a probability, which ends at zero; a
logit has no end, so here the score is gone when as much is lost as full blur changes, and lowering it further earns nothing. Dividing
by D makes l1 and tv mean the same for every network.

What it tells: where hiding little costs much: a small region that suffices to silence the network.

What it cannot tell: all that speaks for the target, or anything that speaks against it. Of two findings that stand in for each other it blurs both.

Known failures: the optimisation may end in another minimum from another start or with other weights of its terms, and a mask can
find an artefact that fools the network rather than evidence (both papers say so). Blur removes texture, not the mean: what is large
and smooth stays. Where the image scores about as its blur does there is nothing to take away, and the badge shows it.

Cost: a gradient a step, about 450 forward passes. It needs the network's operations: gradients are walked on a recording of each
step, so the module is never touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

from xai_core.explainers.fills import SOFT_FILLS
from xai_core.explainers.registry import explainer
from xai_core.explainers.request import Attribution, Request, joined
from xai_core.explainers.scoring import SEED, fill_of
from xai_core.parameters import Parameter
from xai_core.propagate import gradient_walk

BETA = 3
_LINEAR = ("linear", "bilinear", "trilinear")


@explainer(
    name="meaningful-perturbation",
    title="Meaningful perturbation",
    family="perturbation",
    taxonomy=("white box", "perturbation", "local"),
    parameters=(
        Parameter("steps", "int", 150, "Steps of the optimisation.", 1, 10000, 10),
        Parameter("cell", "int", 8, "Side of one cell of the mask.", 1, 512, 1, unit="px"),
        Parameter("l1", "float", 0.3, "What blurring everything costs, in shares of the score it takes.", 0.0, 100.0),
        Parameter("tv", "float", 1.0, "What ragged masks cost.", 0.0, 1000.0),
        Parameter("rate", "float", 0.1, "Step size of Adam.", 1e-4, 1.0),
        Parameter("jitter", "int", 4, "How far the mask is moved against the image.", 0, 64, 1, unit="px"),
        Parameter("fill", "choice", "blur", "What masked positions are filled with.", choices=SOFT_FILLS),
        SEED,
    ),
    dims=(2, 3),
    target_dependent=True,
    exact=False,
    summary="The smallest smooth blur that takes the score away: where hiding little costs much.",
    source="Fong and Vedaldi 2017, arXiv 1704.03296, eq. 3 and 4; Fong et al. 2019, arXiv 1910.08485",
    is_signed=False,
    reduce="mean",
    cost=450.0,
)
def meaningful_perturbation(request: Request, parameters: Mapping[str, Any]) -> Attribution:
    """1 - mask, (N, C, *space) in 0..1, the same in every channel.

    Facts: ``hidden`` (mean of the map), ``score``, ``score_masked`` and ``score_hidden`` (all of it), of the first sample.
    """
    parts = []
    samples = list(request.samples())
    for number, own in enumerate(samples):
        relevance, facts = _learned(own, parameters, request, number / len(samples), 1 / len(samples))
        parts.append(Attribution(relevance, None, own.targets(), facts=facts))
    return joined(parts)


def _learned(
    own: Request, parameters: Mapping[str, Any], request: Request, begun: float, part: float
) -> tuple[Tensor, dict[str, float | str]]:
    """The map (1, C, *space) of one sample and its facts; ``request`` hears shares from ``begun`` to ``begun + part``."""
    x, seed = own.x, own.selection()
    fill = fill_of(own, 0, parameters["fill"])[None]
    score, nothing = _score(own.module, x, seed), _score(own.module, fill.contiguous(), seed)
    extent = max(abs(score - nothing), 1e-6 * max(abs(score), abs(nothing)), 1e-30)
    space = tuple(x.shape[2:])
    cells = tuple(min(size, max(4, round(size / parameters["cell"]))) for size in space)
    generator = torch.Generator().manual_seed(parameters["seed"])
    with torch.enable_grad():
        mask = torch.full((1, 1, *cells), 0.5, dtype=x.dtype, device=x.device, requires_grad=True)
        optimiser = torch.optim.Adam([mask], parameters["rate"])
        for step in range(parameters["steps"]):
            shift = torch.randint(-parameters["jitter"], parameters["jitter"] + 1, (len(space),), generator=generator)
            perturbed = torch.lerp(fill, x, moved(enlarged(mask, space), shift.tolist()))
            now, slope = _slope(own.module, perturbed.detach(), seed)
            slope = slope / extent if now > score - extent else torch.zeros_like(slope)
            cost = parameters["l1"] * (1 - mask).mean() + parameters["tv"] * roughness(mask)
            optimiser.zero_grad()
            torch.autograd.backward([perturbed, cost], [slope, torch.ones_like(cost)])
            optimiser.step()
            with torch.no_grad():
                mask.clamp_(0, 1)
            request.report(begun + part * (step + 1) / parameters["steps"])
        final = enlarged(mask.detach(), space)
    after = _score(own.module, torch.lerp(fill, x, final), seed)
    facts: dict[str, float | str] = {
        "hidden": float(1 - final.mean()),
        "score": score,
        "score_masked": after,
        "score_hidden": nothing,
    }
    return (1 - final).expand_as(x).contiguous(), facts


def enlarged(mask: Tensor, space: tuple[int, ...]) -> Tensor:
    """A mask (1, 1, *cells) over ``space``, linearly about pixel centres."""
    return interpolate(mask, size=space, mode=_LINEAR[len(space) - 1], align_corners=False)


def moved(mask: Tensor, shift: list[int]) -> Tensor:
    """The mask moved by ``shift`` positions along each space axis, its rim continued."""
    amounts = [(max(step, 0), max(-step, 0)) for step in shift]
    grown = pad(mask, [side for pair in reversed(amounts) for side in pair], mode="replicate")
    place = tuple(slice(after, after + size) for (_, after), size in zip(amounts, mask.shape[2:], strict=True))
    return grown[(slice(None), slice(None), *place)]


def roughness(mask: Tensor) -> Tensor:
    """Mean of |difference|^3 between neighbouring cells, summed over axes that have neighbours."""
    axes = [axis for axis in range(2, mask.ndim) if mask.shape[axis] > 1]
    return sum(((mask.diff(dim=axis).abs() ** BETA).mean() for axis in axes), mask.new_zeros(()))


def _score(module: torch.nn.Module, x: Tensor, seed: Tensor) -> float:
    """The explained scalar of one image."""
    return float((Request(module, x).logits * seed).sum())


def _slope(module: torch.nn.Module, x: Tensor, seed: Tensor) -> tuple[float, Tensor]:
    """The explained scalar at ``x`` and its gradient there; the choice of what is explained stays that of the original image."""
    step = Request(module, x)
    return float((step.logits * seed).sum()), gradient_walk(step.recording.ending_at(step.logit_value), seed)
