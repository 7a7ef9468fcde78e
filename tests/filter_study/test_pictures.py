"""Pictures of a sweep against the renderer of volumes and the mask itself."""

from __future__ import annotations

import numpy as np
import pytest

import xai_core as xc
from tests.lesions import lesion
from tests.networks import UNet, randomised
from tests.volumes import volume, volume_model
from xai_core.case import Region
from xai_core.filter_study import RAW, Band, Sweep, sweep
from xai_core.filter_study.pictures import OUTLINE, slice_picture
from xai_core.planes import planes_of
from xai_core.render import Grey, Overlay
from xai_core.render_volume import fitted, slice_view, volume_map

CASE, LESION = volume(), lesion()
BAND = Band("pass", 0, 0.2)


@pytest.fixture(scope="module")
def model() -> xc.Model:
    return volume_model(randomised(UNet(3, channels=2), 3))


@pytest.fixture(scope="module")
def swept(model: xc.Model) -> Sweep:
    return sweep(model, CASE, LESION, bands=[RAW, BAND])


@pytest.mark.parametrize("channel", [0, 1])
def test_a_slice_is_drawn_as_the_viewer_draws_it(model: xc.Model, swept: Sweep, channel: int) -> None:
    """The whole volume's map through the reference of the viewer, its scale the modality's greatest value."""
    whole = xc.explain(model, CASE, explainer="lrp-study-unet", **BAND.parameters("blocks")).map[channel]
    plane = planes_of(CASE)[0]
    picture = slice_picture(CASE, swept, channel, swept.of(BAND), side=120)
    low, high = float(CASE.pixels[channel].min()), float(CASE.pixels[channel].max())
    mapped = volume_map(whole, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), True)
    overlay = Overlay(scope=float(np.abs(whole).max()))
    view = fitted(plane, picture.shape[:2])
    grey = Grey((low + high) / 2, high - low)
    expected = slice_view(CASE, plane, 4, view, grey, channel, mapped, overlay)
    assert np.abs(picture.astype(int) - expected).max() <= 2
    assert (picture != slice_picture(CASE, swept, channel, side=120)).any()


def test_the_outline_is_the_rim_of_the_region(swept: Sweep) -> None:
    """Twelve columns of 2.5 mm on 240 pixels: every sample of the region is 20 pixels wide."""
    plain, outlined = (slice_picture(CASE, swept, 0, None, region, side=240) for region in (None, LESION))
    changed = (plain != outlined).any(-1)
    assert (outlined[changed] == OUTLINE).all()
    rows, columns = np.nonzero(changed)
    plane = planes_of(CASE)[0]
    view = fitted(plane, plain.shape[:2])
    held = np.argwhere(plane.slice_of(LESION.mask, 4))
    for found, axis, size in ((rows, 0, plane.row_size), (columns, 1, plane.column_size)):
        step, middle = view.scale * size, (plane.shape[axis] - 1) / 2
        edges = [(held[:, axis].min() - 0.5 - middle) * step, (held[:, axis].max() + 0.5 - middle) * step]
        drawn = np.array([found.min(), found.max() + 1]) - plain.shape[axis] / 2
        np.testing.assert_allclose(drawn, edges, atol=1)
    inside = np.zeros_like(changed)
    inside[rows.min() + 1 : rows.max(), columns.min() + 1 : columns.max()] = True
    assert not (changed & inside).any()


def test_a_region_elsewhere_leaves_the_slice_alone(swept: Sweep) -> None:
    away = np.zeros(CASE.space, bool)
    away[0] = True
    np.testing.assert_array_equal(
        slice_picture(CASE, swept, 0, None, Region(away)), slice_picture(CASE, swept, 0, None)
    )
