"""Where a segmentation is explained: the region over which a label's logits are added up, on the network's own grid.

Without a region it is the one that the model predicts, by the same threshold that counts its millilitres. A region given on
the case's grid is laid on the input; one smaller than an input sample (a voxel, say) becomes the nearest sample.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from xai_core.case import Case, Region
from xai_core.errors import TargetError
from xai_core.explainers.request import Request

if TYPE_CHECKING:
    from xai_core.models import Model
    from xai_core.preprocess import Prepared

PREDICTED = "where predicted"


def region_title(model: Model, region: Region | None) -> str:
    """What a map of ``model`` says of where it was asked: '' for a classification."""
    if model.card.task != "segmentation":
        return ""
    return PREDICTED if region is None else region.name


def whole_output(case: Case) -> Region:
    """Every voxel of the case: the sum of the logits over all that the network sees of it."""
    return Region(np.ones(case.space, dtype=np.bool_), "whole output")


def voxel(case: Case, index: tuple[int, ...]) -> Region:
    """One voxel (d, h, w) of the case; raises :class:`TargetError` for one that is not there."""
    if len(index) != len(case.space) or any(
        not 0 <= place < size for place, size in zip(index, case.space, strict=True)
    ):
        raise TargetError(f"There is no voxel {index} in a volume of {case.space}.", "Put the crosshair on the volume.")
    mask = np.zeros(case.space, dtype=np.bool_)
    mask[index] = True
    return Region(mask, f"voxel {', '.join(str(place + 1) for place in reversed(index))}")


def where_explained(model: Model, prepared: Prepared, request: Request, region: Region | None) -> Tensor | None:
    """(*input space) bool, or None where the network's own greatest logit decides (and for a classification).

    Raises :class:`TargetError` for a region that is empty or lies where the network does not look.
    """
    if model.card.task != "segmentation":
        return None
    return _predicted(model, request) if region is None else _laid(prepared, region)


def _predicted(model: Model, request: Request) -> Tensor | None:
    """Where the card's threshold says yes; None where the card sets none for the label."""
    (label,) = request.targets()
    threshold = model.card.thresholds.get(model.card.labels[label])
    if threshold is None:
        return None
    logits = request.logits[0].detach().to("cpu", torch.float32).numpy()
    return torch.from_numpy(model.calibrated(logits)[label] >= threshold)


def _laid(prepared: Prepared, region: Region) -> Tensor:
    if not region.mask.any():
        raise TargetError("The region to explain is empty.", "Draw or choose another one.")
    shares = prepared.grid.to_input(region.mask[None].astype(np.float32))[0]
    greatest = float(shares.max())
    if greatest == 0:
        raise TargetError("The region lies where the network does not look.", "Draw it on the head.")
    return torch.from_numpy(shares >= min(0.5, greatest))
