"""Kernel SHAP (Lundberg and Lee 2017): Shapley values of superpixels by a weighted regression over coalitions.

Each superpixel is a player, v(S) the score of the image with only the superpixels of S shown, and a superpixel's value the
mean of what it adds over all orders in which superpixels could appear. That is the solution of the regression of v on
coalitions of s among K superpixels under the Shapley kernel

    weight = (K - 1) / (binom(K, s) s (K - s)),  sum of values = v(all) - v(none)

(their theorem 2). With up to 11 superpixels all 2^K coalitions are run and the values are exact; with more, coalition sizes are drawn by
the kernel's mass, each coalition together with its complement (paired sampling, Covert and Lee 2021), and the sum is still kept exactly.

What it tells: a fair division. Values sum to f(x) - f(all hidden), which LIME's and occlusion's do not, and two superpixels that
stand in for each other share.

What it cannot tell: how a superpixel matters given its neighbours as they are.

Known failures: most coalitions are images no one has seen, and the network's answer there is not evidence of medicine (Kumar et al.
2020; Slack et al. 2020). It depends on the segmentation and on the fill.

Cost: 2^K forward passes up to 11 superpixels, else as many as samples are drawn.

Peers: captum draws unpaired and gives the two ends a weight of a million instead of keeping the sum exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import comb
from typing import Any

import torch
from torch import Tensor

from xai_core.explainers.registry import explainer
from xai_core.explainers.request import Attribution, Request
from xai_core.explainers.scoring import Scoring
from xai_core.explainers.superpixels import SUPERPIXELS, coalition_scores, painted, superpixels
from xai_core.parameters import Parameter

MOST_ENUMERATED = 11


def enumerated(count: int) -> tuple[Tensor, Tensor]:
    """All coalitions (2^K - 2, K) but none and all, with their Shapley kernel; float64."""
    numbers = torch.arange(1, 2**count - 1)
    coalitions = (numbers[:, None] >> torch.arange(count)) & 1
    kernel = [(count - 1) / (comb(count, size) * size * (count - size)) for size in range(1, count)]
    weights = torch.tensor([0.0, *kernel, 0.0], dtype=torch.float64)[coalitions.sum(1)]
    return coalitions.double(), weights


def sampled(count: int, samples: int, seed: int) -> tuple[Tensor, Tensor]:
    """Coalitions drawn by the Shapley kernel, each followed by its complement, all of weight one; float64."""
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.arange(1, count, dtype=torch.float64)
    mass = 1 / (sizes * (count - sizes))
    pairs = (samples + 1) // 2
    drawn = 1 + torch.multinomial(mass, pairs, replacement=True, generator=generator)
    ranks = torch.rand(pairs, count, generator=generator).argsort(1).argsort(1)
    halves = (ranks < drawn[:, None]).double()
    coalitions = torch.stack([halves, 1 - halves], 1).flatten(0, 1)
    return coalitions, torch.ones(coalitions.shape[0], dtype=torch.float64)


def constrained(coalitions: Tensor, gains: Tensor, weights: Tensor, total: float) -> Tensor:
    """Values (K,) with sum ``total`` that best describe ``gains`` = v(S) - v(none) as sums over coalitions.

    values = total / K + B t, B an orthonormal basis of what sums to zero: the sum holds whatever t is, and least squares
    for t has no constraint left. Where coalitions leave values open, the most even ones are taken.
    """
    count = coalitions.shape[1]
    even = torch.full((count,), total / count, dtype=gains.dtype)
    if count == 1:
        return even
    square = torch.cat([torch.ones(count, 1), torch.eye(count)[:, :-1]], 1).to(gains.dtype)
    basis: Tensor = torch.linalg.qr(square).Q[:, 1:]
    root = weights.sqrt()[:, None]
    rows, wanted = root * (coalitions @ basis), root * (gains - coalitions @ even)[:, None]
    within: Tensor = torch.linalg.lstsq(rows, wanted, driver="gelsd").solution[:, 0]
    return even + basis @ within


@explainer(
    name="kernel-shap",
    title="Kernel SHAP",
    family="perturbation",
    taxonomy=("black box", "surrogate", "local"),
    parameters=(
        *SUPERPIXELS,
        Parameter(
            "samples",
            "int",
            500,
            f"Copies with some superpixels hidden; up to {MOST_ENUMERATED} superpixels all coalitions are run instead.",
            2,
            100000,
            2,
        ),
    ),
    dims=(1, 2, 3),
    target_dependent=True,
    exact=False,
    summary="Shapley values of superpixels: what each adds over all orders of showing them; they sum to what showing all adds.",
    source="Lundberg and Lee 2017, arXiv 1705.07874, theorem 2",
    reduce="mean",
    unit="logit per segment",
    black_box=True,
    cost=500.0,
)
def kernel_shap(request: Request, parameters: Mapping[str, Any]) -> Attribution:
    """The Shapley value of each superpixel, at all its positions, the same in every channel: (N, C, *space), signed.

    Facts: ``sum`` of the values over superpixels, ``difference`` f(x) - f(all hidden), ``completeness_error`` (relative; of the whole
    batch the worst), ``segments``, ``coalitions``, ``enumerated`` ("yes" where every coalition was run).
    """
    x = request.x
    cuts = [superpixels(own, parameters["segments"], parameters["compactness"]) for own in x]
    counts = [int(labels.max()) + 1 for labels in cuts]
    plans = [
        enumerated(count) if count <= MOST_ENUMERATED else sampled(count, parameters["samples"], parameters["seed"])
        for count in counts
    ]
    scoring = Scoring(request, parameters["score"], sum(len(weights) + 1 for _, weights in plans))
    maps, sums, differences = [], [], []
    for sample, (labels, (coalitions, weights)) in enumerate(zip(cuts, plans, strict=True)):
        none = torch.zeros(1, coalitions.shape[1], dtype=torch.float64)
        all_scores = coalition_scores(scoring, sample, labels, torch.cat([none, coalitions]), parameters)
        scores = all_scores.to("cpu", torch.float64)
        difference = float(scoring.whole(sample).double()) - float(scores[0])
        worth = constrained(coalitions, scores[1:] - scores[0], weights, difference)
        maps.append(painted(worth, labels, x[sample]))
        sums.append(float(worth.sum()))
        differences.append(difference)
    errors = [abs(s - d) / max(abs(d), 1e-12) for s, d in zip(sums, differences, strict=True)]
    facts: dict[str, float | str] = {
        "sum": sums[0],
        "difference": differences[0],
        "completeness_error": max(errors),
        "segments": float(max(counts)),
        "coalitions": float(max(len(weights) + 2 for _, weights in plans)),
        "enumerated": "yes" if max(counts) <= MOST_ENUMERATED else "no",
    }
    return Attribution(torch.stack(maps), None, request.targets(), tuple(scoring.notes), facts=facts)
