"""A map hung as its case lies where the network's own grid says: checked against the map resampled onto the case."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import xai_core as xc
from tests.volumes import CHANNELS, volume, volume_model
from xai_core.hung import hung


class Sum(nn.Module):
    """The lesion's logit is the first modality, so that the gradient there is one."""

    def forward(self, x):

        return torch.stack([-x[:, 0], x[:, 0] * x[:, 0] + 2 * x[:, 1]], 1)


@pytest.mark.parametrize("axes", ["", "HPL", "RFA", "ALH", "LHP"])
def test_a_turned_and_flipped_grid_hangs_as_the_case(axes):
    case = volume((6, 8, 10))
    spacing = None if not axes else tuple({"H": 1.5, "F": 1.5, "P": 2.0, "A": 2.0, "L": 2.5, "R": 2.5}[a] for a in axes)
    model = volume_model(Sum(), size=(6, 8, 10) if not axes else (0, 0, 0))
    spec = replace(model.card.input, axes=axes, spacing_mm=spacing)
    model = replace(model, card=replace(model.card, input=spec))
    region = xc.read_region([(0.1, 0.2, 0.3, 0.4, 0.5, 0.6)], case)
    found = xc.explain(model, case, explainer="gradient", target="lesion", region=region)
    placed = hung(found, case, CHANNELS)
    assert placed.values.shape == (2, *case.space)
    assert placed.scale == pytest.approx((1, 1, 1))
    assert placed.offset == pytest.approx((0, 0, 0))
    np.testing.assert_allclose(placed.values, np.abs(found.map), atol=1e-6)


def test_modalities_that_the_network_does_not_read_are_zero():
    case = volume((6, 8, 10), channels=("T2", "FLAIR", "T1"))
    model = volume_model(Sum(), size=(6, 8, 10))
    found = xc.explain(model, case, explainer="input-x-gradient", target="lesion")
    placed = hung(found, case, CHANNELS)
    assert not placed.values[0].any()
    np.testing.assert_allclose(placed.values[1:], found.raw, atol=1e-6)


def test_what_is_the_same_in_every_modality_is_one_map():
    case = volume((6, 8, 10))
    model = volume_model(Sum(), size=(3, 4, 5))
    found = xc.explain(model, case, explainer="occlusion", target="lesion", window=2, stride=2)
    placed = hung(found, case, CHANNELS)
    assert placed.values.shape == (3, 4, 5)
    assert placed.scale == pytest.approx((2, 2, 2))
    assert placed.offset == pytest.approx((0.5, 0.5, 0.5))
    np.testing.assert_array_equal(placed.values, found.shown)
