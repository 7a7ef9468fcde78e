"""LIME (Ribeiro et al. 2016): a linear model of superpixels, fitted to what the network says of the image with some hidden.

Coalitions z of K superpixels are drawn (each shown with probability one half; the first shows all), the network scores each copy,
and a ridge regression of the scores on z, with a free intercept, is fitted under the weights

    weight = exp(-d^2 / (2 width^2)),  d = 1 - cos(z, 1) = 1 - sqrt(shown / K)

A superpixel's value is its coefficient. Every pixel of a superpixel shows that value.

What it tells: what showing a superpixel adds to the score, other superpixels on average left as they fall. R^2 says how much of the
network's behaviour the linear model describes: near 1 the map can be read as it stands.

What it cannot tell: what superpixels do together. With R^2 far below 1 no single number describes one of them.

Known failures: the map depends on the segmentation, on the kernel's width (Garreau and von Luxburg 2020), on the fill and on the
draws: repeat with another seed. Slack et al. 2020 show how its off-distribution copies can be exploited, Alvarez-Melis and Jaakkola
2018 how much it differs between images that are nearly the same.

Cost: one forward pass a sample drawn.

Peers: captum's kernel is the same; the authors' code writes sqrt(exp(-d^2 / w^2)), which is the same too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from xai_core.explainers.registry import explainer
from xai_core.explainers.request import Attribution, Request
from xai_core.explainers.scoring import Scoring
from xai_core.explainers.superpixels import SUPERPIXELS, coalition_scores, painted, superpixels
from xai_core.parameters import Parameter


def drawn(segments: int, samples: int, seed: int) -> Tensor:
    """Coalitions (samples, segments) of zeros and ones, float64, the first of all superpixels."""
    generator = torch.Generator().manual_seed(seed)
    coalitions = torch.randint(0, 2, (samples, segments), generator=generator).double()
    coalitions[0] = 1
    return coalitions


def cosine_kernel(coalitions: Tensor, width: float) -> Tensor:
    """exp(-d^2 / (2 width^2)), d the cosine distance of each coalition from all superpixels (1 where none is shown)."""
    distance = 1 - coalitions.mean(1).sqrt()
    return torch.exp(-(distance**2) / (2 * width**2))


def ridge(coalitions: Tensor, scores: Tensor, weights: Tensor, penalty: float) -> tuple[Tensor, float]:
    """Coefficients (K,) of the weighted ridge regression with free intercept, and its weighted R^2 (1 for a constant score)."""
    share = weights / weights.sum()
    centred = coalitions - share @ coalitions
    residual = scores - share @ scores
    root = weights.sqrt()
    size = coalitions.shape[1]
    rows = torch.cat([centred * root[:, None], penalty**0.5 * torch.eye(size, dtype=scores.dtype)])
    wanted = torch.cat([residual * root, torch.zeros(size, dtype=scores.dtype)])
    found = torch.linalg.lstsq(rows, wanted[:, None], driver="gelsd").solution[:, 0]
    total = float((weights * residual**2).sum())
    missed = float((weights * (residual - centred @ found) ** 2).sum())
    return found, 1 - missed / total if total > 0 else 1.0


@explainer(
    name="lime",
    title="LIME",
    family="perturbation",
    taxonomy=("black box", "surrogate", "local"),
    parameters=(
        *SUPERPIXELS,
        Parameter("samples", "int", 500, "Copies with some superpixels hidden.", 10, 100000, 10),
        Parameter("width", "float", 0.25, "Width of the cosine kernel: how far a copy may be and count.", 0.01, 100.0),
        Parameter("ridge", "float", 1.0, "Penalty on the squared coefficients.", 0.0, 1000.0),
    ),
    dims=(1, 2, 3),
    target_dependent=True,
    exact=False,
    summary="A linear model of superpixels around this image: easy to read, as good as its R\u00b2 says.",
    source="Ribeiro et al. 2016, arXiv 1602.04938",
    reduce="mean",
    unit="logit per segment",
    black_box=True,
    cost=500.0,
)
def lime(request: Request, parameters: Mapping[str, Any]) -> Attribution:
    """The ridge coefficient of each superpixel, at all its positions, the same in every channel: (N, C, *space), signed.

    Facts: ``r_squared`` (the worst of the batch), ``segments``, ``samples``.
    """
    x = request.x
    scoring = Scoring(request, parameters["score"], parameters["samples"] * x.shape[0])
    maps, fits, counts = [], [], []
    for sample in range(x.shape[0]):
        labels = superpixels(x[sample], parameters["segments"], parameters["compactness"])
        count = int(labels.max()) + 1
        coalitions = drawn(count, parameters["samples"], parameters["seed"])
        scores = coalition_scores(scoring, sample, labels, coalitions, parameters).to("cpu", torch.float64)
        weights = cosine_kernel(coalitions, parameters["width"])
        worth, fit = ridge(coalitions, scores, weights, parameters["ridge"])
        maps.append(painted(worth, labels, x[sample]))
        fits.append(fit)
        counts.append(count)
    facts = {"r_squared": min(fits), "segments": float(max(counts)), "samples": float(parameters["samples"])}
    return Attribution(torch.stack(maps), None, request.targets(), tuple(scoring.notes), facts=facts)
