"""The samples of a DICOM film are the same in every encoding, and only the stored bits count."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from xai_core.errors import ReadError
from xai_core.readers import read_case

from .films import CR, dicom_bytes, encapsulated, film, texture

MR_SMALL = (
    "MR_small.dcm",
    "MR_small_implicit.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_RLE.dcm",
    "MR_small_jp2klossless.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "MR_small_expb.dcm",
    "MR_small_padded.dcm",
)
MR4 = ("explicit_le", "jpeg2000_lossless", "jpeg_lossless_sv1", "jpegls_lossless", "rle")


def as_radiograph(path: str | Path) -> bytes:
    """The file with its modality changed to CR: film encodings are rare, slices in all of them are at hand."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(path)
    dataset.Modality = "CR"
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = CR
    stream = io.BytesIO()
    dataset.save_as(stream)
    return stream.getvalue()


@pytest.mark.parametrize("name", MR_SMALL)
def test_eight_encodings_of_a_signed_slice_give_the_same_pixels(name: str) -> None:
    reference = pydicom.dcmread(get_testdata_file("MR_small.dcm")).pixel_array
    case = read_case(as_radiograph(get_testdata_file(name)), name=name)
    np.testing.assert_array_equal(case.pixels[0], reference)
    assert case.pixels.dtype == np.int16
    assert case.digest == read_case(as_radiograph(get_testdata_file("MR_small.dcm")), name="other").digest


@pytest.mark.parametrize("name", MR4)
def test_five_encodings_of_a_12_bit_slice_give_the_same_pixels(name: str, shared: Path) -> None:
    reference = read_case(as_radiograph(shared / "dicom" / "mr4_explicit_le.dcm"), name="reference")
    case = read_case(as_radiograph(shared / "dicom" / f"mr4_{name}.dcm"), name=name)
    np.testing.assert_array_equal(case.pixels, reference.pixels)
    assert case.digest == reference.digest
    assert case.pixels.max() == 2150


def test_a_12_bit_jpeg_that_no_decoder_reads_is_one_sentence(shared: Path) -> None:
    with pytest.raises(ReadError, match="cannot be decoded"):
        read_case(as_radiograph(shared / "dicom" / "mr4_jpeg_extended_12bit.dcm"), name="x.dcm")


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_byte_order_and_implicit_representation_do_not_matter(syntax: str) -> None:
    pixels = texture()
    dataset = film(pixels, syntax)
    if syntax == ExplicitVRBigEndian:
        dataset.PixelData = pixels.astype(">u2").tobytes()
    case = read_case(dicom_bytes(dataset), name="x")
    np.testing.assert_array_equal(case.pixels[0], pixels)
    assert case.pixels.dtype.isnative
    assert case.digest == read_case(dicom_bytes(film(pixels)), name="y").digest


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
def test_lossless_compression_gives_the_same_digest(syntax: str, dtype: type) -> None:
    bits = 8 if dtype is np.uint8 else 12
    pixels = texture(bits=bits).astype(np.int32)
    pixels = (pixels - 2048 if dtype is np.int16 else pixels).astype(dtype)
    dataset = film(pixels)
    plain = read_case(dicom_bytes(dataset), name="x")
    dataset.compress(syntax, generate_instance_uid=False)
    packed = read_case(dicom_bytes(dataset), name="x")
    np.testing.assert_array_equal(plain.pixels[0], pixels)
    np.testing.assert_array_equal(packed.pixels[0], pixels)
    assert packed.digest == plain.digest


def test_a_deflated_film_is_read() -> None:
    pixels = texture()
    case = read_case(dicom_bytes(film(pixels, DeflatedExplicitVRLittleEndian)), name="x")
    np.testing.assert_array_equal(case.pixels[0], pixels)


def test_jpeg_baseline_is_read() -> None:
    pixels = texture(bits=8).astype(np.uint8)
    frame = cv2.imencode(".jpg", pixels)[1].tobytes()
    case = read_case(dicom_bytes(encapsulated(film(pixels), frame, JPEGBaseline8Bit)), name="x")
    other_decoder = cv2.imdecode(np.frombuffer(frame, np.uint8), 0)
    np.testing.assert_allclose(case.pixels[0].astype(int), other_decoder, atol=1)


def test_an_8_bit_stream_in_a_16_bit_file_is_read() -> None:
    pixels = texture(bits=8)
    frame = cv2.imencode(".jpg", pixels.astype(np.uint8))[1].tobytes()
    dataset = film(pixels, BitsStored=8, HighBit=7)
    case = read_case(dicom_bytes(encapsulated(dataset, frame, JPEGBaseline8Bit)), name="x")
    assert case.pixels.dtype == np.uint16
    assert np.abs(case.pixels[0].astype(int) - pixels).mean() < 3


def test_compressed_pixels_behind_a_wrong_transfer_syntax_are_recognised() -> None:
    frame = cv2.imencode(".jpg", texture(bits=8).astype(np.uint8))[1].tobytes()
    data = dicom_bytes(encapsulated(film(texture(bits=8).astype(np.uint8)), frame, JPEGBaseline8Bit))
    wrong = data.replace(JPEGBaseline8Bit.encode(), ExplicitVRLittleEndian.encode() + b"\0\0\0")
    np.testing.assert_array_equal(read_case(wrong, name="x").pixels, read_case(data, name="x").pixels)


