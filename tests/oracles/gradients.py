"""Gradients by autograd in float64, Grad-CAM, and occlusion window by window (semantics, sections 7 and 8)."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def gradient(module: nn.Module, x: Tensor, targets: Sequence[int]) -> Tensor:
    """d logit / d x for each sample's target."""
    module = copy.deepcopy(module).double()
    u = x.double().clone().requires_grad_()
    out = module(u * 1.0)  # a leaf may not be written in place
    chosen = torch.stack([out[n].reshape(-1)[target] for n, target in enumerate(targets)])
    return torch.autograd.grad(chosen.sum(), u)[0]


def layer_and_slope(module: nn.Module, layer: str, x: Tensor, targets: Sequence[int]) -> tuple[Tensor, Tensor]:
    """The layer's output A and d logit / d A, both (N, K, *grid)."""
    module = copy.deepcopy(module).double()
    kept: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: tuple[Tensor, ...], out: Tensor) -> Tensor:
        kept.append(out.detach().clone().requires_grad_())
        return kept[0] * 1.0

    handle = module.get_submodule(layer).register_forward_hook(keep)
    out = module(x.double())
    handle.remove()
    chosen = torch.stack([out[n].reshape(-1)[target] for n, target in enumerate(targets)])
    return kept[0].detach(), torch.autograd.grad(chosen.sum(), kept[0])[0]


def on_image(maps: Tensor, x: Tensor) -> Tensor:
    """Maps (N, 1, *grid) resized linearly without aligned corners to the space of ``x``, the same for every channel."""
    mode = {3: "linear", 4: "bilinear", 5: "trilinear"}[x.ndim]
    return F.interpolate(maps, x.shape[2:], mode=mode, align_corners=False).expand_as(x)


def grad_cam(module: nn.Module, layer: str, x: Tensor, targets: Sequence[int]) -> Tensor:
    """ReLU(sum_k mean(dS/dA_k) A_k), (N, 1, *space) of the input, resized linearly without aligned corners."""
    maps, slope = layer_and_slope(module, layer, x, targets)
    weights = slope.mean(tuple(range(2, slope.ndim)), keepdim=True)
    return on_image(torch.relu((weights * maps).sum(1, keepdim=True)), x)[:, :1]


def occlusion(
    score: Callable[[Tensor], Tensor], x: Tensor, window: int, stride: int, fill: Tensor, starts: Callable
) -> Tensor:
    """score(x) - score(window replaced), each pixel the mean over the windows that cover it; (1, *space).

    ``x`` (1, C, *space), ``fill`` like ``x``, ``starts(length)`` the windows' first index along an axis.
    """
    total = torch.zeros(x.shape[2:], dtype=torch.float64)
    count = torch.zeros_like(total)
    with torch.no_grad():
        whole = float(score(x))
        for corner in itertools.product(*(starts(length) for length in x.shape[2:])):
            place = tuple(slice(start, start + window) for start in corner)
            covered = x.clone()
            covered[(..., *place)] = fill[(..., *place)]
            total[place] += whole - float(score(covered))
            count[place] += 1
    return (total / count.clamp(min=1))[None]
