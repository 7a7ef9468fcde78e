"""Films with bytes changed or cut off at random are read as a Case or refused as a ReadError: never anything else."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless

from xai_core.case import Case
from xai_core.errors import ReadError
from xai_core.readers import read_case

from .films import dicom_bytes, film, picture_bytes, texture

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

KINDS = ("png", "png16", "jpeg", "webp", "tiff", "tiff-lzw", "dicom", "deflated", "rle", "jpeg-2000", "jpeg-ls")


@functools.cache
def whole(kind: str) -> bytes:
    grey = texture(64, 64, bits=8).astype(np.uint8)
    compressed = {"rle": RLELossless, "jpeg-2000": JPEG2000Lossless, "jpeg-ls": JPEGLSLossless}
    if kind in compressed:
        dataset = film(texture(64, 64))
        dataset.compress(compressed[kind], generate_instance_uid=False)
        return dicom_bytes(dataset)
    return {
        "png": lambda: picture_bytes(grey),
        "png16": lambda: picture_bytes(texture(64, 64, bits=16)),
        "jpeg": lambda: picture_bytes(grey, "JPEG"),
        "webp": lambda: picture_bytes(grey, "WEBP"),
        "tiff": lambda: picture_bytes(grey, "TIFF"),
        "tiff-lzw": lambda: picture_bytes(texture(64, 64), "TIFF", compression="tiff_lzw"),
        "dicom": lambda: dicom_bytes(film(texture(64, 64))),
        "deflated": lambda: dicom_bytes(film(texture(64, 64), DeflatedExplicitVRLittleEndian)),
    }[kind]()


def film_or_sentence(data: bytes) -> None:
    try:
        case = read_case(data, name="upload")
    except ReadError as error:
        if not (error.sentence and error.remedy):
            raise AssertionError("a refusal without sentence or remedy") from error
        return
    assert isinstance(case, Case)
    assert case.pixels.ndim == 3
    assert case.pixels.min() < case.pixels.max()


@pytest.mark.parametrize("kind", KINDS)
def test_the_whole_file_is_a_film(kind: str) -> None:
    assert read_case(whole(kind), name=kind).space == (64, 64)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_bytes_changed_at_random_are_a_film_or_a_sentence(kind: str, data: st.DataObject) -> None:
    damaged = bytearray(whole(kind))
    # headers are short and decide most: half of the changes fall into the first kilobyte
    reach = st.sampled_from([min(1024, len(damaged)), len(damaged)])
    for _ in range(data.draw(st.integers(1, 12))):
        damaged[data.draw(st.integers(0, data.draw(reach) - 1))] = data.draw(st.integers(0, 255))
    film_or_sentence(bytes(damaged))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_files_cut_at_random_are_a_film_or_a_sentence(kind: str, data: st.DataObject) -> None:
    content = whole(kind)
    film_or_sentence(content[: data.draw(st.integers(1, len(content) - 1))])


@settings(max_examples=200, deadline=None)
@given(st.binary(min_size=1, max_size=600))
def test_arbitrary_bytes_are_a_film_or_a_sentence(content: bytes) -> None:
    film_or_sentence(content)
    film_or_sentence(b"\0" * 128 + b"DICM" + content)
    film_or_sentence(b"\x89PNG\r\n\x1a\n" + content)
    film_or_sentence(b"II*\0" + content)