def test_a_grey_palette_is_resolved_and_a_broken_one_refused() -> None:
    pixels = texture(bits=8).astype(np.uint8)
    dataset = film(pixels, PhotometricInterpretation="PALETTE COLOR")
    for colour in ("Red", "Green", "Blue"):
        setattr(dataset, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(dataset, f"{colour}PaletteColorLookupTableData", (np.arange(256) * 257).astype("<u2").tobytes())
    case = read_case(dicom_bytes(dataset), name="x")
    np.testing.assert_array_equal(case.pixels[0], pixels * 257.0)
    assert case.facts["bits"] == 16
    dataset.BluePaletteColorLookupTableData = b"\0\0"
    with pytest.raises(ReadError, match="palette"):
        read_case(dicom_bytes(dataset), name="x")


def test_real_valued_pixels_are_kept() -> None:
    values = (texture() / 7).astype("<f4")
    absent = dict.fromkeys(("PixelData", "BitsStored", "HighBit", "PixelRepresentation"))
    case = read_case(dicom_bytes(film(values, BitsAllocated=32, FloatPixelData=values.tobytes(), **absent)), name="x")
    np.testing.assert_array_equal(case.pixels[0], values)


def test_unused_high_bits_are_dropped_and_not_shown_as_bright_dots() -> None:
    pixels = texture()
    dirty = pixels | np.uint16(0x8000)
    np.testing.assert_array_equal(read_case(dicom_bytes(film(dirty)), name="x").pixels[0], pixels)


def test_overlay_bits_inside_a_compressed_film_are_dropped() -> None:
    pixels = texture()
    dirty = film(pixels | np.uint16(0x8000), BitsStored=16, HighBit=15)
    dirty.compress(JPEG2000Lossless, generate_instance_uid=False)
    dirty.BitsStored, dirty.HighBit = 12, 11
    np.testing.assert_array_equal(read_case(dicom_bytes(dirty), name="x").pixels[0], pixels)


def test_samples_stored_in_the_upper_bits_are_moved_down() -> None:
    pixels = texture()
    case = read_case(dicom_bytes(film(pixels << np.uint16(4), BitsStored=12, HighBit=15)), name="x")
    np.testing.assert_array_equal(case.pixels[0], pixels)


def test_the_sign_of_12_bit_samples_is_restored() -> None:
    signed = texture().astype(np.int16) - np.int16(2048)
    stored = (signed.view(np.uint16) & np.uint16(0x0FFF)).view(np.int16)
    case = read_case(dicom_bytes(film(stored)), name="x")
    assert case.pixels.dtype == np.int16
    np.testing.assert_array_equal(case.pixels[0], signed)


def test_grey_saved_as_colour_is_read_as_grey() -> None:
    pixels = texture(bits=8).astype(np.uint8)
    dataset = film(pixels, SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0)
    dataset.PixelData = np.repeat(pixels[..., np.newaxis], 3, axis=2).tobytes()
    case = read_case(dicom_bytes(dataset), name="x")
    np.testing.assert_array_equal(case.pixels[0], pixels)
    assert case.digest == read_case(dicom_bytes(film(pixels)), name="y").digest


def test_a_film_without_preamble_and_file_meta_is_read() -> None:
    pixels = texture()
    dataset = film(pixels, ImplicitVRLittleEndian)
    stream = io.BytesIO()
    del dataset.file_meta
    dataset.preamble = None
    dataset.save_as(stream, implicit_vr=True, little_endian=True)
    np.testing.assert_array_equal(read_case(stream.getvalue(), name="x").pixels[0], pixels)


def test_a_tiff_preamble_does_not_hide_a_dicom_film() -> None:
    dataset = film()
    dataset.preamble = b"II*\0" + b"\0" * 124
    assert read_case(dicom_bytes(dataset), name="x.tif").facts["modality"] == "CR"


def test_padding_after_the_pixels_is_ignored_with_a_note() -> None:
    pixels = texture()
    dataset = film(pixels, PixelData=pixels.tobytes() + b"\0" * 128)
    case = read_case(dicom_bytes(dataset), name="x")
    np.testing.assert_array_equal(case.pixels[0], pixels)
    assert any("padding after" in note for note in case.facts["notes"])


def test_films_of_the_reference_folder_are_read(shared: Path) -> None:
    inverted = read_case(shared / "cxr/viewer/chest_cr_mono1_15bit_1955x1841_j2k.dcm")
    assert inverted.pixels.shape == (1, 1955, 1841)
    assert (int(inverted.pixels.min()), int(inverted.pixels.max())) == (803, 26512)
    assert inverted.is_inverted
    assert inverted.geometry.spacing_mm is None
    assert inverted.geometry.letters == ("R", "L", "H", "F")
    assert inverted.facts["windows"][0].width == 30000
    small = read_case(shared / "cxr/viewer/chest_cr_mono1_10bit_440.dcm")
    assert (small.facts["bits"], small.facts["view"], small.is_inverted) == (10, "PA", True)
    plain = read_case(str(shared / "dicom/xr_chest_monochrome2.dcm"))
    assert (plain.pixels.dtype, plain.facts["age_years"], plain.facts["modality"]) == (np.uint8, 81.0, "DX")
