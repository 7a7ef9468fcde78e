"""DeepLIFT as its paper writes it (Shrikumar et al. 2017, sections 3.5.1 to 3.5.3), neuron by neuron in float64.

A network is a list of dense affine maps and elementwise functions in turn. Every neuron has delta+ and delta-, every pair of
neurons the paper's four multipliers; nothing is rearranged for speed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

Function = Callable[[Tensor], Tensor]
NEARLY = 1e-6
"""In the place of a part that is nought: near enough for a slope, far enough from rounding in float64."""
Layer = "tuple[Tensor, Tensor] | Function"


def dense_of(module: nn.Module, shape: Sequence[int]) -> tuple[Tensor, Tensor, tuple[int, ...]]:
    """(W, b, shape of the output) of an affine ``module`` for inputs of ``shape`` without the sample axis, by asking it."""
    size = torch.Size(shape).numel()
    with torch.no_grad():
        origin = module(torch.zeros(1, *shape, dtype=torch.float64))
        columns = module(torch.eye(size, dtype=torch.float64).reshape(size, *shape)) - origin
    return columns.reshape(size, -1).t().contiguous(), origin.flatten(), tuple(origin.shape[1:])


def contributions(layers: Sequence[Layer], x: Tensor, x0: Tensor, target: int, rule: str) -> Tensor:
    """C of every input for output ``target``; ``rule`` "rescale" or "reveal-cancel"; x and x0 flat."""
    values, references = [x], [x0]
    for layer in layers:
        for found in (values, references):
            found.append(layer(found[-1]) if callable(layer) else layer[0] @ found[-1] + layer[1])
    delta = [a - b for a, b in zip(values, references, strict=True)]
    rises, falls = [delta[0].clamp(min=0)], [delta[0].clamp(max=0)]
    for n, layer in enumerate(layers):
        up, down = rises[-1], falls[-1]
        if not callable(layer):
            terms = layer[0] * delta[n]  # (out, in)
            rises.append(torch.where(terms > 0, terms, 0).sum(1))
            falls.append(torch.where(terms < 0, terms, 0).sum(1))
        elif rule == "rescale":
            slope = delta[n + 1] / delta[n]
            rises.append(slope * up)
            falls.append(slope * down)
        else:
            f, origin = layer, references[n]
            rises.append((f(origin + up) - f(origin)) / 2 + (f(origin + down + up) - f(origin + down)) / 2)
            falls.append((f(origin + down) - f(origin)) / 2 + (f(origin + up + down) - f(origin + up)) / 2)
    m_up = torch.zeros_like(delta[-1])
    m_up[target] = 1
    m_down = m_up.clone()
    for n in reversed(range(len(layers))):
        layer = layers[n]
        if callable(layer):
            if rule == "rescale":
                m_up, m_down = (m * delta[n + 1] / delta[n] for m in (m_up, m_down))
            else:
                m_up = m_up * _slope(layer, references[n], rises[n], falls[n], NEARLY)
                m_down = m_down * _slope(layer, references[n], falls[n], rises[n], -NEARLY)
            continue
        m_in = torch.zeros_like(delta[n])
        for i in range(m_in.numel()):
            for j in range(m_up.numel()):
                w = layer[0][j, i]
                term = w * delta[n][i]
                share = (0.5, 0.5) if term == 0 else (float(term > 0), float(term < 0))
                m_in[i] += w * (share[0] * m_up[j] + share[1] * m_down[j])
        m_up, m_down = m_in, m_in.clone()
    return m_up * rises[0] + m_down * falls[0]


def _slope(f: Function, origin: Tensor, part: Tensor, other: Tensor, least: float) -> Tensor:
    """RevealCancel's multiplier of one part; a part that is nought is moved by ``least``, as the authors' package has it."""
    part = torch.where(part == 0, least, part)
    return ((f(origin + part) - f(origin)) + (f(origin + other + part) - f(origin + other))) / (2 * part)
