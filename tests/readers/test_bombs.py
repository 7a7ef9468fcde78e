"""Files made to take more memory or time than they are worth: each is refused from its header or at a limit."""

from __future__ import annotations

import io
import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless

from tests.readers.test_bad_files import GREY8, png_header, refusal
from xai_core.readers import read_case

from .films import dicom_bytes, film, picture_bytes, texture


def bomb_tiff() -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, GREY8)
    data = bytearray(stream.getvalue())
    with tifffile.TiffFile(io.BytesIO(bytes(data))) as tiff:
        for name in ("ImageWidth", "ImageLength"):
            tag = tiff.pages[0].tags[name]  # type: ignore[union-attr]
            size = 2 if tag.dtype == 3 else 4
            data[tag.valueoffset : tag.valueoffset + size] = (60_000).to_bytes(size, "little")
    return bytes(data)


def bomb_jpeg() -> bytes:
    data = bytearray(picture_bytes(GREY8, "JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", 60_000, 60_000)
    return bytes(data)


def bomb_j2k() -> bytes:
    dataset = film(texture(60, 60))
    dataset.compress(JPEG2000Lossless, generate_instance_uid=False)
    dataset.Rows = dataset.Columns = 60_000
    data = bytearray(dicom_bytes(dataset))
    at = data.index(b"\xff\x4f\xff\x51")
    data[at + 8 : at + 16] = struct.pack(">II", 60_000, 60_000)
    return bytes(data)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: png_header(60_000, 60_000), id="png"),
        pytest.param(lambda: png_header(11_000, 11_000), id="png-just-above"),
        pytest.param(bomb_jpeg, id="jpeg"),
        pytest.param(bomb_tiff, id="tiff"),
        pytest.param(lambda: dicom_bytes(film(Rows=60_000, Columns=60_000)), id="dicom"),
        pytest.param(lambda: dicom_bytes(film(NumberOfFrames=2_000_000_000)), id="dicom-frames"),
        pytest.param(bomb_j2k, id="dicom-jpeg-2000"),
    ],
)
def test_decompression_bombs_are_refused_from_their_header(make: Callable[[], bytes]) -> None:
    data = make()
    read_case(picture_bytes(GREY8), name="warm")
    tracemalloc.start()
    started = time.perf_counter()
    text = refusal(data)
    seconds, peak = time.perf_counter() - started, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "megapixels" in text
    assert seconds < 2
    assert peak < 50e6


def test_a_deflated_bomb_stops_at_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xai_core.readers.dicom_file.LARGEST_FILE_BYTES", 1 << 20)
    dataset = film(np.tile(texture(), (20, 20)), DeflatedExplicitVRLittleEndian)
    assert "unpacks to more" in refusal(dicom_bytes(dataset))


def test_a_tiff_strip_that_inflates_beyond_its_header_is_refused() -> None:
    bomb = zlib.compress(b"\0" * 30_000_000)
    stream = io.BytesIO()
    tifffile.imwrite(stream, GREY8, compression="zlib")
    data = bytearray(stream.getvalue())
    with tifffile.TiffFile(io.BytesIO(bytes(data))) as tiff:
        for name, value in (("StripOffsets", len(data)), ("StripByteCounts", len(bomb))):
            tag = tiff.pages[0].tags[name]  # type: ignore[union-attr]
            size = 2 if tag.dtype == 3 else 4
            data[tag.valueoffset : tag.valueoffset + size] = value.to_bytes(size, "little")
    tracemalloc.start()
    text = refusal(bytes(data) + bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "more pixels than its header" in text
    assert peak < 5e6


def test_a_jpeg_of_endless_scans_is_refused() -> None:
    data = picture_bytes(GREY8, "JPEG", progressive=True)
    assert read_case(data, name="x").space == GREY8.shape
    assert "scans" in refusal(data[:-2] + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" * 200 + data[-2:])


def test_a_header_of_very_many_elements_costs_little_memory() -> None:
    elements = b"".join(
        struct.pack("<HH2sH", 0x7001 + 2 * (number >> 16), number & 0xFFFF, b"LO", 0) for number in range(200_000)
    )
    data = dicom_bytes(film(PixelData=None)) + elements
    tracemalloc.start()
    refusal(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10e6


def test_a_file_above_the_size_limit_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xai_core.readers.source.LARGEST_FILE_BYTES", 1000)
    path = tmp_path / "big.png"
    path.write_bytes(b"\x89PNG" + b"\0" * 5000)
    assert "larger than" in refusal(path, None)
    assert "larger than" in refusal(io.BytesIO(path.read_bytes()))


def test_sequences_nested_hundreds_deep_are_refused() -> None:
    def element(tag: bytes, kind: bytes, body: bytes) -> bytes:
        return tag + kind + b"\0\0" + struct.pack("<I", len(body)) + body

    body = b""
    for _ in range(600):
        item = b"\xfe\xff\x00\xe0" + struct.pack("<I", len(body)) + body
        body = element(b"\x40\x00\x30\xa7", b"SQ", item)
    base = dicom_bytes(film(PixelData=None))
    refusal(base + body)
