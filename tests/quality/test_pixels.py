"""What is measured of grey values, on pictures whose answer is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from xai_core.case import Region
from xai_core.quality.pixels import SIDE, pixels_of, reduced
from xai_core.training.lungs_card import film_case


def ramp(levels: int, side: int = SIDE) -> np.ndarray:
    """Every level equally often, smooth from left to right."""
    return np.tile((np.arange(side) * levels // side).astype(np.uint8), (side, 1))


@pytest.mark.parametrize("levels", [5, 50, 200])
def test_grey_levels_are_counted(levels: int) -> None:
    assert pixels_of(film_case(ramp(levels)), None).levels == pytest.approx(levels, abs=0.03 * levels + 1)


@pytest.mark.parametrize(("low", "high"), [(0.1, 0.0), (0.0, 0.2), (0.15, 0.25)])
def test_cut_ends_are_the_shares_that_were_cut(low: float, high: float) -> None:
    image = np.random.default_rng(0).permutation(ramp(250).ravel()).reshape(SIDE, SIDE)
    lowest, highest = np.quantile(image, (low, 1 - high))
    found = pixels_of(film_case(np.clip(image, lowest, highest).astype(np.uint8)), None)
    assert found.dark == pytest.approx(max(low, 0.004), abs=0.015)
    assert found.bright == pytest.approx(max(high, 0.004), abs=0.015)


def test_noise_has_no_kinship_and_smooth_pictures_have() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE)).astype(np.uint8)
    pairs = np.corrcoef(reduced(noise)[:, 1:].ravel(), reduced(noise)[:, :-1].ravel())[0, 1]
    assert pixels_of(film_case(noise), None).kinship == pytest.approx(pairs, abs=0.02)
    assert pixels_of(film_case(ramp(250)), None).kinship > 0.99


def test_blur_takes_sharpness() -> None:
    image = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (SIDE, SIDE)).astype(np.uint8), (0, 0), 1.5)
    before, after = (pixels_of(film_case(one), None).sharpness for one in (image, cv2.GaussianBlur(image, (0, 0), 3)))
    assert after < before / 4


def test_letters_are_counted_where_the_lungs_are_and_nowhere_else() -> None:
    image = (ramp(100) + 40).astype(np.uint8)
    lungs = np.zeros(image.shape, bool)
    lungs[60:200, 60:200] = True
    for place in ((80, 100), (120, 140), (150, 180)):
        cv2.putText(image, "T", place, cv2.FONT_HERSHEY_SIMPLEX, 0.6, 255, 2)
    cv2.putText(image, "L", (15, 40), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 255, 2)
    assert pixels_of(film_case(image), Region(lungs)).marks == 3
    assert pixels_of(film_case(image), None).marks == 4


def test_a_large_film_is_measured_as_its_small_copy() -> None:
    small = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (SIDE, SIDE)).astype(np.uint8), (0, 0), 4)
    large = np.kron(small, np.ones((8, 8), np.uint8))
    first, second = pixels_of(film_case(small), None), pixels_of(film_case(large), None)
    assert second.sharpness == pytest.approx(first.sharpness, rel=0.05)
    assert second.levels == pytest.approx(first.levels, rel=0.1)
    assert second.side == 8 * first.side
