"""Guided Grad-CAM (Selvaraju et al. 2017, section 3.2): guided backpropagation, kept where Grad-CAM looks.

    map = Grad-CAM resized to the image * guided backpropagation, position by position

What it tells: the place, from the one, and the fine lines there, from the other. Believe the place as far as Grad-CAM's.

What it cannot tell: anything by its lines. They look more exact than they are.

Known failures: guided backpropagation draws edges of the image nearly whatever the network has learned: it recovers the image in theory
(Nie et al. 2018), and randomising the upper layers hardly changes it, nor this product (Adebayo et al. 2018). It needs ReLUs, as
guided backpropagation does, and a layer with maps, as Grad-CAM does.

Cost: one forward and two backward passes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from xai_core.explainers.grad_cam import TARGET_LAYER, attribution_of, grad_cam_map
from xai_core.explainers.guided_backprop import check_rectifiers, guided_gradient
from xai_core.explainers.registry import explainer
from xai_core.explainers.request import Attribution, Request


@explainer(
    name="guided-grad-cam",
    title="Guided Grad-CAM",
    family="CAM",
    taxonomy=("white box", "linearisation", "local"),
    parameters=(TARGET_LAYER,),
    dims=(1, 2, 3),
    target_dependent=True,
    exact=True,
    summary="Guided backpropagation where Grad-CAM looks: sharp lines whose place is Grad-CAM's and whose detail proves little.",
    source="Selvaraju et al. 2017, arXiv 1610.02391, section 3.2",
    reduce="max-abs",
    cost=3.0,
)
def guided_grad_cam(request: Request, parameters: Mapping[str, Any]) -> Attribution:
    """Grad-CAM resized linearly * guided backpropagation, (N, C, *space), signed.

    captum's GuidedGradCam is the same but for its resize, "nearest" unless told otherwise, and it misses functional ReLUs.
    """
    notes = check_rectifiers(request, "guided-grad-cam")
    cam, path = grad_cam_map(request, parameters["target_layer"], "guided-grad-cam")
    found = attribution_of(request, cam, path, notes)
    return replace(found, relevance=found.relevance * guided_gradient(request))
