"""What is no film costs one sentence and one remedy, soon, without much memory, and never another exception."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, JPEGLSLossless, RLELossless

from xai_core.case import Case
from xai_core.errors import LightboxError, ReadError
from xai_core.readers import read_case

from .films import dicom_bytes, encapsulated, film, picture_bytes, texture

GREY8 = texture(bits=8).astype(np.uint8)


def refusal(source: Any, name: str | None = "upload.dcm") -> str:
    """The refusal of ``source`` where a film is wanted, checked to be one sentence and one remedy."""
    with pytest.raises(ReadError) as caught:
        read_case(source, name=name, kind="film")
    error = caught.value
    assert isinstance(error, LightboxError)
    assert error.sentence.endswith(".")
    assert error.remedy.endswith(".")
    assert "\n" not in str(error)
    assert len(str(error)) < 400
    return str(error)


def film_or_none(source: Any) -> Case | None:
    try:
        return read_case(source, kind="film")
    except ReadError:
        return None


def png_header(width: int, height: int) -> bytes:
    """A PNG that announces a size and holds next to nothing."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = zlib.compress(b"\0" * 1_000_000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def animated(form: str) -> bytes:
    stream = io.BytesIO()
    frames = [Image.fromarray(np.roll(GREY8, step)) for step in range(3)]
    frames[0].save(stream, form, save_all=True, append_images=frames[1:])
    return stream.getvalue()


def test_what_is_not_there_or_no_file_is_named(tmp_path: Path) -> None:
    assert "no file 'missing.dcm'" in refusal(tmp_path / "missing.dcm", None)
    assert "folder" in refusal(tmp_path, None)
    assert "path" in refusal("film\0.dcm", None).lower()
    refusal("x" * 5000, None)
    refusal("", None)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert "ordinary file" in refusal(pipe, None)


@pytest.mark.parametrize("source", [None, 5, 3.2, np.zeros((40, 40)), object()])
def test_what_is_no_source_is_said(source: Any) -> None:
    refusal(source, None)


def test_several_files_and_sets_of_modalities_are_no_film(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(picture_bytes(GREY8))
    assert read_case([path]).space == GREY8.shape
    assert "2 files" in refusal([path, path], None)
    refusal([], None)
    assert "volume" in refusal({"FLAIR": path}, None)


def test_zero_bytes_text_and_noise_are_no_image() -> None:
    assert "empty" in refusal(b"")
    assert "text" in refusal(b"patient;age\n1;2\n")
    assert "not an image" in refusal(np.random.default_rng(0).bytes(5000))
    assert "text" in refusal(io.StringIO("hello"))


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"%PDF-1.7 ...", "PDF"),
        (b"PK\x03\x04....", "ZIP"),
        (b"\x1f\x8b\x08....", "gzip"),
        (b"GIF89a....", "GIF"),
        (b"BM....", "BMP"),
        (b"\0\0\0\x18ftypheic....", "HEIC"),
        (b"\0\0\0\x18ftypisom....", "video"),
        (b"NRRD0005....", "NRRD"),
        (b"\x5c\x01\0\0" + b"\0" * 340 + b"n+1\0", "NIfTI"),
        (b"<!DOCTYPE html><html>", "web page"),
    ],
)
def test_other_kinds_of_file_are_called_by_their_name(data: bytes, word: str) -> None:
    assert word in refusal(data, "film.png")


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated_pictures_are_refused(form: str, share: float) -> None:
    data = picture_bytes(texture(200, 200, bits=8).astype(np.uint8), form)
    refusal(data[: int(len(data) * share)])


@pytest.mark.parametrize("syntax", [None, RLELossless, JPEG2000Lossless, JPEGLSLossless])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.97])
def test_truncated_dicom_films_are_refused(syntax: str | None, share: float) -> None:
    dataset = film(texture(200, 200))
    if syntax:
        dataset.compress(syntax, generate_instance_uid=False)
    data = dicom_bytes(dataset)
    assert "cut short" in refusal(data[: int(len(data) * share)])


