"""Gradient SHAP (Lundberg and Lee 2017; Erion et al. 2021, "expected gradients"): integrated gradients, expected over baselines.

    R = E[(x' - b) * df/dx at b + alpha (x' - b)],  x' = x + noise,  alpha uniform in [0, 1],  b a baseline

One draw, one gradient (Erion et al., equation 4, with the SHAP package's noise). Points on the way are drawn one from each of even
strata, which has the same expectation and less scatter.

What it tells: how much of the logit's difference to the baselines each pixel accounts for. Where no baseline is neutral, taking several
in turn ("mixed": black, blur, mean, uniform) lets none of them decide alone. The values add up to f(x) minus the baselines' mean
output as far as the draws allow, which is in the badge.

What it cannot tell: Shapley values of a population: without a set of reference images the baselines are made from the image itself.

Known failures: it is a random estimate, and few draws make it grainy. On the way the network sees images it was never trained on. Of
methods that add up so and are linear in the network Bilodeau et al. 2024 prove that they need not do better than guessing at what
a change of one pixel would do.

Cost: one forward and one backward pass a draw.

Peers: captum's GradientShap computes the same from draws without strata or seed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from xai_core.explainers.baselines import BASELINES, baseline_of
from xai_core.explainers.completeness import completeness
from xai_core.explainers.copies import Copies
from xai_core.explainers.integrated_gradients import SEED
from xai_core.explainers.registry import explainer
from xai_core.explainers.request import Attribution, Request
from xai_core.explainers.smoothgrad import noisy
from xai_core.parameters import Parameter

MIXED = "mixed"
_SPACELESS = ("black", "uniform")


class Draws:
    """The baseline of each draw: "mixed" takes all kinds in turn, noise is drawn anew every time."""

    def __init__(self, request: Request, kind: str, seed: int) -> None:
        mixed = tuple(BASELINES) if request.x.ndim > 2 else _SPACELESS
        self._request, self._seed = request, seed
        self._kinds = mixed if kind == MIXED else (kind,)
        self.kinds = len(self._kinds)
        self._fixed = {name: baseline_of(request, name) for name in self._kinds if name != "uniform"}

    def baseline(self, draw: int, sample: int) -> Tensor:
        """(1, C, *space)."""
        name = self._kinds[draw % len(self._kinds)]
        fixed = self._fixed.get(name)
        found = baseline_of(self._request, name, self._seed + 1 + draw) if fixed is None else fixed
        return found[sample : sample + 1]

    def mean_score(self, copies: Copies, sample: int, count: int) -> Tensor:
        """The explained scalar (1,) of the baselines, averaged over ``count`` draws; what is drawn twice runs once."""
        scores: dict[str | int, Tensor] = {}
        total = torch.zeros(1, dtype=torch.float64, device=self._request.x.device)
        for draw in range(count):
            name = self._kinds[draw % len(self._kinds)]
            key = name if name in self._fixed else draw
            if key not in scores:
                scores[key] = copies.scores_at(sample, self.baseline(draw, sample)).double()
            total += scores[key]
        return total / count


def stratified(count: int, kinds: int, seed: int) -> Tensor:
    """``count`` shares of the way, (count,) float64, uniform in [0, 1]: for each of ``kinds`` that take turns, one in every stratum."""
    strata = -(-count // kinds)
    within = torch.rand(count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    rows = torch.arange(count) // kinds
    return (rows + within) / strata


@explainer(
    name="gradient-shap",
    title="Gradient SHAP",
    family="gradient",
    taxonomy=("white box", "linearisation", "local"),
    parameters=(
        Parameter("samples", "int", 40, "Draws of a baseline, a point on the way and noise.", 2, 2000, 1),
        Parameter(
            "baseline",
            "choice",
            MIXED,
            "What the image is compared with; mixed takes all kinds in turn.",
            choices=(MIXED, *BASELINES),
        ),
        Parameter("noise", "float", 0.05, "Standard deviation of the noise, as a share of max - min.", 0.0, 1.0, 0.01),
        SEED,
    ),
    dims=(0, 1, 2, 3),
    target_dependent=True,
    exact=False,
    summary="Integrated gradients expected over several baselines and noise: no single baseline decides; grainy with few draws.",
    source="Erion et al. 2021, arXiv 1906.10670, eq. 4; Lundberg and Lee 2017",
    unit="logit",
    cost=130.0,
)
def gradient_shap(request: Request, parameters: Mapping[str, Any]) -> Attribution:
    """E[(x' - b) * gradient at b + alpha (x' - b)], (N, C, *space), signed; sums to about f(x) - E f(b)."""
    x, count, seed = request.x, parameters["samples"], parameters["seed"]
    copies = Copies.of(request, planned=count * x.shape[0])
    draws = Draws(request, parameters["baseline"], seed)
    alphas = stratified(count, draws.kinds, seed).to(x)
    result = torch.zeros_like(x, dtype=torch.float64)
    differences = []
    for sample in range(x.shape[0]):
        own = x[sample : sample + 1]

        def ends(part: range, own: Tensor = own, sample: int = sample) -> tuple[Tensor, Tensor]:
            start = torch.cat([draws.baseline(draw, sample) for draw in part])
            return start, noisy(own, part, parameters["noise"], seed)

        def points(part: range, ends: Callable[[range], tuple[Tensor, Tensor]] = ends) -> Tensor:
            start, end = ends(part)
            alpha = alphas[part.start : part.stop].reshape((-1,) + (1,) * (start.ndim - 1))
            return start + alpha * (end - start)

        for part, _, gradients in copies.gradients(sample, count, points):
            start, end = ends(part)
            result[sample] += ((end - start) * gradients).double().sum(0)
        differences.append(copies.explained[sample : sample + 1] - draws.mean_score(copies, sample, count))
    relevance = (result / count).to(x.dtype)
    facts = completeness(relevance, torch.cat(differences)) | {"samples": float(count)}
    return Attribution(relevance, None, copies.targets, copies.notes, facts=facts)
