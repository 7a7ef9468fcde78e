"""SmoothGrad (Smilkov et al. 2017): the mean of a gradient method over noisy copies of the image.

    map = 1/n sum_i m(x + e_i),  e_i normal with standard deviation noise * (max x - min x)

(their section 3), m the gradient method. `squared` takes the mean of m squared (Hooker et al. 2019, arXiv 1806.10758), `vargrad` the
variance of m over the copies (Adebayo et al. 2018, arXiv 1810.03307), both without a sign.

What it tells: what the gradient method says of this image and its near neighbours. Averaging takes out the fluctuation of gradients
that makes their maps look like noise.

What it cannot tell: more than the method that is averaged; its baseline and its blind spots stay.

Known failures: calm is not faithful: Hooker et al. find the mean no better than the gradient alone, the squared and the variance better.
Too much noise explains images that the network never saw, and the choice of n and noise is a matter of taste.

Cost: n times the method (with integrated gradients n times its steps).

Peers: captum's NoiseTunnel takes the noise in input units; here it is a share of the image's own range, as in the paper.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from xai_core.explainers.baselines import BASELINE, baseline_of
from xai_core.explainers.copies import Backward, Copies, chain_rule
from xai_core.explainers.guided_backprop import check_rectifiers, deconvolved, guided
from xai_core.explainers.integrated_gradients import SEED, path_integral
from xai_core.explainers.registry import explainer
from xai_core.explainers.request import Attribution, Request
from xai_core.keeping import FOR_GRADIENTS
from xai_core.parameters import Parameter
from xai_core.record import record

_SPREAD = 2_654_435_761  # an odd number near 2**32 / golden ratio: seeds of copies lie far apart


@dataclass(frozen=True)
class Method:
    """A gradient method of a copy: its backward, whether it is multiplied by the copy, whether it is integrated from a baseline."""

    backward: Backward = chain_rule
    needs_rectifiers: bool = False
    times_input: bool = False
    from_baseline: bool = False


METHODS: Mapping[str, Method] = {
    "gradient": Method(),
    "input-x-gradient": Method(times_input=True),
    "guided-backprop": Method(guided, needs_rectifiers=True),
    "deconvnet": Method(deconvolved, needs_rectifiers=True),
    "integrated-gradients": Method(from_baseline=True),
}


class Moments:
    """Mean and mean squared deviation of maps that come one after the other (Welford), in float64."""

    def __init__(self, like: Tensor) -> None:
        self.count = 0
        self.mean = torch.zeros(like.shape, dtype=torch.float64, device=like.device)
        self.deviation = torch.zeros_like(self.mean)

    def add(self, found: Tensor) -> None:
        self.count += 1
        step = found.double() - self.mean
        self.mean += step / self.count
        self.deviation += step * (found.double() - self.mean)

    @property
    def variance(self) -> Tensor:
        return self.deviation / self.count


VARIANTS: Mapping[str, Callable[[Moments], Tensor]] = {
    "mean": lambda moments: moments.mean,
    "squared": lambda moments: moments.mean.square() + moments.variance,
    "vargrad": lambda moments: moments.variance,
}


def noisy(x: Tensor, copies: range, share: float, seed: int) -> Tensor:
    """Copies ``copies`` of one image ``x`` (1, C, *space), each with noise of its own: the same however they are grouped."""
    sigma = share * (x.max() - x.min())
    seeds = [(seed + (copy + 1) * _SPREAD) % (1 << 32) for copy in copies]
    draws = [torch.randn(x.shape[1:], generator=torch.Generator().manual_seed(own)) for own in seeds]
    return x + sigma * torch.stack(draws).to(x)


def maps(
    copies: Copies,
    sample: int,
    method: Method,
    make: Callable[[range], Tensor],
    baseline: Tensor,
    given: Mapping[str, Any],
) -> Iterator[Tensor]:
    """The map of every noisy copy, (1, C, *space) each."""
    if method.from_baseline:
        for i in range(given["samples"]):
            yield path_integral(copies, sample, make(range(i, i + 1)), baseline, given["steps"])
        return
    for _, noised, gradients in copies.gradients(sample, given["samples"], make):
        found = noised * gradients if method.times_input else gradients
        yield from (found[row : row + 1] for row in range(len(found)))


@explainer(
    name="smoothgrad",
    title="SmoothGrad",
    family="gradient",
    taxonomy=("white box", "linearisation", "local"),
    parameters=(
        Parameter("method", "choice", "gradient", "The gradient method that is averaged.", choices=tuple(METHODS)),
        Parameter(
            "variant",
            "choice",
            "mean",
            "Mean of the maps, mean of their squares, or their variance; the last two have no sign.",
            choices=tuple(VARIANTS),
        ),
        Parameter("samples", "int", 25, "Noisy copies.", 2, 1000, 1),
        Parameter("noise", "float", 0.15, "Standard deviation of the noise, as a share of max - min.", 0.0, 1.0, 0.01),
        Parameter("steps", "int", 16, "Points on the way, for integrated gradients only.", 1, 512, 1),
        BASELINE,
        SEED,
    ),
    dims=(0, 1, 2, 3),
    target_dependent=True,
    exact=False,
    summary="A gradient method averaged over noisy copies of the image: calmer maps, not more faithful ones.",
    source="Smilkov et al. 2017, arXiv 1706.03825",
    reduce="max-abs",
    cost=75.0,
)
def smoothgrad(request: Request, parameters: Mapping[str, Any]) -> Attribution:
    """Mean, mean square or variance of a gradient method over noisy copies, (N, C, *space)."""
    x, method = request.x, METHODS[parameters["method"]]
    gradients = parameters["samples"] * (parameters["steps"] if method.from_baseline else 1)
    copies = Copies.of(request, planned=gradients * x.shape[0], backward=method.backward)
    notes: tuple[str, ...] = ()
    if method.needs_rectifiers:
        first = replace(request, x=x[:1], shared=record(request.module, x[:1], FOR_GRADIENTS))
        notes = check_rectifiers(first, parameters["method"])
    baseline = baseline_of(request, parameters["baseline"], parameters["seed"]) if method.from_baseline else x
    result = []
    for sample in range(x.shape[0]):
        own = slice(sample, sample + 1)
        make = _maker(x[own], parameters)
        result.append(smoothed(copies, sample, x[own], baseline[own], method, make, parameters))
    relevance = torch.cat(result).to(x.dtype).contiguous()
    sigma = parameters["noise"] * float((x.flatten(1).amax(1) - x.flatten(1).amin(1)).max())
    facts: dict[str, float | str] = {"samples": float(parameters["samples"]), "noise_sigma": sigma}
    return Attribution(relevance, None, copies.targets, notes + copies.notes, facts=facts)


def smoothed(
    copies: Copies,
    sample: int,
    x: Tensor,
    baseline: Tensor,
    method: Method,
    make: Callable[[range], Tensor],
    given: Mapping[str, Any],
) -> Tensor:
    """The smoothed map of one image ``x`` (1, C, *space). The mean of gradients is taken where it costs least."""
    if given["variant"] == "mean" and not method.times_input and not method.from_baseline:
        weights = torch.full((given["samples"],), 1 / given["samples"], dtype=torch.float64)
        return copies.gradient_sum(sample, weights, make)
    moments = Moments(x)
    for found in maps(copies, sample, method, make, baseline, given):
        moments.add(found)
    return VARIANTS[given["variant"]](moments)


def _maker(x: Tensor, given: Mapping[str, Any]) -> Callable[[range], Tensor]:
    return lambda part: noisy(x, part, given["noise"], given["seed"])
