"""What is measured of a volume, against heads of known shape and against plain counting on real ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import xai_core as xc
from tests.quality.volumes import laid, volume
from tests.readers.volumes import GRIDS, HEAD_MM, nifti_bytes, phantom
from xai_core.quality.volume_measures import measured


@pytest.mark.parametrize("grid", GRIDS)
def test_an_ellipsoid_has_its_volume_and_length_on_any_grid(grid: str) -> None:
    case = xc.read_case(nifti_bytes(*phantom(grid)), name="head.nii", kind="volume")
    found = measured(case, case.channels)
    assert found.head_ml == pytest.approx(4 / 3 * np.pi * HEAD_MM.prod() / 1000, rel=0.03)
    assert 2 * HEAD_MM.min() - 8 <= found.side_mm <= 2 * HEAD_MM.max() * 1.5
    if "oblique" not in grid and grid != "sheared":
        assert abs(found.likeness or 1.0) < 0.03, "an ellipsoid is its own mirror image along every axis"


def test_counts_are_those_of_plain_counting(shared: Path) -> None:
    case = volume(shared, "ms07_1p5mm", ["T1", "T2"])
    found = measured(case, case.channels)
    is_air = (case.pixels == 0).all(axis=0)
    assert found.air == pytest.approx(is_air.mean(), abs=1e-9)
    assert found.head_ml == pytest.approx((~is_air).sum() * 1.5**3 / 1000, rel=0.01)
    for name, samples in zip(case.channels, case.pixels, strict=True):
        assert found.channels[name].levels == pytest.approx(len(np.unique(samples[~is_air])), abs=1)
        assert found.channels[name].cover == pytest.approx((samples[~is_air] > 0).mean(), abs=0.01)


def test_a_scale_of_its_own_changes_nothing_but_the_values(shared: Path) -> None:
    case = volume(shared, "ms07_1p5mm")
    first = measured(case, case.channels)
    second = measured(laid(case, case.pixels.astype(np.float32) * np.float32(4) + np.float32(64)), case.channels)
    assert second.head_ml == first.head_ml
    assert second.likeness == first.likeness
    for name, channel in first.channels.items():
        assert vars(second.channels[name]) == pytest.approx(vars(channel), rel=1e-4, abs=1e-4)


def test_contrast_shines_where_it_was_given(shared: Path) -> None:
    case = volume(shared, "brats01660", ["T1", "T1post"])
    other = replace(case, channels=case.channels[::-1])
    first, second = (measured(one, one.channels).enhanced for one in (case, other))
    assert first is not None
    assert first > 0.2
    assert second == pytest.approx(-first)


def test_a_shell_of_dark_bone_is_a_ring() -> None:
    away = np.linalg.norm(np.moveaxis(np.indices((90, 90, 90)), 0, -1) - 44.5, axis=-1) * 2.0
    head = np.select([away > 86, away > 80, away > 72], [0, 300, 60], 200).astype(np.int16)
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    with_skull, stripped = (
        measured(xc.read_case(nifti_bytes(samples, affine), name="T1.nii", kind="volume"), ["T1"]).channels["T1"].dip
        for samples in (head, np.where(away > 72, 0, 200).astype(np.int16))
    )
    assert with_skull == pytest.approx(60 / 200, abs=0.05)
    assert stripped == 1.0
