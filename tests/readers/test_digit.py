"""A digit as a case: what is read, turned over, and refused with one sentence; and no film reader takes it for a film."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

import xai_core as xc
from xai_core.preprocess import presented
from xai_core.readers.digit import TURNED, read_digit
from xai_core.samples.digits import digit_samples

SEVEN = digit_samples()["digit-7-a"].case.pixels[0]


def png(pixels: np.ndarray, mode: str | None = None) -> bytes:
    file = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("mode", [None, "RGB", "RGBA"])
def test_a_small_picture_is_read_as_it_is(mode: str | None) -> None:
    case = read_digit(png(SEVEN, mode))
    assert np.array_equal(case.pixels[0], SEVEN)
    assert case.channels == ("digit",)
    assert case.kind == "film"


def test_sixteen_bits_become_eight() -> None:
    case = read_digit(png(SEVEN.astype(np.uint16) * 257))
    assert np.array_equal(case.pixels[0], SEVEN)


def test_black_on_white_is_presented_turned_over_and_says_so() -> None:
    case = read_digit(png(255 - SEVEN))
    assert np.array_equal(case.pixels[0], 255 - SEVEN)
    assert np.array_equal(presented(case)[0], SEVEN.astype(np.float32))
    assert TURNED in case.facts["notes"]


@pytest.mark.parametrize(
    "content",
    [
        b"not a picture",
        png(np.zeros((28, 28), np.uint8)),
        png(np.eye(27, dtype=np.uint8) * 255),
        png(np.tile(SEVEN, (1, 2))),
        png(np.eye(1025, dtype=np.uint8) * 255),
        png(np.dstack([SEVEN, 255 - SEVEN, SEVEN])),
        png(SEVEN)[:200],
        b"",
    ],
    ids=["text", "blank", "too small", "not square", "too large", "coloured", "cut short", "empty"],
)
def test_what_is_no_digit_is_one_sentence_and_one_remedy(content: bytes) -> None:
    with pytest.raises(xc.LightboxError) as problem:
        read_digit(content, name="mine.png")
    assert problem.value.sentence
    assert problem.value.remedy


def test_a_digit_is_no_film() -> None:
    with pytest.raises(xc.LightboxError, match="too small"):
        xc.read_case(png(SEVEN))
