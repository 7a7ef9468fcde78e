"""Grad-CAM's next of kin, which weigh a layer's maps A_k otherwise: Grad-CAM++, HiResCAM and LayerCAM.

With g_k = dS/dA_k, position by position:

    Grad-CAM++:  map = ReLU(sum_k w_k A_k),  w_k = sum of alpha ReLU(g_k),  alpha = g_k^2 / (2 g_k^2 + (sum A_k) g_k^3)
    HiResCAM:    map = sum_k g_k A_k
    LayerCAM:    map = ReLU(sum_k ReLU(g_k) A_k)

What it tells: where the layer holds features that the label likes. Grad-CAM++ (Chattopadhyay et al. 2018) was made for several
findings of one kind in one image: each weighs alike, however small. HiResCAM (Draelos and Carin 2020) averages nothing and cuts
nothing off: where the network ends in one fully connected layer over the maps, its sum is the logit without the bias. LayerCAM
(Jiang et al. 2021) was made for earlier, finer layers, where Grad-CAM's mean fails.

What it cannot tell: anything finer than the layer's grid; with Grad-CAM++ and LayerCAM, what speaks against the label.

Known failures: Grad-CAM++ never sees a negative gradient, so it shows what could speak for the label and seldom differs between
labels; in practice it is close to Grad-CAM with positive gradients alone (Lerma and Lucas 2022). HiResCAM on early layers is as noisy
as their gradients. LayerCAM cuts away twice what speaks against the label, so places that the network holds against it may still light up.

Cost: one forward and a short backward pass. For segmentation S is the sum of the label's logits over the region.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from xai_core.explainers.grad_cam import TARGET_LAYER, attribution_of, layer_and_gradient, weighted
from xai_core.explainers.registry import explainer
from xai_core.explainers.request import Attribution, Request

_SIGNED_LAYER = "This layer holds negative values; Grad-CAM++ was derived for a layer after a ReLU: choose such a one."


def plus_plus_weights(activations: Tensor, gradient: Tensor) -> Tensor:
    """w_k = sum of alpha ReLU(g), maps and gradient (N, K, *grid) -> (N, K) (equations 5 and 19).

    alpha = g^2 / (2 g^2 + sum(A) g^3) is written 1 / (2 + sum(A) g): the same for g != 0, and g = 0 weighs nothing.
    Where that denominator is zero, which no layer after a ReLU can reach, the position weighs nothing.
    """
    g = gradient.flatten(2)
    denominator = 2 + activations.flatten(2).sum(2, keepdim=True) * g
    shares = torch.relu(g) / torch.where(denominator != 0, denominator, torch.inf)
    return shares.sum(2)


@explainer(
    name="grad-cam++",
    title="Grad-CAM++",
    family="CAM",
    taxonomy=("white box", "linearisation", "local"),
    parameters=(TARGET_LAYER,),
    dims=(1, 2, 3),
    target_dependent=True,
    exact=True,
    summary="Grad-CAM that weighs every occurrence of a finding alike: finds the second nodule too, tells labels apart less.",
    source="Chattopadhyay et al. 2018, arXiv 1710.11063, eq. 5 and 19",
    is_signed=False,
    reduce="mean",
    cost=1.2,
)
def grad_cam_plus_plus(request: Request, parameters: Mapping[str, Any]) -> Attribution:
    """ReLU(sum_k w_k A_k) with w_k = sum alpha ReLU(dS/dA_k), resized linearly; the same in every channel; not negative.

    The paper explains Y = exp(S), whose derivatives are exp(S) g, exp(S) g^2, exp(S) g^3 for a network of linear pieces;
    alpha is then free of exp(S), which remains as one factor of the whole map. It is left out, as pytorch-grad-cam does: it
    moves no colour and overflows float32 from a logit of 89. That library adds 1e-6 to alpha's denominator, which wins over
    gradients below 1e-3 and bends their weights; ours needs no such term. The authors' code also divides alpha by its sum
    over each map, which their equations do not.
    """
    request = request.behind(parameters["target_layer"])
    activations, gradient, path = layer_and_gradient(request, parameters["target_layer"], "grad-cam++")
    cam = torch.relu(weighted(plus_plus_weights(activations, gradient), activations))
    notes = (_SIGNED_LAYER,) if bool((activations < 0).any()) else ()
    return attribution_of(request, cam, path, notes)


@explainer(
    name="hirescam",
    title="HiResCAM",
    family="CAM",
    taxonomy=("white box", "linearisation", "local"),
    parameters=(TARGET_LAYER,),
    dims=(1, 2, 3),
    target_dependent=True,
    exact=True,
    summary="What each place of the last spatial layer adds to the logit, for and against: faithful there, and as coarse.",
    source="Draelos and Carin 2020, arXiv 2011.08891",
    reduce="mean",
    cost=1.2,
)
def hirescam(request: Request, parameters: Mapping[str, Any]) -> Attribution:
    """sum_k dS/dA_k A_k, resized linearly to the input; the same in every channel; signed.

    The paper's map has no ReLU; pytorch-grad-cam cuts off what is negative and scales to 0..1, which hides what speaks
    against the label. On the layer's grid the map sums to S minus the bias where everything after the layer is linear.
    """
    request = request.behind(parameters["target_layer"])
    activations, gradient, path = layer_and_gradient(request, parameters["target_layer"], "hirescam")
    return attribution_of(request, (gradient * activations).sum(1, keepdim=True), path)


@explainer(
    name="layer-cam",
    title="LayerCAM",
    family="CAM",
    taxonomy=("white box", "linearisation", "local"),
    parameters=(TARGET_LAYER,),
    dims=(1, 2, 3),
    target_dependent=True,
    exact=True,
    summary="Grad-CAM place by place with positive gradients only: finer on early layers, blind to what speaks against.",
    source="Jiang et al. 2021, IEEE TIP, LayerCAM",
    is_signed=False,
    reduce="mean",
    cost=1.2,
)
def layer_cam(request: Request, parameters: Mapping[str, Any]) -> Attribution:
    """ReLU(sum_k ReLU(dS/dA_k) A_k), resized linearly to the input; the same in every channel; not negative."""
    request = request.behind(parameters["target_layer"])
    activations, gradient, path = layer_and_gradient(request, parameters["target_layer"], "layer-cam")
    cam = torch.relu((torch.relu(gradient) * activations).sum(1, keepdim=True))
    return attribution_of(request, cam, path)
