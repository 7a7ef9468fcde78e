"""Regions: masks of any raster and boxes in fractions lie on the case's grid, or are refused with both sizes named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xai_core.case import Case
from xai_core.errors import RegionError
from xai_core.readers import read_case, read_region

from .films import dicom_bytes, film, picture_bytes, texture

ROWS, COLUMNS = 60, 80


@pytest.fixture(scope="module")
def case() -> Case:
    return read_case(picture_bytes(texture(ROWS, COLUMNS, bits=8).astype(np.uint8)), name="film.png")


@pytest.fixture
def inside() -> np.ndarray[Any, Any]:
    mask = np.zeros((ROWS, COLUMNS), bool)
    mask[10:20, 30:50] = True
    return mask


@pytest.mark.parametrize("value", [1, 255])
@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_what_is_not_zero_is_inside(case: Case, inside: Any, form: str, value: int) -> None:
    region = read_region(picture_bytes(inside.astype(np.uint8) * np.uint8(value), form), case, name="lungs")
    assert region.name == "lungs"
    assert region.mask.dtype == np.bool_
    np.testing.assert_array_equal(region.mask, inside)


def test_one_bit_and_colour_masks_are_read(case: Case, inside: Any) -> None:
    np.testing.assert_array_equal(read_region(picture_bytes(inside), case).mask, inside)
    coloured = np.zeros((ROWS, COLUMNS, 3), np.uint8)
    coloured[inside, 2] = 200
    np.testing.assert_array_equal(read_region(picture_bytes(coloured), case).mask, inside)


def test_noise_of_a_jpeg_mask_is_outside(case: Case, inside: Any) -> None:
    data = picture_bytes(inside.astype(np.uint8) * np.uint8(255), "JPEG", quality=60)
    agreement = (read_region(data, case).mask == inside).mean()
    assert agreement > 0.99


def test_a_mask_of_the_same_shape_at_another_resolution_is_brought_to_the_grid(case: Case, inside: Any) -> None:
    doubled = inside.repeat(2, axis=0).repeat(2, axis=1).astype(np.uint8)
    np.testing.assert_array_equal(read_region(picture_bytes(doubled), case).mask, inside)
    halved = inside[::2, ::2].astype(np.uint8)
    np.testing.assert_array_equal(read_region(picture_bytes(halved), case).mask, inside)


def test_a_mask_of_another_shape_is_refused_with_both_sizes(case: Case) -> None:
    with pytest.raises(RegionError) as caught:
        read_region(picture_bytes(np.ones((80, 60), np.uint8)), case)
    assert "60 x 80" in str(caught.value)
    assert "80 x 60" in str(caught.value)


def test_empty_masks_and_files_that_are_none_are_refused(case: Case, tmp_path: Path) -> None:
    with pytest.raises(RegionError, match="empty"):
        read_region(picture_bytes(np.zeros((ROWS, COLUMNS), np.uint8)), case)
    with pytest.raises(RegionError, match="not a mask"):
        read_region(b"hello", case)
    with pytest.raises(RegionError, match="not a mask"):
        read_region(dicom_bytes(film()), case)
    with pytest.raises(RegionError, match="no file"):
        read_region(tmp_path / "missing.png", case)


def test_a_box_holds_the_pixels_whose_centres_are_in_it(case: Case) -> None:
    mask = read_region([(0.25, 0.5, 0.5, 0.25)], case).mask
    expected = np.zeros((ROWS, COLUMNS), bool)
    expected[30:45, 20:60] = True
    np.testing.assert_array_equal(mask, expected)
    np.testing.assert_array_equal(read_region((0.25, 0.5, 0.5, 0.25), case).mask, expected)


def test_several_boxes_are_one_region(case: Case) -> None:
    mask = read_region([(0, 0, 0.1, 0.1), (0.9, 0.9, 0.1, 0.1)], case).mask
    assert mask[0, 0]
    assert mask[-1, -1]
    assert not mask[30, 40]


@settings(max_examples=100, deadline=None)
@given(
    st.floats(0, 1), st.floats(0, 1), st.floats(1e-6, 1), st.floats(1e-6, 1)
)  # fmt: skip
def test_every_box_within_the_film_has_about_its_area(x: float, y: float, w: float, h: float) -> None:
    case = read_case(picture_bytes(texture(ROWS, COLUMNS, bits=8).astype(np.uint8)), name="film.png")
    w, h = min(w, 1 - x), min(h, 1 - y)
    if w <= 0 or h <= 0:
        return
    mask = read_region([(x, y, w, h)], case).mask
    rows, columns = mask.any(axis=1).sum(), mask.any(axis=0).sum()
    assert abs(rows - h * ROWS) <= 1
    assert abs(columns - w * COLUMNS) <= 1
    assert mask.sum() == rows * columns


@pytest.mark.parametrize(
    "boxes",
    [
        [],
        [(0.1, 0.1, 0, 0.1)],
        [(0.1, 0.1, -0.1, 0.1)],
        [(-0.1, 0.1, 0.3, 0.1)],
        [(0.8, 0.1, 0.3, 0.1)],
        [(10, 20, 100, 50)],
        [(float("nan"), 0, 0.1, 0.1)],
        [(0.1, 0.1, 0.2)],
        [("a", "b", "c", "d")],
        5,
        None,
    ],
)
def test_impossible_boxes_are_refused(case: Case, boxes: Any) -> None:
    with pytest.raises(RegionError) as caught:
        read_region(boxes, case)
    assert caught.value.remedy


def test_boxes_in_pixels_are_told_how_to_become_fractions(case: Case) -> None:
    with pytest.raises(RegionError, match="Divide"):
        read_region([(10, 20, 100, 50)], case)


def test_masks_and_boxes_of_the_reference_folder_fit_their_films(shared: Path) -> None:
    folder = shared / "cxr"
    for row in pd.read_csv(folder / "masks.csv").iloc[::400].itertuples():
        film_case = read_case(folder / row.film)
        region = read_region(folder / row.path, film_case)
        assert region.mask.mean() == pytest.approx(row.area, abs=2e-3)
    for row in pd.read_csv(folder / "boxes.csv").iloc[::100].itertuples():
        film_case = read_case(folder / row.path)
        assert read_region([(row.x, row.y, row.w, row.h)], film_case).mask.any()
