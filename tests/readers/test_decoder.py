"""The decoding process: killed when a frame takes too long, replaced when it has died, never in the way of the next film."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from pydicom.uid import JPEG2000Lossless, RLELossless

from xai_core.errors import ReadError
from xai_core.readers import decoder, read_case

from .films import dicom_bytes, film, texture


@pytest.fixture
def compressed() -> bytes:
    dataset = film(texture(64, 64))
    dataset.compress(JPEG2000Lossless, generate_instance_uid=False)
    return dicom_bytes(dataset)


def test_a_frame_that_takes_too_long_is_refused_and_the_next_film_is_read(
    compressed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder._DECODER.close()
    with monkeypatch.context() as hasty:
        hasty.setattr(decoder, "BASE_SECONDS", 0.0)
        hasty.setattr(decoder, "SECONDS_PER_MEGAPIXEL", 0.0)
        with pytest.raises(ReadError, match="did not come to an end"):
            read_case(compressed, name="x")
    np.testing.assert_array_equal(read_case(compressed, name="x").pixels[0], texture(64, 64))


def test_a_process_that_died_is_replaced(compressed: bytes) -> None:
    read_case(compressed, name="x")
    process = decoder._DECODER._process
    assert process is not None
    process.kill()
    process.wait()
    assert read_case(compressed, name="x").space == (64, 64)


def test_sessions_share_one_process_without_mixing_their_films() -> None:
    films = {}
    for seed in range(6):
        dataset = film(texture(64, 64, seed=seed))
        dataset.compress(JPEG2000Lossless if seed % 2 else RLELossless, generate_instance_uid=False)
        films[seed] = dicom_bytes(dataset)
    wrong: list[int] = []

    def read(seed: int) -> None:
        seen = [read_case(films[seed], name="x").pixels[0] for _ in range(5)]
        wrong.extend(seed for pixels in seen if not np.array_equal(pixels, texture(64, 64, seed=seed)))

    threads = [threading.Thread(target=read, args=(seed,)) for seed in films]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_panic_of_the_run_length_decoder_is_one_sentence() -> None:
    dataset = film(texture(64, 64))
    dataset.compress(RLELossless, generate_instance_uid=False)
    data = bytearray(dicom_bytes(dataset))
    start = len(data) - 3000
    data[start : start + 200] = b"\x7f" * 200
    with pytest.raises(ReadError):
        read_case(bytes(data), name="x")
