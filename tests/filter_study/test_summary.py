"""Areas, sweet spot and tables, against numbers by hand."""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import auc

from xai_core.filter_study import RAW, STUDY_BANDS, Band, Reading, Sweep, curves, long_table, sweet_spot, table
from xai_core.filter_study.summary import FEW, area_table, is_spiky

CHANNELS = ("ADC", "Tmax")


def reading(band: Band, truth: list[float], lit: float = 0.1) -> Reading:
    some = np.array([0.25, 0.5])
    return Reading(band, np.array(truth), some, np.full(2, lit), some, some, some)


def swept(truth: Mapping[Band, list[float]], lit: float = 0.1) -> Sweep:
    return Sweep("lrp-study-unet", CHANNELS, tuple(reading(b, values, lit) for b, values in truth.items()), 5, 100, 1.0)


def test_areas_are_the_trapezoids_over_the_range() -> None:
    bands = [Band("clamp", 0, high) for high in (0.4, 0.05, 0.1)]
    made = swept(dict(zip(bands, ([0.2, 0.0], [0.9, 0.3], [0.6, 0.3]), strict=True)))
    (curve,) = curves(made)
    np.testing.assert_array_equal(curve.alphas, [0.05, 0.1, 0.4])
    expected = [auc([0.05, 0.1, 0.4], values) / 0.35 for values in ([0.9, 0.6, 0.2], [0.3, 0.3, 0.0])]
    np.testing.assert_allclose(curve.areas, expected)
    frame = area_table(made)
    assert list(frame.index) == ["clamp, (0, α)"]
    np.testing.assert_allclose(frame.loc["clamp, (0, α)"], [*expected, np.mean(expected)])


def test_the_study_s_grid_has_four_curves_of_five() -> None:
    made = swept({band: [0.5, 0.5] for band in STUDY_BANDS})
    assert [len(curve.alphas) for curve in curves(made)] == [5, 5, 5, 5]
    for curve in curves(made):
        np.testing.assert_allclose(curve.areas, 0.5)


def test_the_sweet_spot_is_the_best_mean_and_of_equals_the_wider() -> None:
    narrow, wide, other = Band("pass", 0, 0.1), Band("clamp", 0, 0.4), Band("pass", 0.2, 1)
    made = swept({RAW: [0.9, 0.9], narrow: [0.8, 0.2], wide: [0.5, 0.5], other: [0.4, 0.5]})
    found = sweet_spot(made)
    assert found is not None
    assert found.band == wide
    assert (found.inclusivity, found.raw) == (pytest.approx(0.5), pytest.approx(0.9))
    assert not found.is_better_than_raw
    assert found.over_chance == pytest.approx(0.4)


def test_undefined_channels_are_left_out_and_without_truth_there_is_no_sweet_spot() -> None:
    first, second = Band("pass", 0, 0.1), Band("pass", 0, 0.2)
    found = sweet_spot(swept({first: [np.nan, 0.3], second: [0.2, 0.2]}))
    assert found is not None
    assert found.band == first
    assert sweet_spot(swept({RAW: [0.5, 0.5]})) is None
    assert sweet_spot(swept({first: [np.nan, np.nan]})) is None


def test_a_map_of_a_few_peaks_is_told_from_others() -> None:
    band = Band("pass", 0, 0.1)
    assert is_spiky(swept({RAW: [0.0, 0.0]}, lit=FEW / 2))
    assert not is_spiky(swept({RAW: [0.0, 0.0]}, lit=2 * FEW))
    assert not is_spiky(swept({band: [0.0, 0.0]}, lit=FEW / 2))


def test_figure_3_has_a_row_a_filter_and_a_column_a_modality() -> None:
    frame = table(swept({RAW: [0.2, 0.4], Band("pass", 0, 0.05): [1.0, 0.0]}))
    assert list(frame.columns) == [*CHANNELS, "mean"]
    assert list(frame.index) == ["raw", "pass 0–0.05"]
    np.testing.assert_allclose(frame["mean"], [0.3, 0.5])


def test_the_file_has_a_row_a_filter_and_channel() -> None:
    frame = long_table([swept({RAW: [0.2, 0.4], Band("clamp", 0, 0.6): [1.0, 0.0]})])
    assert len(frame) == 4
    again = pd.read_csv(StringIO(frame.to_csv(index=False)))
    assert list(again["truth_inclusivity"]) == [0.2, 0.4, 1.0, 0.0]
    assert list(again["channel"]) == [*CHANNELS, *CHANNELS]
