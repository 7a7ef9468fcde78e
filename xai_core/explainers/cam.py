"""CAM, class activation mapping (Zhou et al. 2016, equation 2): the last maps, weighted by the label's own weights.

Where a network ends in global average pooling and one fully connected layer,

    logit = b + sum_k w_k mean(A_k),  map = sum_k w_k A_k

so the map is that sum before it is averaged: its mean over the positions, plus the bias, **is** the logit. Nothing is approximated.

What it tells: both signs have a meaning: warm places raise the logit, cold ones lower it, each against an average place.

What it cannot tell: anything finer than the last grid, and where in the image a position's feature came from; a position
sees far more of the image than the cell it is drawn on.

Known failures: only ResNet, DenseNet, Inception and their kin end so; any other network is refused. For it Grad-CAM is the same idea with
gradients, and equal to the positive part of CAM, up to a factor, where both exist (Selvaraju et al. 2017). HiResCAM is then CAM
divided by the number of positions.

Cost: one forward pass, no gradient at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from xai_core.errors import UnsupportedOperationError
from xai_core.explainers.grad_cam import attribution_of, is_map, weighted
from xai_core.explainers.registry import explainer
from xai_core.explainers.request import Attribution, Request
from xai_core.rules.layers import layer_of
from xai_core.rules.operations import AVERAGES
from xai_core.steps import Step, Value

RESHAPES = frozenset(
    "view _unsafe_view reshape _reshape_alias squeeze unsqueeze clone detach alias _to_copy as_strided".split()
)


@explainer(
    name="cam",
    title="CAM",
    family="CAM",
    taxonomy=("white box", "network structure", "local"),
    parameters=(),
    dims=(1, 2, 3),
    target_dependent=True,
    exact=True,
    summary="The last maps weighted by the label's own weights: their mean and the bias are the logit; coarse.",
    source="Zhou et al. 2016, arXiv 1512.04150, eq. 2",
    reduce="mean",
    cost=1.1,
)
def cam(request: Request, parameters: Mapping[str, Any]) -> Attribution:
    """sum_k w_k A_k, resized linearly to the input; the same in every channel; signed, since the paper cuts nothing off.

    Raises :class:`UnsupportedOperationError`, which proposes grad-cam, where the network does not end in global average
    pooling and one fully connected layer.
    """
    head, weight, maps = pooled_head(request)
    per_sample = request.selection().reshape(request.x.shape[0], -1) @ weight.t()
    path = head.path if maps.producer is None else maps.producer.path
    return attribution_of(request, weighted(per_sample, request.recording.tensor(maps)), path)


def pooled_head(request: Request) -> tuple[Step, Tensor, Value]:
    """The one fully connected layer, its weight (K, L), and the maps (N, K, *grid) whose mean it reads."""
    head = _behind(request.logit_value, RESHAPES, request).producer
    found = layer_of(head) if head is not None and head.operation in ("addmm", "mm") else None
    if head is None or found is None:
        raise _ends_otherwise(head)
    pooled = found[1]
    maps = _behind(pooled, RESHAPES | set(AVERAGES), request)
    is_averaged = maps is not _behind(pooled, RESHAPES, request)
    if not is_averaged or not is_map(maps, request.x) or maps.shape[:2] != pooled.shape:
        raise _ends_otherwise(maps.producer)
    if maps.shape[2:].numel() == 1:
        raise _ends_otherwise(maps.producer, "cam has nothing to show: the last maps have one position only.")
    means = request.recording.tensor(maps).flatten(2).mean(2)
    if not torch.allclose(request.recording.tensor(pooled), means, rtol=1e-3, atol=1e-5 * float(means.abs().max())):
        raise _ends_otherwise(maps.producer)  # a sum, or an average of part of the map
    return head, found[0].weight, maps


def _behind(value: Value, operations: frozenset[str], request: Request) -> Value:
    """The value before the last ``operations``, or the first on the way back that has space."""
    while value.producer is not None and value.producer.operation in operations:
        if is_map(value, request.x) and value.shape[2:].numel() > 1:
            break
        value = value.producer.inputs[0]
    return value


def _ends_otherwise(
    step: Step | None,
    sentence: str = "cam needs a network that ends in global average pooling and one fully connected layer; this one does not.",
) -> UnsupportedOperationError:
    return UnsupportedOperationError(
        "input" if step is None else step.operation,
        "" if step is None else step.path,
        "cam",
        ("grad-cam", "hirescam", "grad-cam++"),
        sentence,
    )
