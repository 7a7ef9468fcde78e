"""Colours of regions are told apart with each kind of colour blindness: Machado's simulation and CIEDE2000."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from xai_core.colours import REGION_COLOURS

# Machado, Oliveira and Fernandes 2009 (IEEE TVCG 15), table 1 at severity 1.0, on linear RGB.
BLINDNESS = {
    "none": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
# Far above a just noticeable difference, which is about 1 in CIEDE2000.
APART = 15.0


@pytest.mark.parametrize("kind", BLINDNESS)
def test_regions_are_told_apart(kind: str) -> None:
    share = np.asarray(REGION_COLOURS) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.asarray(BLINDNESS[kind]).T, 0, 1)
    curved = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
    lab = rgb2lab(curved[None])[0]
    assert min(float(deltaE_ciede2000(one, other)) for one, other in itertools.combinations(lab, 2)) > APART
