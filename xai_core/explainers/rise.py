"""RISE (Petsiuk et al. 2018): the score an image keeps under random masks, on average over the masks that show a position.

A mask is a coarse grid of zeros and ones, each one with probability p, enlarged linearly to a little more than the image and cut
out at a random place, so that its cells are soft and their seams fall anywhere. Over the masks drawn (their equation 6)

    map = E[score(x * mask + fill * (1 - mask)) * mask] / E[mask]

What it tells: the expected score where a position is shown. It needs no look inside and no choice of segments, and it finds several
findings at once. With `centred` the mean score is taken off, so that zero says "showing this makes no difference".

What it cannot tell: parts that only work together. Without centring every position carries the mean score, so compare positions with
one another, not with zero. Cells as coarse as a seventh of the image hide small findings.

Known failures: it is noisy: errors fall with the square root of the number of masks, and the map changes with the seed. Masked
images are unlike those the network was trained on (Hooker et al. 2019).

Cost: one forward pass a mask.

Peers: the published code divides by p instead of the mask's own mean; both tend to the same, but then a constant score already draws a
map, of how often each position happened to be shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from xai_core.explainers.fills import SOFT_FILLS
from xai_core.explainers.registry import explainer
from xai_core.explainers.request import Attribution, Request
from xai_core.explainers.scoring import SCORE, SEED, Scoring, chunk_size, fill_of
from xai_core.parameters import Parameter

_LINEAR = ("linear", "bilinear", "trilinear")


class Masks:
    """``count`` random masks over ``space``, drawn at once as small grids and shifts, enlarged when asked for."""

    def __init__(self, space: tuple[int, ...], grid: int, share: float, count: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self._space = space
        self._cell = tuple(-(-size // grid) for size in space)
        self._grids = (torch.rand((count, 1) + (grid,) * len(space), generator=generator) < share).float()
        self._shifts = torch.stack([torch.randint(0, cell, (count,), generator=generator) for cell in self._cell], 1)
        self._size = [(grid + 1) * cell for cell in self._cell]

    def of(self, part: range, like: Tensor) -> Tensor:
        """The masks of ``part``, (len(part), 1, *space), in 0..1, on the device and in the precision of ``like``."""
        grids = self._grids[part.start : part.stop].to(like)
        whole = interpolate(grids, size=self._size, mode=_LINEAR[len(self._space) - 1], align_corners=False)
        shifts = self._shifts[part.start : part.stop].tolist()
        return torch.stack([self._cut(mask, shift) for mask, shift in zip(whole, shifts, strict=True)])

    def _cut(self, mask: Tensor, shift: list[int]) -> Tensor:
        place = tuple(slice(start, start + size) for start, size in zip(shift, self._space, strict=True))
        return mask[(slice(None), *place)]


@explainer(
    name="rise",
    title="RISE",
    family="perturbation",
    taxonomy=("black box", "perturbation", "local"),
    parameters=(
        Parameter("masks", "int", 1000, "Random masks; the noise falls with the square root of it.", 1, 100000, 100),
        Parameter("grid", "int", 7, "Cells of a mask along each axis.", 1, 64, 1),
        Parameter("share", "float", 0.5, "Probability that a cell is shown.", 0.01, 0.99, 0.05),
        Parameter("fill", "choice", "grey", "What hidden positions are filled with.", choices=SOFT_FILLS),
        SCORE,
        Parameter("centred", "bool", False, "Take the mean score off, so that zero means no difference."),
        SEED,
    ),
    dims=(1, 2, 3),
    target_dependent=True,
    exact=False,
    summary="The mean score over random masks that show a position: needs no look inside, noisy, slow.",
    source="Petsiuk et al. 2018, arXiv 1806.07421, eq. 6",
    reduce="mean",
    black_box=True,
    cost=1000.0,
)
def rise(request: Request, parameters: Mapping[str, Any]) -> Attribution:
    """E[score * mask] / E[mask], (N, C, *space), the same in every channel; signed as the score is.

    Facts: ``masks``, ``mean_score`` (of the first sample), ``mean_mask``.
    """
    x = request.x
    count = parameters["masks"]
    masks = Masks(tuple(x.shape[2:]), parameters["grid"], parameters["share"], count, parameters["seed"])
    scoring = Scoring(request, parameters["score"], count * x.shape[0])
    scores = torch.stack([_scores(scoring, sample, masks, parameters) for sample in range(x.shape[0])], 1).to(x)
    means = scores.mean(0)
    seen = scores - means  # a constant is carried exactly: E[(score - mean) * mask] / E[mask] + mean
    step = chunk_size(x, request.memory_bytes)
    kept = torch.zeros_like(x[:, 0])
    shown = torch.zeros_like(x[:1, 0])
    for start in range(0, count, step):
        part = range(start, min(start + step, count))
        drawn = masks.of(part, x)[:, 0]
        kept += torch.tensordot(seen[start : part.stop].t(), drawn, 1)
        shown += drawn.sum(0)
    never = shown == 0  # by no mask at all: nothing is known, so the mean stands
    relevance = kept / torch.where(never, torch.ones_like(shown), shown)
    if not parameters["centred"]:
        relevance = relevance + means.reshape((-1,) + (1,) * (x.ndim - 2))
    facts = {"masks": float(count), "mean_score": float(means[0]), "mean_mask": float(shown.mean() / count)}
    notes = tuple(scoring.notes)
    if bool(never.any()):
        notes += ("Some positions were shown by no mask: draw more masks.",)
    return Attribution(relevance.unsqueeze(1).expand_as(x).contiguous(), None, request.targets(), notes, facts=facts)


def _scores(scoring: Scoring, sample: int, masks: Masks, parameters: Mapping[str, Any]) -> Tensor:
    own = scoring.request.x[sample]
    fill = fill_of(scoring.request, sample, parameters["fill"])
    return scoring.of(sample, parameters["masks"], lambda part: torch.lerp(fill, own, masks.of(part, own)))
