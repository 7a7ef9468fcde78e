"""Eigen-CAM (Bany Muhammad and Yeasin 2020): the strongest common pattern of a layer's maps, whatever the label.

The maps of the layer, as a matrix O of positions by channels, are taken apart by a singular value decomposition:

    O = U s V^T,  map = ReLU(O v_1)

the layer's activity along its first singular vector.

What it tells: what the network sees most of. It needs no gradient and no label.

What it cannot tell: why a label was given. The same map belongs to every label, and a disease that lights up a few positions
is easily outshone by ribs or text markers.

Known failures: on a film the first vector is often little more than the mean activity of the layer. Where the first two singular
values are equal the pattern is not determined. A singular vector has no sign of its own: v_1 and -v_1 are as good. The one whose map has
a positive sum along the layer's total activity is taken, so that more activity is warmer; what remains negative, which no layer
after a ReLU can have, is cut off.

Cost: one forward pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from xai_core.explainers.grad_cam import TARGET_LAYER, attribution_of, layer_value
from xai_core.explainers.registry import explainer
from xai_core.explainers.request import Attribution, Request
from xai_core.parameters import Parameter


@explainer(
    name="eigen-cam",
    title="Eigen-CAM",
    family="CAM",
    taxonomy=("white box", "network structure", "local"),
    parameters=(
        TARGET_LAYER,
        Parameter(
            "centred",
            "bool",
            False,
            "Subtract each channel's mean first (principal components, as pytorch-grad-cam does).",
            title="Centre the channels",
        ),
    ),
    dims=(1, 2, 3),
    target_dependent=False,
    exact=True,
    summary="What the layer sees most of, the same for every target: a look at the features, not at the decision.",
    source="Bany Muhammad and Yeasin 2020, arXiv 2008.00299",
    is_signed=False,
    reduce="mean",
    cost=1.1,
)
def eigen_cam(request: Request, parameters: Mapping[str, Any]) -> Attribution:
    """ReLU(O v_1), resized linearly to the input; the same in every channel; not negative.

    The paper does not centre the channels. pytorch-grad-cam does, "otherwise the image returned is negative": that is the
    open sign, not the mean. Centring (``centred=True``) shows departures from the mean activity, half of which are cut off;
    the sign of its vector is then that of its product with the mean, where pytorch-grad-cam's is whatever LAPACK returns.
    """
    value, path = layer_value(request, parameters["target_layer"], "eigen-cam")
    activations = request.recording.tensor(value)
    found = first_component(activations.flatten(2).transpose(1, 2).double(), parameters["centred"])
    cam = found.to(activations.dtype).reshape((activations.shape[0], 1, *activations.shape[2:]))
    return attribution_of(request, torch.relu(cam), path)


def first_component(rows: Tensor, is_centred: bool) -> Tensor:
    """O v_1 (N, positions) of matrices O (N, positions, channels), v_1 pointing along the mean row.

    v_1 is the last eigenvector of O^T O, or O^T times that of O O^T where there are fewer positions than channels.
    """
    mean = rows.mean(1, keepdim=True)
    matrix = rows - mean if is_centred else rows
    if matrix.shape[1] < matrix.shape[2]:
        left = torch.linalg.eigh(matrix @ matrix.mT).eigenvectors[:, :, -1:]
        vector = torch.nn.functional.normalize(matrix.mT @ left, dim=1)
    else:
        vector = torch.linalg.eigh(matrix.mT @ matrix).eigenvectors[:, :, -1:]
    vector = torch.where(mean @ vector < 0, -vector, vector)
    return (matrix @ vector)[:, :, 0]
