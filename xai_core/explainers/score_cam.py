"""Score-CAM (Wang et al. 2020): a layer's maps, each weighted by how the logit fares when only what it lights up is left.

Every map A_k of the layer is resized to the image and scaled to 0..1, which makes a mask H_k; the network sees the image through it:

    map = ReLU(sum_k w_k A_k),  w = softmax over k of (f(x * H_k) - f(0))

0 is an image of zeros, which is what a mask of zeros leaves. `weights` increase takes the scores themselves, without softmax.

What it tells: which patterns of the layer are enough for the label by themselves. No gradient is used, so a saturated network is no obstacle.

What it cannot tell: what speaks against the label, and anything finer than the layer's grid.

Known failures: the softmax makes the weights depend on the scale of the logits: far apart, one map takes all (the rule for segmentation,
where the score is a sum over a whole region; a note says so); close together, every map weighs alike and the result is the layer's
mean activity, whatever the label. Masked images are unlike anything the network was trained on, and zero, which they fade to, is
black in the inputs of some models and mid grey in those of others.

Cost: one forward pass a map (512 for a ResNet-18, 1024 for a DenseNet-121).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from xai_core.explainers.grad_cam import TARGET_LAYER, attribution_of, layer_value, resized, weighted
from xai_core.explainers.registry import explainer
from xai_core.explainers.request import Attribution, Request, logits_of, summed
from xai_core.explainers.scoring import chunk_size, in_chunks
from xai_core.parameters import Parameter

_ONE_TAKES_ALL = "One map of the layer takes more than 90 % of the softmax: compare with weights = increase."


@explainer(
    name="score-cam",
    title="Score-CAM",
    family="CAM",
    taxonomy=("white box", "perturbation", "local"),
    parameters=(
        TARGET_LAYER,
        Parameter(
            "weights",
            "choice",
            "softmax",
            "What weighs a map: the softmax of all scores (as published), or its own score.",
            choices=("softmax", "increase"),
        ),
    ),
    dims=(1, 2, 3),
    target_dependent=True,
    exact=True,
    summary="Shows the network only what each map lights up and weighs the map by the logit: no gradients, slow, coarse.",
    source="Wang et al. 2020, arXiv 1910.01279, algorithm 1",
    is_signed=False,
    reduce="mean",
    cost=500.0,
)
def score_cam(request: Request, parameters: Mapping[str, Any]) -> Attribution:
    """ReLU(sum_k softmax_k(f(x H_k) - f(0)) A_k), H_k = A_k resized and scaled to 0..1; resized linearly; not negative.

    f is the explained scalar, a logit (or a sum of logits over the region). A map that is flat has no H_k and is left out,
    as in the authors' code. Others differ: the authors' code weighs by the label's probability, without baseline and
    without softmax over the maps; pytorch-grad-cam leaves out the baseline, which under the softmax changes nothing, lets
    flat maps take part in it, resizes with aligned corners, and runs on films alone. Algorithm 1 of the paper is followed here.
    """
    value, path = layer_value(request, parameters["target_layer"], "score-cam")
    activations = request.recording.tensor(value)
    live = activations.flatten(2).amax(2) > activations.flatten(2).amin(2)
    total = int(live.sum())
    weights = activations.new_zeros(live.shape)
    notes: list[str] = []
    done = 0
    for sample in range(request.x.shape[0]):
        chosen = live[sample].nonzero()[:, 0]
        scores = []
        for part in channel_scores(request, activations[sample], chosen, sample, notes):
            scores.append(part)
            done += len(part)
            request.report(done / total)
        if scores:
            increase = torch.cat(scores)
            weights[sample, chosen] = increase.softmax(0) if parameters["weights"] == "softmax" else increase
    if parameters["weights"] == "softmax" and bool(((weights > 0.9).any(1) & (live.sum(1) > 1)).any()):
        notes.append(_ONE_TAKES_ALL)
    return attribution_of(request, torch.relu(weighted(weights, activations)), path, notes)


def channel_scores(request: Request, maps: Tensor, chosen: Tensor, sample: int, notes: list[str]) -> Iterator[Tensor]:
    """f(x H_k) - f(0) of the ``chosen`` maps (K, *grid) of one sample, chunk by chunk, (n,) each."""
    own, selection = request.x[sample : sample + 1], request.selection()[sample : sample + 1]
    strip = request.closes_with_activation

    def score(output: Tensor) -> Tensor:
        return summed(output * selection)

    def masked(part: range) -> Tensor:
        return own * unit_masks(maps[chosen[part.start : part.stop]].unsqueeze(1), own)

    baseline = score(logits_of(request.module, torch.zeros_like(own), strip))
    chunk = chunk_size(request.x, request.memory_bytes)
    for _, output in in_chunks(request.module, len(chosen), masked, chunk, strip, notes):
        yield score(output) - baseline


def unit_masks(maps: Tensor, like: Tensor) -> Tensor:
    """H: maps (n, 1, *grid) resized to the space of ``like`` and scaled to 0..1, each by its own least and greatest value."""
    large = resized(maps, like)
    axes = tuple(range(1, large.ndim))
    low, high = large.amin(axes, keepdim=True), large.amax(axes, keepdim=True)
    return (large - low) / (high - low).clamp(min=torch.finfo(large.dtype).tiny)
