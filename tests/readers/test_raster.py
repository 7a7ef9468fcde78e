"""PNG, JPEG, WebP and TIFF films: the samples are those of the file, upright, whatever the container does to them."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image, ImageOps

from xai_core.errors import ReadError
from xai_core.readers import read_case

from .films import dicom_bytes, film, picture_bytes, texture

GREY8 = texture(bits=8).astype(np.uint8)
GREY16 = texture(bits=16, seed=1)
films_8_bit = arrays(np.uint8, st.tuples(st.integers(32, 50), st.integers(32, 50)))
films_16_bit = arrays(np.uint16, st.tuples(st.integers(32, 50), st.integers(32, 50)))


def tiff_bytes(samples: NDArray[np.generic], **how: object) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, samples, **how)  # type: ignore[arg-type]
    return stream.getvalue()


@settings(max_examples=30, deadline=None)
@given(films_8_bit | films_16_bit)
def test_png_pixels_come_back_equal(pixels: NDArray[np.generic]) -> None:
    data = picture_bytes(pixels)
    if pixels.min() == pixels.max():
        with pytest.raises(ReadError, match="blank"):
            read_case(data, name="x.png")
        return
    case = read_case(data, name="x.png")
    assert case.pixels.dtype == pixels.dtype
    np.testing.assert_array_equal(case.pixels[0], pixels)


@settings(max_examples=20, deadline=None)
@given(films_8_bit | films_16_bit, st.sampled_from([None, "tiff_lzw", "tiff_adobe_deflate", "packbits"]))
def test_tiff_pixels_come_back_equal(pixels: NDArray[np.generic], compression: str | None) -> None:
    pixels.flat[0], pixels.flat[1] = 0, 1
    case = read_case(picture_bytes(pixels, "TIFF", compression=compression), name="x.tif")
    assert case.pixels.dtype == pixels.dtype
    np.testing.assert_array_equal(case.pixels[0], pixels)


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "u4", "f4", "f8"])
def test_every_tiff_sample_type_is_kept(dtype: str, photometric: str, byteorder: str) -> None:
    pixels = texture(bits=8).astype(dtype)
    case = read_case(tiff_bytes(pixels, byteorder=byteorder, photometric=photometric), name="x.tif")
    assert case.pixels.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(case.pixels[0], pixels)
    assert case.is_inverted == (photometric == "miniswhite")


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_once(form: str, orientation: int) -> None:
    tag = Image.Exif()
    tag[0x0112] = orientation
    data = picture_bytes(GREY8, form, exif=tag)
    with Image.open(io.BytesIO(data)) as picture:
        turned = picture if form == "TIFF" else ImageOps.exif_transpose(picture)
        turned.load()
        expected = np.asarray(turned.convert("L"))
    case = read_case(data, name="x")
    assert case.space == (GREY8.shape if orientation < 5 else GREY8.shape[::-1])
    np.testing.assert_allclose(case.pixels[0].astype(int), expected, atol=2 if form == "WEBP" else 0)


@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_16_bit_tiff_is_turned_the_same_way_by_both_decoders(compression: str | None, orientation: int) -> None:
    tag = Image.Exif()
    tag[0x0112] = orientation
    turned = read_case(picture_bytes(GREY16, "TIFF", compression=compression, exif=tag), name="x").pixels
    again = read_case(picture_bytes(GREY16, "PNG", exif=tag), name="x").pixels
    np.testing.assert_array_equal(turned, again)


def test_jpeg_and_webp_are_read_as_their_decoders_give_them() -> None:
    jpeg = picture_bytes(GREY8, "JPEG", quality=95)
    np.testing.assert_array_equal(read_case(jpeg, name="x").pixels[0], np.asarray(Image.open(io.BytesIO(jpeg))))
    webp = picture_bytes(GREY8, "WEBP", lossless=True)
    np.testing.assert_array_equal(read_case(webp, name="x").pixels[0], GREY8)


def test_16_bits_saved_in_colour_or_with_alpha_keep_all_their_bits() -> None:
    for channels in (3, 4):
        stack = np.repeat(GREY16[..., np.newaxis], channels, axis=2)
        if channels == 4:
            stack[..., 3] = 65535
        data = cv2.imencode(".png", stack)[1].tobytes()
        np.testing.assert_array_equal(read_case(data, name="x").pixels[0], GREY16)


def test_palette_alpha_and_equal_channels_are_resolved() -> None:
    palette = Image.fromarray(GREY8).convert("P")
    alpha = Image.merge("LA", (Image.fromarray(GREY8), Image.new("L", GREY8.shape[::-1], 128)))
    colour = Image.fromarray(GREY8).convert("RGB")
    for picture in (palette, alpha, colour):
        stream = io.BytesIO()
        picture.save(stream, "PNG")
        np.testing.assert_array_equal(read_case(stream.getvalue(), name="x").pixels[0], GREY8)


def test_a_grey_film_with_a_few_coloured_letters_is_read() -> None:
    stack = np.repeat(texture(200, 200, bits=8).astype(np.uint8)[..., np.newaxis], 3, axis=2)
    stack[:10, :10] = (255, 0, 0)
    case = read_case(picture_bytes(stack), name="x")
    assert any("green channel" in note for note in case.facts["notes"])


def test_the_same_film_as_picture_and_as_dicom_has_one_digest() -> None:
    digests = {
        read_case(data, name="x").digest
        for data in (
            picture_bytes(GREY16),
            picture_bytes(GREY16, "TIFF"),
            picture_bytes(GREY16, "TIFF", compression="tiff_lzw"),
            dicom_bytes(film(GREY16, BitsStored=16, HighBit=15)),
        )
    }
    assert len(digests) == 1


def test_content_decides_and_a_wrong_ending_is_noted() -> None:
    case = read_case(picture_bytes(GREY8), name="film.dcm")
    assert case.facts["source"] == "PNG, 8 bit"
    assert any("ends in .dcm" in note for note in case.facts["notes"])


def test_films_of_the_reference_folder_are_read(shared: Path) -> None:
    for path in sorted((shared / "cxr/viewer").glob("*.png")):
        case = read_case(path)
        np.testing.assert_array_equal(case.pixels[0], cv2.imread(str(path), cv2.IMREAD_GRAYSCALE))


def test_negatives_are_readable_films_but_for_the_blank_one(shared: Path) -> None:
    refused = []
    for path in sorted((shared / "cxr/negatives").glob("*.webp")):
        try:
            case = read_case(path)
        except ReadError as error:
            refused.append((path.stem, error.sentence))
        else:
            expected = np.asarray(Image.open(path).convert("L"))
            np.testing.assert_allclose(case.pixels[0].astype(int), expected, atol=2)
    assert [name for name, _ in refused] == ["blank_black"]
    assert "blank" in refused[0][1]
