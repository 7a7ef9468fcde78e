"""Occlusion (Zeiler and Fergus 2014): what the score loses when a part of the input is hidden. Any network, no look inside.

    by space:     R(p) = mean over windows W that cover p of (score(x) - score(x with W replaced))
    by modality:  R(channel) = score(x) - score(x with the channel replaced)

By space, a window slides over the image (a block over the volume), the same in every channel. By modality, one input channel after
the other is hidden wholly, and the value is the same everywhere in it. Positive: the score fell, so what was hidden spoke for the target.

What it tells: what the network does with an image that lacks something, which is a fact about the network and easy to understand.

What it cannot tell: the share of parts that stand in for each other: hide one of two equal findings and nothing is lost. Maps are
as coarse as the window.

Known failures: a hidden window is also a new edge, and an image the network never saw in training (Hooker et al. 2019); window and
fill change the map, so compare two fills before believing one.

Cost: one forward pass a window, or a modality; on a processor (not on a graphics card) only the part of the early layers that a
window can reach is computed anew, which changes nothing but the rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import torch
from torch import Tensor

from xai_core.errors import ParameterError
from xai_core.explainers.fills import FILLS, with_hidden
from xai_core.explainers.registry import explainer
from xai_core.explainers.request import Attribution, Request
from xai_core.explainers.scoring import SCORE, Scoring, fill_of
from xai_core.parameters import Parameter

WINDOWS, BLOCKS = (8, 2), (4, 1)
"""Windows to a side and steps to a window, where nothing is set: of images, and of volumes, where 64 blocks stand side by side."""


def starts(size: int, window: int, stride: int) -> list[int]:
    """First positions of windows along an axis: every ``stride``, the last flush with the end, so that all is covered."""
    last = size - window
    positions = list(range(0, last + 1, stride))
    if positions[-1] != last:
        positions.append(last)
    return positions


def windows_of(space: tuple[int, ...], window: tuple[int, ...], stride: tuple[int, ...]) -> list[tuple[slice, ...]]:
    """All windows, as slices along the space axes."""
    axes = [starts(size, w, s) for size, w, s in zip(space, window, stride, strict=True)]
    return [
        tuple(slice(start, start + w) for start, w in zip(corner, window, strict=True)) for corner in product(*axes)
    ]


@explainer(
    name="occlusion",
    title="Occlusion",
    family="perturbation",
    taxonomy=("black box", "perturbation", "local"),
    parameters=(
        Parameter(
            "window",
            "int",
            None,
            "Side of the hidden window, by space only; empty: an eighth of the image's side, a quarter of a volume's.",
            1,
            4096,
            1,
            unit="px",
            optional=True,
        ),
        Parameter(
            "stride",
            "int",
            None,
            "Step between windows, by space only; empty: half a window, in volumes a whole one.",
            1,
            4096,
            1,
            unit="px",
            optional=True,
        ),
        Parameter("fill", "choice", "grey", "What the hidden part is filled with.", choices=FILLS),
        SCORE,
        Parameter(
            "by",
            "choice",
            "space",
            "What is hidden at a time: a window in every channel, or one whole input channel.",
            choices=("space", "modality"),
        ),
    ),
    dims=(1, 2, 3),
    target_dependent=True,
    exact=False,
    summary="What the score loses when a window is hidden: easy to understand, needs no look inside, coarse and slow.",
    source="Zeiler and Fergus 2014, arXiv 1311.2901",
    reduce="mean",
    unit="logit per window",
    black_box=True,
    cost=170.0,
)
def occlusion(request: Request, parameters: Mapping[str, Any]) -> Attribution:
    """score(x) - score(part replaced): by space each position the mean over the windows that cover it, the same in every
    channel; by modality one signed number a channel, the same everywhere in it. (N, C, *space)."""
    return _WAYS[parameters["by"]](request, parameters)


def _by_space(request: Request, parameters: Mapping[str, Any]) -> Attribution:
    x = request.x
    space = tuple(x.shape[2:])
    parts, overlap = BLOCKS if len(space) == 3 else WINDOWS
    window = tuple(min(size, parameters["window"] or max(1, round(size / parts))) for size in space)
    stride = tuple(parameters["stride"] or max(1, side // overlap) for side in window)
    if any(step > side for step, side in zip(stride, window, strict=True)):
        raise ParameterError(
            f"A stride of {max(stride)} leaves gaps between windows of {min(window)} px.",
            "Take a stride not greater than the window.",
        )
    places = windows_of(space, window, stride)
    scoring = Scoring(request, parameters["score"], len(places) * x.shape[0])
    result = torch.zeros_like(x[:, 0])
    covered = torch.zeros(space, dtype=x.dtype, device=x.device)
    for place in places:
        covered[place] += 1
    for sample in range(x.shape[0]):
        own, fill = x[sample], fill_of(request, sample, parameters["fill"])

        def masked(part: range, own: Tensor = own, fill: Tensor = fill) -> Tensor:
            return torch.stack([_without(own, fill, places[index], parameters["fill"]) for index in part])

        lost = scoring.whole(sample) - scoring.of(sample, len(places), masked, places)
        for place, amount in zip(places, lost, strict=True):
            result[sample][place] += amount
    relevance = (result / covered).unsqueeze(1).expand_as(x).contiguous()
    facts = {"windows": float(len(places)), "window": float(max(window)), "stride": float(max(stride))}
    return Attribution(relevance, None, request.targets(), tuple(scoring.notes), facts=facts)


def _without(own: Tensor, fill: Tensor, place: tuple[slice, ...], kind: str) -> Tensor:
    """One sample (C, *space) with the window at ``place`` hidden."""
    if kind == "inpaint":
        hidden = torch.zeros(own.shape[1:], dtype=torch.bool, device=own.device)
        hidden[place] = True
        return with_hidden(own, fill, hidden, inpaint=True)
    copy = own.clone()
    copy[(slice(None), *place)] = fill[(slice(None), *place)]
    return copy


def _by_modality(request: Request, parameters: Mapping[str, Any]) -> Attribution:
    x = request.x
    channels = x.shape[1]
    if channels == 1:
        raise ParameterError("The network has a single input channel: there is no modality to hide.", "Hide by space.")
    if parameters["fill"] == "inpaint":
        raise ParameterError(
            "A modality that is hidden wholly has no rim to inpaint from.", "Choose grey, black or blur."
        )
    scoring = Scoring(request, parameters["score"], channels * x.shape[0])
    lost = torch.zeros(x.shape[:2], dtype=x.dtype, device=x.device)
    for sample in range(x.shape[0]):
        own, fill = x[sample], fill_of(request, sample, parameters["fill"])

        def masked(part: range, own: Tensor = own, fill: Tensor = fill) -> Tensor:
            copies = own.repeat((len(part),) + (1,) * own.ndim)
            for row, channel in enumerate(part):
                copies[row, channel] = fill[channel]
            return copies

        lost[sample] = scoring.whole(sample) - scoring.of(sample, channels, masked)
    relevance = lost.reshape(lost.shape + (1,) * (x.ndim - 2)).expand_as(x).contiguous()
    return Attribution(relevance, None, request.targets(), tuple(scoring.notes), facts={"modalities": float(channels)})


_WAYS = {"space": _by_space, "modality": _by_modality}
