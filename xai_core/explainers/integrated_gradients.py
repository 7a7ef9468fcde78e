"""Integrated gradients (Sundararajan, Taly and Yan 2017): the gradient, averaged on the straight way from a baseline.

    R = (x - x0) * integral over alpha from 0 to 1 of df/dx at x0 + alpha (x - x0)

(their equation 1); the integral by Gauss and Legendre's rule, which is exact for polynomials of degree 2 steps - 1. The values add up
to f(x) - f(x0): how well they do is in the badge, and more steps make it better.

What it tells: how much of the difference to the baseline each pixel accounts for.

What it cannot tell: anything of pixels that equal the baseline; it changes with the baseline (Sturmfels et al. 2020).

Known failures: it inherits the noise of gradients (Smilkov et al. 2017), and on the way the network sees images it was never trained
on. Of methods that add up so and are linear in the network Bilodeau et al. 2024 prove that they need not do better than guessing
at what a change of one pixel would do.

Cost: one forward and one backward pass a step.

Peers: captum's default rule is the same, with 50 steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from xai_core.explainers.baselines import BASELINE, baseline_of
from xai_core.explainers.completeness import completeness
from xai_core.explainers.copies import Copies
from xai_core.explainers.registry import explainer
from xai_core.explainers.request import Attribution, Request
from xai_core.parameters import Parameter

STEPS = Parameter("steps", "int", 32, "Points on the way; more make the map add up better.", 1, 512, 1, title="Steps")
SEED = Parameter("seed", "int", 0, "Equal seeds draw equal noise.", 0, 2**31 - 1, 1, title="Seed")


def path_integral(copies: Copies, sample: int, x: Tensor, baseline: Tensor, steps: int) -> Tensor:
    """(x - baseline) * mean gradient between them, (1, C, *space), for one image in the place of ``sample``."""
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    shares = torch.from_numpy((nodes + 1) / 2).to(x).reshape((-1,) + (1,) * (x.ndim - 1))
    way = x - baseline
    mean = copies.gradient_sum(
        sample, torch.from_numpy(weights / 2), lambda part: baseline + shares[part.start : part.stop] * way
    )
    return way * mean


@torch.no_grad()
def integrate(request: Request, baseline: Tensor, steps: int) -> Attribution:
    """Integrated gradients from any ``baseline`` (N, C, *space) or (1, C, *space), such as another case's image."""
    x = request.x
    baseline = baseline.to(x).expand_as(x)
    copies = Copies.of(request, planned=steps * x.shape[0])
    rows = [slice(sample, sample + 1) for sample in range(x.shape[0])]
    maps = [path_integral(copies, row.start, x[row], baseline[row], steps) for row in rows]
    relevance = torch.cat(maps).contiguous()
    difference = copies.explained - torch.cat([copies.scores_at(row.start, baseline[row]) for row in rows])
    return Attribution(
        relevance,
        None,
        copies.targets,
        copies.notes,
        facts=completeness(relevance, difference) | {"steps": float(steps)},
    )


@explainer(
    name="integrated-gradients",
    title="Integrated gradients",
    family="gradient",
    taxonomy=("white box", "linearisation", "local"),
    parameters=(STEPS, BASELINE, SEED),
    dims=(0, 1, 2, 3),
    target_dependent=True,
    exact=False,
    summary="How much of the logit's difference to a baseline image each pixel accounts for: adds up, but to the baseline's taste.",
    source="Sundararajan et al. 2017, arXiv 1703.01365, eq. 1",
    unit="logit",
    cost=100.0,
)
def integrated_gradients(request: Request, parameters: Mapping[str, Any]) -> Attribution:
    """(x - x0) * mean gradient on the way, (N, C, *space), signed; sums to f(x) - f(x0)."""
    baseline = baseline_of(request, parameters["baseline"], parameters["seed"])
    return integrate(request, baseline, parameters["steps"])
