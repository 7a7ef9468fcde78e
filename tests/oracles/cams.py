"""Class activation maps position by position in float64 (semantics, section 7): plain loops over channels and places."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable

import torch
from torch import Tensor, nn

from tests.oracles.gradients import on_image


def cam(maps: Tensor, head: nn.Linear, targets: list[int], x: Tensor) -> Tensor:
    """sum_k w_k A_k on the image: ``maps`` (N, K, *grid) before the pooling, ``head`` the one fully connected layer."""
    found = torch.zeros(maps.shape[0], 1, *maps.shape[2:], dtype=torch.float64)
    for n, target in enumerate(targets):
        for k in range(maps.shape[1]):
            found[n, 0] += head.weight[target, k].item() * maps[n, k].double()
    return on_image(found, x)


def fem(maps: Tensor, k: float, x: Tensor) -> Tensor:
    """sum_k mu_k B_k, B_k = (A_k >= mu_k + K sigma_k), on the image."""
    found = torch.zeros(maps.shape[0], 1, *maps.shape[2:], dtype=torch.float64)
    for n, channel in itertools.product(range(maps.shape[0]), range(maps.shape[1])):
        values = maps[n, channel].double()
        mean = sum(values.flatten().tolist()) / values.numel()
        sigma = (sum((value - mean) ** 2 for value in values.flatten().tolist()) / values.numel()) ** 0.5
        for place in itertools.product(*(range(size) for size in values.shape)):
            if float(values[place]) >= mean + k * sigma:
                found[n, 0][place] += mean
    return on_image(found.clamp(min=0), x)


def score_cam(
    score: Callable[[Tensor], Tensor], maps: Tensor, x: Tensor, is_softmax: bool = True
) -> tuple[Tensor, list[float]]:
    """One sample x (1, C, *space) with maps (1, K, *grid): the result on the image and the weights of the maps that are not flat."""
    increases: dict[int, float] = {}
    with torch.no_grad():
        nothing = float(score(torch.zeros_like(x)))
        for k in range(maps.shape[1]):
            one = maps[:, k : k + 1].double()
            if float(one.max()) == float(one.min()):
                continue
            mask = on_image(one, x)
            mask = (mask - mask.min()) / (mask.max() - mask.min())
            increases[k] = float(score(x * mask)) - nothing
    scores = torch.tensor(list(increases.values()), dtype=torch.float64)
    weights = torch.exp(scores) / torch.exp(scores).sum() if is_softmax else scores
    found = torch.zeros_like(maps[:, :1], dtype=torch.float64)
    for weight, k in zip(weights.tolist(), increases, strict=True):
        found += weight * maps[:, k : k + 1].double()
    return on_image(found.clamp(min=0), x), weights.tolist()


def outputs_of(module: nn.Module, layer: str, x: Tensor) -> Tensor:
    """What ``layer`` returns for ``x``, before anything writes into it."""
    module = copy.deepcopy(module)
    kept: list[Tensor] = []
    handle = module.get_submodule(layer).register_forward_hook(lambda _m, _i, out: kept.append(out.detach().clone()))
    module(x)
    handle.remove()
    return kept[-1]
