"""Where a segmentation is explained: the sum over a region that a plain backward pass of autograd adds up as well."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import xai_core as xc
from tests.networks import UNet, randomised
from tests.volumes import CHANNELS, volume, volume_model
from xai_core.case import Region
from xai_core.engine import Engine
from xai_core.explain_region import voxel, whole_output
from xai_core.results import request_key


@pytest.fixture(scope="module")
def case():
    return volume()


@pytest.fixture(scope="module")
def model():
    return volume_model(randomised(UNet(3, len(CHANNELS), 2), 3).float())


def autograd(model, case, mask):
    """d (sum of the label's logits over the mask) / dx, by torch alone."""
    prepared = model.prepare(case)
    x = prepared.tensor.clone().requires_grad_(True)
    (model.module(x)[0, 1] * torch.from_numpy(mask)).sum().backward()
    return x.grad[0].numpy()


def close(found, expected):
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def test_the_default_is_the_region_that_the_threshold_counts(model, case):
    prepared = model.prepare(case)
    with torch.no_grad():
        chance = model.module(prepared.tensor).softmax(1)[0, 1].numpy()
    mask = chance >= model.card.thresholds["lesion"]
    assert 0 < mask.sum() != (chance >= 0.5).sum()
    found = xc.explain(model, case, explainer="gradient", target="lesion")
    close(found.raw, autograd(model, case, mask))
    assert found.region == "where predicted"


def test_the_whole_output_a_box_and_a_voxel(model, case):
    box = np.zeros(case.space, bool)
    box[2:6, 3:7, 1:5] = True
    one = voxel(case, (4, 5, 6))
    for region in (whole_output(case), Region(box, "box"), one):
        found = xc.explain(model, case, explainer="gradient", target="lesion", region=region)
        on_input = model.prepare(case).grid.to_input(region.mask[None].astype(np.float32))[0] > 0.5
        close(found.raw, autograd(model, case, on_input))
        assert found.region == region.name
    assert one.name == "voxel 7, 6, 5"
    assert one.mask.sum() == 1


def test_a_voxel_smaller_than_an_input_sample_becomes_the_nearest_one(case):
    coarse = volume_model(randomised(UNet(3, len(CHANNELS), 2), 3).float(), size=(4, 4, 4))
    found = xc.explain(coarse, case, explainer="gradient", target="lesion", region=voxel(case, (0, 0, 11)))
    mask = np.zeros((4, 4, 4), bool)
    mask[0, 0, 3] = True
    close(found.raw, autograd(coarse, case, mask))


def test_what_cannot_be_explained_is_said(model, case):
    with pytest.raises(xc.LightboxError, match="empty"):
        xc.explain(model, case, explainer="gradient", target="lesion", region=Region(np.zeros(case.space, bool)))
    for bad in ((99, 0, 0), (-1, 0, 0), (0, 0)):
        with pytest.raises(xc.LightboxError, match="voxel"):
            voxel(case, bad)


def test_results_are_kept_by_what_lies_in_the_region(model, case, tmp_path):
    """Equal voxels are one result, other voxels another, and neither is that of the predicted region."""
    engine = Engine(tmp_path, load=lambda name, device: model)
    regions = [None, voxel(case, (4, 5, 6)), voxel(case, (4, 5, 7)), voxel(case, (4, 5, 6))]
    found = []
    for region in regions:
        job = engine.submit(case, "m", ["gradient"], ["lesion"], region=region)
        assert job.wait(60)
        assert job.region is region
        found.append(job.panes["gradient", "lesion"].explanation)
    assert found[3] is found[1]
    assert len({one.raw.tobytes() for one in found}) == 3
    looked = engine.look_again(case, "m", found[1:2], regions[1])
    assert looked.wait(60)
    again = looked.panes["gradient", "lesion"].explanation
    assert again.region == regions[1].name
    assert "Computed twice: the same to the bit." in again.badge.sentences
    engine.close()


def test_the_key_holds_the_regions_digest(case):
    given = ("case", "weights", "cpu", "gradient", "lesion", {})
    keys = {request_key(*given), *(request_key(*given, voxel(case, (4, 5, place))) for place in (6, 7))}
    assert len(keys) == 3
    assert request_key(*given, voxel(case, (4, 5, 6))) in keys
