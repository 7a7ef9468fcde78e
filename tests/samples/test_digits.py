"""The packaged digits: two of each class, drawn by our script and laid as MNIST lays its own, read by both networks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

import xai_core as xc
from scripts.make_digits import sheet
from xai_core.samples.digits import SHEET, digit_samples

DIGITS = digit_samples()


def test_two_of_each_class() -> None:
    assert sorted(digit.label for digit in DIGITS.values()) == sorted("0123456789" * 2)
    assert len({digit.case.digest for digit in DIGITS.values()}) == len(DIGITS)


def test_the_sheet_is_small_and_the_script_draws_it() -> None:
    assert SHEET.stat().st_size < 30_000
    drawn = sheet()
    cells = np.vstack([np.hstack([DIGITS[f"digit-{k}-{way}"].case.pixels[0] for k in range(10)]) for way in "ab"])
    assert np.abs(drawn.astype(int) - cells).max() <= 2  # another OpenCV may round its edges otherwise


@pytest.mark.parametrize("name", DIGITS)
def test_each_lies_as_mnist_s_do(name: str) -> None:
    """20 pixels along the longer side, the centre of mass in the middle (LeCun et al. 1998)."""
    pixels = DIGITS[name].case.pixels[0]
    assert np.abs(np.asarray(ndimage.center_of_mass(pixels)) - 13.5).max() < 0.3
    rows, columns = np.nonzero(pixels > 60)
    assert 19 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= 21


@pytest.mark.parametrize("name", ["mnist-mlp-tanh", "mnist-mlp-relu"])
def test_both_networks_read_nine_of_ten(name: str) -> None:
    model = xc.load_model(name, "cpu")
    told = [model.card.labels[int(model.predict(digit.case).logits.argmax())] for digit in DIGITS.values()]
    right = sum(one == digit.label for one, digit in zip(told, DIGITS.values(), strict=True))
    assert right >= 18
    assert right == model.card.metrics["packaged_right"]


def test_no_digit_is_among_the_films() -> None:
    assert not set(DIGITS) & set(xc.sample_cases())
