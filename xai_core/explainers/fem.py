"""FEM, the feature explanation method (Fuad et al. 2020): where a layer's maps are unusually strong, whatever the label.

For every map A_k of the layer, with its mean mu_k and standard deviation sigma_k over the positions, strong places are marked:

    B_k = 1 where A_k >= mu_k + K sigma_k, else 0;  map = sum_k mu_k B_k, resized to the image

What it tells: how many maps stand out at a place, each worth its mean activity: what the network finds remarkable. 2-D and 3-D alike.

What it cannot tell: why a label was given. The same map belongs to every label.

Known failures: what stands out on a film may be a marker, a wire or the edge of the field. The threshold throws away by how much a
place stands out, and K is a matter of taste.

Cost: one forward pass, no gradient.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from xai_core.errors import UnsupportedOperationError
from xai_core.explainers.grad_cam import ALTERNATIVES, TARGET_LAYER, attribution_of, layer_value, weighted
from xai_core.explainers.registry import explainer
from xai_core.explainers.request import Attribution, Request
from xai_core.parameters import Parameter


@explainer(
    name="fem",
    title="FEM",
    family="CAM",
    taxonomy=("white box", "network structure", "local"),
    parameters=(
        TARGET_LAYER,
        Parameter(
            "k",
            "float",
            1.0,
            "How many standard deviations above its mean a position must lie to count.",
            0.0,
            10.0,
            0.1,
            title="K of the K-sigma rule",
        ),
    ),
    dims=(1, 2, 3),
    target_dependent=False,
    exact=True,
    summary="Where the layer's maps stand out from their own mean, the same for every target.",
    source="Fuad et al. 2020, IPTA, Features understanding in 3D CNNs",
    is_signed=False,
    reduce="mean",
    cost=1.1,
)
def fem(request: Request, parameters: Mapping[str, Any]) -> Attribution:
    """ReLU(sum_k mu_k B_k), B_k = (A_k >= mu_k + K sigma_k), resized linearly; the same in every channel; not negative.

    sigma is that of the population (divided by the number of positions). The ReLU acts on layers with negative means only,
    which the paper, looking at layers after a ReLU, does not know; where it leaves nothing, the layer is refused
    (:class:`UnsupportedOperationError`). pytorch-grad-cam's FEM is another method: it weighs the
    maps themselves by the share of positions above the threshold, without marking any; xplique's is this one, with K = 2.
    """
    value, path = layer_value(request, parameters["target_layer"], "fem")
    activations = request.recording.tensor(value)
    positions = activations.flatten(2)
    mean = positions.mean(2, keepdim=True)
    threshold = mean + parameters["k"] * positions.std(2, correction=0, keepdim=True)
    marked = (positions >= threshold).to(activations.dtype).reshape(activations.shape)
    fem_map = torch.relu(weighted(mean[:, :, 0], marked))
    if not bool((mean > 0).any()):
        raise UnsupportedOperationError(
            "negative means",
            path,
            "fem",
            ALTERNATIVES,
            f"fem weighs maps by their means, and none of the layer '{path}' is above zero.",
        )
    return attribution_of(request, fem_map, path)
