"""What an image is compared with: the baselines of integrated gradients, gradient SHAP and DeepLIFT.

A baseline says "nothing to see". None is neutral (Sturmfels, Lundberg and Lee 2020, distill.pub/2020/attribution-baselines):
what equals its baseline can never be found important. Black hides dark findings such as a pneumothorax; the blurred
image keeps coarse shadows out of the map; noise brings edges of its own. Compare two of them before believing one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from xai_core.errors import ParameterError
from xai_core.explainers.fills import blurred
from xai_core.explainers.request import Request
from xai_core.parameters import Parameter

BLUR_SHARE = 0.05
"""Standard deviation of the blurred baseline as a share of each axis: about 11 px of 224, close to Fong's 10."""


def black(request: Request, seed: int) -> Tensor:
    """The least possible input value (the sample's own least one where the network's bounds are not known)."""
    return spread_per_sample(limits(request)[0], request.x)


def blur(request: Request, seed: int) -> Tensor:
    """The image itself, blurred by a Gaussian along every space axis."""
    needs_space(request, "blur")
    return blurred(request.x, BLUR_SHARE)


def mean(request: Request, seed: int) -> Tensor:
    """Every channel's mean over its own image."""
    needs_space(request, "mean")
    x = request.x
    means = x.flatten(2).mean(2).reshape(x.shape[:2] + (1,) * (x.ndim - 2))
    return means.expand_as(x).contiguous()


def uniform(request: Request, seed: int) -> Tensor:
    """Uniform noise between the least and the greatest possible input value, the same draw for every sample of a batch."""
    low, high = limits(request)
    draw = torch.rand(request.x.shape[1:], generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    low, high = (spread_per_sample(limit, request.x) for limit in (low, high))
    return low + (high - low) * draw.to(request.x)


BASELINES: Mapping[str, Callable[[Request, int], Tensor]] = {
    "black": black,
    "blur": blur,
    "mean": mean,
    "uniform": uniform,
}
BASELINE = Parameter(
    "baseline",
    "choice",
    "black",
    "What the image is compared with; what equals it can never be found important.",
    choices=tuple(BASELINES),
    title="Baseline",
)


def baseline_of(request: Request, name: str, seed: int = 0) -> Tensor:
    """The baseline ``name`` for every sample, (N, C, *space) like the input; ``seed`` matters to "uniform" only.

    Raises :class:`ParameterError` for an unknown name, and for "blur" and "mean" where the input has no space.
    """
    if name not in BASELINES:
        raise ParameterError(f"There is no baseline '{name}'.", f"Choose one of: {', '.join(BASELINES)}.")
    return BASELINES[name](request, seed)


def limits(request: Request) -> tuple[Tensor, Tensor]:
    """Least and greatest possible input value of each sample, (N,): the network's bounds, else the sample's own."""
    x = request.x
    if request.bounds is None:
        return x.flatten(1).amin(1), x.flatten(1).amax(1)
    low, high = request.bounds
    return x.new_full(x.shape[:1], low), x.new_full(x.shape[:1], high)


def spread_per_sample(values: Tensor, x: Tensor) -> Tensor:
    """(N,) spread over each sample of ``x``."""
    return values.reshape((-1,) + (1,) * (x.ndim - 1)).expand_as(x).contiguous()


def needs_space(request: Request, name: str) -> None:
    if request.x.ndim < 3:
        raise ParameterError(
            f"The baseline '{name}' needs an input with space (N, C, ...).", "Choose black or uniform."
        )
