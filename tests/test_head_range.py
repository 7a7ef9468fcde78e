"""The scale "head-range": every modality from 0 to 1 within the head, whatever its unit, and nothing outside."""

from __future__ import annotations

import numpy as np

from tests.readers.volumes import GRIDS, nifti_bytes, phantom
from xai_core.case import Region
from xai_core.grid import Grid
from xai_core.head import RANGE_TAILS, ranged
from xai_core.preprocess import InputSpec, prepare
from xai_core.readers import read_case


def test_each_channel_runs_from_low_to_high_between_its_percentiles_in_the_head() -> None:
    dice = np.random.default_rng(0)
    sample = dice.normal([[[[5.0]]], [[[-3000.0]]]], [[[[1.0]]], [[[200.0]]]], (2, 6, 20, 20)).astype(np.float32)
    head = np.zeros((6, 20, 20), bool)
    head[1:5, 3:17, 2:18] = True
    grid = Grid.over(((0, 6), (0, 20), (0, 20)), (6, 20, 20), (6, 20, 20))
    found = ranged(sample, grid, -1.0, 2.0, Region(head, "head"))
    assert (found[:, ~head] == -1).all()
    for row, channel in zip(found, sample, strict=True):
        low, high = np.percentile(channel[head].astype(np.float64), RANGE_TAILS)
        expected = -1 + 3 * np.clip((channel[head] - low) / (high - low), 0, 1)
        np.testing.assert_allclose(row[head], expected, atol=1e-5)


def test_a_channel_of_one_value_is_low_everywhere() -> None:
    grid = Grid.over(((0, 2), (0, 4), (0, 4)), (2, 4, 4), (2, 4, 4))
    assert (ranged(np.full((1, 2, 4, 4), 7, np.float32), grid, 0.0, 1.0, None) == 0).all()


def test_a_change_of_unit_changes_nothing() -> None:
    spec = InputSpec((20, 30, 30), intensity="head-range", axes="HPL")
    grid = next(iter(GRIDS))
    one, other = (prepare(read_case(nifti_bytes(*phantom(grid, scale))), spec, None).tensor for scale in (1, 10))
    assert one.max() == 1
    np.testing.assert_allclose(one, other, atol=1e-3)