@pytest.mark.parametrize("syntax", [JPEGLSLossless, JPEGBaseline8Bit])
def test_a_compressed_stream_without_end_is_refused_though_decoders_fill_it_with_grey(syntax: str) -> None:
    pixels = texture(200, 200, bits=8).astype(np.uint8)
    dataset = film(pixels)
    dataset.compress(JPEGLSLossless, generate_instance_uid=False)
    stream = dataset.PixelData[16:] if syntax == JPEGLSLossless else cv2.imencode(".jpg", pixels)[1].tobytes()
    broken = dicom_bytes(encapsulated(film(pixels), stream[: len(stream) * 3 // 4], syntax))
    refusal(broken)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("rtplan.dcm", "without pixels"),
        ("test-SR.dcm", "without pixels"),
        ("rtstruct.dcm", "without pixels"),
        ("waveform_ecg.dcm", "without pixels"),
        ("CT_small.dcm", "a CT slice"),
        ("MR_small.dcm", "an MR slice"),
        ("MR_truncated.dcm", "an MR slice"),
        ("examples_ybr_color.dcm", "30 frames"),
        ("examples_rgb_color.dcm", "ultrasound"),
        ("examples_palette.dcm", "ultrasound"),
        ("SC_rgb_rle.dcm", "colour picture"),
        ("SC_rgb_jpeg_dcmtk.dcm", "colour picture"),
        ("liver_1frame.dcm", "segmentation"),
        ("rtdose.dcm", "15 frames"),
        ("JPGExtended.dcm", "nuclear medicine"),
        ("dicomdirtests/DICOMDIR", "DICOMDIR"),
        ("badVR.dcm", "dose"),
    ],
)
def test_dicom_objects_that_are_no_films_are_called_by_their_name(name: str, words: str) -> None:
    assert words in refusal(get_testdata_file(name), None)


def test_every_dicom_file_at_hand_is_a_film_or_one_sentence(shared: Path) -> None:
    folder = Path(get_testdata_file("CT_small.dcm")).parents[1]
    paths = [path for root in (folder, shared / "dicom", shared / "cxr/viewer") for path in root.rglob("*")]
    read = []
    for path in paths:
        if path.is_file() and path.suffix != ".py":
            case = film_or_none(path)
            if case is not None:
                read.append(case)
    assert len(read) > 15
    assert all(case.pixels.min() < case.pixels.max() for case in read)


def test_slices_of_volumes_of_the_reference_folder_are_refused(shared: Path) -> None:
    for path in sorted((shared / "dicom").glob("*mr*")):
        refusal(path, None)


def test_an_encapsulated_document_is_named() -> None:
    dataset = film(PixelData=None, Rows=None, Columns=None, Modality="DOC")
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.104.1"
    dataset.EncapsulatedDocument = b"%PDF-1.4"
    assert "document" in refusal(dicom_bytes(dataset))


@pytest.mark.parametrize("change", [{"Rows": 47}, {"Columns": 100}, {"Rows": 40, "Columns": 64}, {"BitsAllocated": 8}])
def test_a_header_that_contradicts_the_pixel_length_is_refused(change: dict[str, Any]) -> None:
    if "BitsAllocated" in change:
        change = {**change, "BitsStored": 8, "HighBit": 7}
    text = refusal(dicom_bytes(film(**change)))
    assert "contradicts" in text or "cut short" in text


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless])
def test_a_header_that_contradicts_the_compressed_stream_is_refused(syntax: str) -> None:
    dataset = film(texture(60, 60))
    dataset.compress(syntax, generate_instance_uid=False)
    dataset.Rows = 100
    assert "contradicts" in refusal(dicom_bytes(dataset))


@pytest.mark.parametrize("bits", [{"BitsAllocated": 12}, {"BitsAllocated": 1, "BitsStored": 1}, {"BitsStored": 20}])
def test_impossible_bits_are_refused(bits: dict[str, int]) -> None:
    refusal(dicom_bytes(film(**bits)))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(lambda: picture_bytes(np.full((64, 64), 7, np.uint8)), id="png"),
        pytest.param(lambda: dicom_bytes(film(np.full((64, 64), 7, np.uint16))), id="dicom"),
        pytest.param(lambda: picture_bytes(np.full((64, 64), 0.5, np.float32), "TIFF"), id="tiff"),
    ],
)
def test_blank_films_are_refused(data: Callable[[], bytes]) -> None:
    assert "blank" in refusal(data())


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_no_numbers_are_refused(value: float) -> None:
    pixels = GREY8.astype(np.float32)
    pixels[3, 3] = value
    assert "no numbers" in refusal(picture_bytes(pixels, "TIFF"))


@pytest.mark.parametrize("shape", [(31, 100), (100, 20), (40, 200), (1, 1)])
def test_slivers_are_refused(shape: tuple[int, int]) -> None:
    pixels = np.arange(shape[0] * shape[1], dtype=np.uint8).reshape(shape)
    assert "too small or too narrow" in refusal(picture_bytes(pixels))
    assert "too small or too narrow" in refusal(dicom_bytes(film(pixels)))


def test_colour_photographs_are_refused() -> None:
    photograph = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for form in ("PNG", "JPEG", "WEBP", "TIFF"):
        assert "colour picture" in refusal(picture_bytes(photograph, form))


def test_print_colours_are_refused() -> None:
    stream = io.BytesIO()
    Image.fromarray(GREY8).convert("CMYK").save(stream, "JPEG")
    assert "print colours" in refusal(stream.getvalue())
    stream = io.BytesIO()
    Image.fromarray(GREY8).convert("CMYK").save(stream, "TIFF")
    assert "print colours" in refusal(stream.getvalue())


def test_animated_pictures_and_tiffs_of_several_pages_are_refused() -> None:
    assert "animated" in refusal(animated("PNG"))
    assert "animated" in refusal(animated("WEBP"))
    assert "several pages" in refusal(animated("TIFF"))


def test_a_12_bit_jpeg_picture_is_named() -> None:
    data = bytearray(picture_bytes(GREY8, "JPEG"))
    data[data.index(b"\xff\xc0") + 4] = 12
    data[data.index(b"\xff\xc0") + 1] = 0xC1
    assert "12-bit JPEG" in refusal(bytes(data))
