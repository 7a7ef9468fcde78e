"""What hidden samples are replaced by: the image's mean, its least value, its blur, or what its rim suggests."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from xai_core.errors import ParameterError

FILLS = ("grey", "black", "blur", "inpaint")
SOFT_FILLS = tuple(fill for fill in FILLS if fill != "inpaint")  # for masks that hide by degrees, and for all at once


def filled(x: Tensor, fill: str, lowest: float) -> Tensor:
    """What hidden samples are replaced by, shaped like ``x``.

    Under "inpaint" grey, for where there is no rim to paint from; :class:`ParameterError` where ``x`` is no film.
    """
    if fill == "inpaint" and x.ndim != 4:
        raise ParameterError("Inpainting works on films only.", "Choose grey, black or blur.")
    if fill == "black":
        return torch.full_like(x[:1], lowest).expand_as(x)
    if fill == "blur":
        return blurred(x, 0.05)
    return x.flatten(2).mean(2).reshape(x.shape[:2] + (1,) * (x.ndim - 2)).expand_as(x)


def blurred(x: Tensor, share: float) -> Tensor:
    """Gaussian blur along the space axes, sigma = ``share`` of the axis."""
    from scipy.ndimage import gaussian_filter

    sigma = (0.0, 0.0, *(max(share * size, 0.5) for size in x.shape[2:]))
    samples = x.detach().cpu().to(torch.promote_types(x.dtype, torch.float32))  # scipy knows no half precision
    return torch.from_numpy(gaussian_filter(samples.numpy(), sigma)).to(x)


def inpainted(sample: Tensor, hidden: Tensor) -> Tensor:
    """One sample (C, H, W) with ``hidden`` (H, W) bool filled from its rim (Telea 2004, cv2.inpaint radius 3)."""
    import cv2

    result = sample.clone()
    mask = hidden.cpu().numpy().astype(np.uint8) * 255
    for channel in range(sample.shape[0]):
        plane = sample[channel].detach().cpu().numpy().astype(np.float32)
        result[channel] = torch.from_numpy(cv2.inpaint(plane, mask, 3, cv2.INPAINT_TELEA)).to(sample)
    return result


def with_hidden(own: Tensor, fill: Tensor, hidden: Tensor, inpaint: bool) -> Tensor:
    """One sample (C, *space) with ``hidden`` (*space) bool replaced by ``fill``, or inpainted where there is a rim."""
    if inpaint and not bool(hidden.all()):
        return torch.where(hidden, inpainted(own, hidden), own)
    return torch.where(hidden, fill, own)
