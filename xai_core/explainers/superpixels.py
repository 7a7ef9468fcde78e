"""Superpixels (SLIC, Achanta et al. 2012) and coalitions of them: what LIME and Kernel SHAP switch on and off.

An image is cut into segments of like brightness; a coalition says which of them are shown, the others are replaced by the fill.
Volumes are cut in 3-D, all channels together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from skimage.segmentation import slic
from torch import Tensor

from xai_core.explainers.fills import FILLS, with_hidden
from xai_core.explainers.request import Request
from xai_core.explainers.scoring import SCORE, SEED, Scoring, fill_of
from xai_core.parameters import Parameter

SUPERPIXELS = (
    Parameter("segments", "int", 60, "About how many superpixels the image is cut into.", 1, 1000, 1),
    Parameter(
        "compactness",
        "float",
        0.1,
        "Square superpixels (high) or such that follow brightness (low); raised where the image would not be cut otherwise.",
        0.001,
        1000.0,
    ),
    Parameter("fill", "choice", "grey", "What hidden superpixels are filled with.", choices=FILLS),
    SCORE,
    SEED,
)


def superpixels(sample: Tensor, segments: int, compactness: float = 0.1) -> Tensor:
    """Labels 0..K-1 (*space) of one sample (C, *space), K about ``segments``, every channel scaled to 0..1 first.

    Noise falls apart into pieces too small to keep, which leaves one segment: then compactness is raised tenfold
    until at least two thirds of what was asked for are there.
    """
    image = sample.detach().to("cpu", torch.float64).numpy()
    space = image.shape[1:]
    flat = image.reshape(image.shape[0], -1)
    extent = flat.max(1) - flat.min(1)
    image = ((flat - flat.min(1)[:, None]) / np.where(extent > 0, extent, 1.0)[:, None]).reshape(image.shape)
    image = image[:, None] if len(space) == 1 else image  # a signal is an image one row high
    image, axis = (image[0], None) if image.shape[0] == 1 else (np.moveaxis(image, 0, -1), -1)
    labels = np.zeros(space, np.int64)
    for raised in (1.0, 10.0, 100.0, 1000.0):
        cut = slic(
            image, segments, compactness * raised, convert2lab=False, channel_axis=axis, start_label=0, sigma=0.5
        )
        labels = np.unique(cut, return_inverse=True)[1].reshape(space)
        if 3 * (labels.max() + 1) >= 2 * min(segments, labels.size):
            break
    return torch.from_numpy(labels).to(sample.device)


def coalition_scores(
    scoring: Scoring, sample: int, labels: Tensor, coalitions: Tensor, parameters: Mapping[str, Any]
) -> Tensor:
    """The scores (n,) of ``coalitions`` (n, K), 1 where a superpixel is shown, in the score's own precision."""
    request: Request = scoring.request
    own, fill = request.x[sample], fill_of(request, sample, parameters["fill"])
    shown = coalitions.to(labels.device, torch.bool)

    def masked(part: range) -> Tensor:
        hidden = ~shown[part.start : part.stop][:, labels]
        return torch.stack([with_hidden(own, fill, one, parameters["fill"] == "inpaint") for one in hidden])

    return scoring.of(sample, coalitions.shape[0], masked)


def painted(worth: Tensor, labels: Tensor, like: Tensor) -> Tensor:
    """Every position of ``like`` (C, *space) with the worth of its superpixel, the same in every channel."""
    return worth.to(like)[labels].expand_as(like)
