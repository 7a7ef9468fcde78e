"""What is no volume, or half of one, costs one sentence and one remedy, soon, without much memory."""

from __future__ import annotations

import gzip
import io
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file

from xai_core.case import Case
from xai_core.errors import ReadError
from xai_core.readers import read_case

from .films import dicom_bytes, film, picture_bytes, texture
from .volumes import nifti_bytes, nrrd_bytes, phantom, series, series_bytes, zipped

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
SAMPLES, AFFINE = phantom("LPS")
LITTLE = SAMPLES[14:22, 18:27, 13:20]


def refusal(source: Any, **how: Any) -> str:
    """The refusal of ``source``, checked to be one sentence and one remedy."""
    with pytest.raises(ReadError) as caught:
        read_case(source, **how)
    error = caught.value
    assert error.sentence.endswith(".")
    assert error.remedy.endswith((".", "}"))
    assert "\n" not in str(error)
    assert len(str(error)) < 500
    return str(error)


def nifti(shape: tuple[int, ...] = (6, 7, 8), dtype: Any = np.int16, **fields: Any) -> bytes:
    """A NIfTI of noise with header ``fields`` written over."""
    samples = np.random.default_rng(0).integers(0, 100, shape).astype(dtype)
    data = bytearray(nifti_bytes(samples, np.diag([2.0, 2, 2, 1])))
    header = nib.Nifti1Header(bytes(data[:348]), check=False)
    for name, value in fields.items():
        header[name] = value
    data[:348] = header.binaryblock
    return bytes(data)


def slices(**tags: Any) -> list[Any]:
    return series(SAMPLES[:, :, :9], AFFINE, **tags)


def changed(number: int, **tags: Any) -> list[bytes]:
    """A series in which slice ``number`` has other attributes."""
    parts = slices()
    for keyword, value in tags.items():
        setattr(parts[number], keyword, value)
    return series_bytes(parts)


def without(*numbers: int) -> list[bytes]:
    return [data for k, data in enumerate(series_bytes(slices())) if k not in numbers]


def doubled() -> list[bytes]:
    echo = series(SAMPLES[:, :, :9] // 2, AFFINE, EchoTime=90)
    return series_bytes([*slices(), *echo])


def locked() -> bytes:
    data = bytearray(zipped({"a.nii": nifti()}))
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + at] |= 1
    return bytes(data)


def corrupted() -> bytes:
    data = bytearray(zipped({"a.nii": nifti()}))
    middle = data.index(b"a.nii") + 60
    data[middle] ^= 0xFF
    return bytes(data)


def sheet(affine: Any) -> dict[str, Any]:
    return {f"srow_{name}": row for name, row in zip("xyz", np.asarray(affine, dtype=np.float32), strict=True)}


FLAT = sheet([[2, 0, 0, 0], [0, 2, 0, 0], [0, 0, 0, 0]])
COPLANAR = sheet([[2, 0, 2, 0], [0, 2, 2, 0], [0, 0, 0, 0]])
NOWHERE = sheet([[2, 0, 0, np.nan], [0, 2, 0, 0], [0, 0, 2, 0]])
GZIP = gzip.compress(nifti((20, 20, 20)))
NRRD = nrrd_bytes(LITTLE, AFFINE)
RAW = nrrd_bytes(LITTLE, AFFINE, encoding="raw")

BAD: dict[str, tuple[Callable[[], Any], str]] = {
    "4-D": (lambda: nifti((5, 6, 7, 3)), "4-D where 3-D is expected"),
    "4-D nrrd": (lambda: nrrd_bytes(np.stack([LITTLE] * 3), np.eye(4), **_layers(3)), "4-D where 3-D is expected"),
    "a line": (lambda: nifti((50,)), "not a volume"),
    "zero voxels": (lambda: nifti(**FLAT), "voxels of size zero"),
    "zero voxels without orientation": (
        lambda: nifti(sform_code=0, qform_code=0, pixdim=[1, 2, 0, 2, 0, 0, 0, 0]), "voxels of size zero"
    ),
    "zero voxels nrrd": (lambda: nrrd_bytes(LITTLE, np.diag([2.0, 0, 2, 1])), "voxels of size zero"),
    "zero pixel spacing": (lambda: changed(2, PixelSpacing=[0, 0]), "voxels of size zero"),
    "axes in a plane": (lambda: nifti(**COPLANAR), "axes that lie in one plane"),
    "no numbers in the affine": (lambda: nifti(**NOWHERE), "its header gives no volume"),
    "negative size": (lambda: nifti(dim=[3, 6, -7, 8, 1, 1, 1, 1]), "header"),
    "too large": (lambda: nifti(dim=[3, 2000, 2000, 2000, 1, 1, 1, 1]), "8,000 million voxels"),
    "too large nrrd": (lambda: RAW.replace(b"sizes: 8 9 7", b"sizes: 8000 9000 7000"), "504,000 million voxels"),
    "too large gzip": (lambda: gzip.compress(nifti(dim=[3, 2000, 2000, 2000, 1, 1, 1, 1])), "8,000 million voxels"),
    "samples before the header ends": (lambda: nifti(vox_offset=20), "damaged"),
    "unknown type": (lambda: nifti(datatype=7777), "damaged"),
    "complex": (lambda: nifti_bytes(np.ones((4, 5, 6), np.complex64), np.eye(4)), "complex"),
    "colours": (lambda: nifti(datatype=128, bitpix=24), "colours"),
    "blank": (lambda: nifti_bytes(np.full((6, 7, 8), 7, np.int16), np.eye(4)), "blank"),
    "header alone": (lambda: nifti(magic=b"ni1"), "in another file"),
    "detached nrrd": (lambda: RAW.replace(b"encoding", b"data file: /etc/passwd\nencoding"), "in another file"),
    "blocks": (lambda: RAW.replace(b"type: short", b"type: block").replace(b"type: int16", b"type: block"), "block"),
    "nrrd without end": (lambda: RAW[:40], "without an end"),
    "damaged nrrd header": (lambda: RAW.replace(b"sizes: 8 9 7", b"sizes: 8 x 7"), "damaged NRRD header"),
    "hexadecimal nrrd": (lambda: RAW.replace(b"encoding: raw", b"encoding: hex"), "packed as 'hex'"),
    "cut nifti": (lambda: nifti()[:500], "cut short"),
    "cut gzip": (lambda: GZIP[: len(GZIP) // 2], "cut short"),
    "damaged gzip": (lambda: GZIP[:-200] + bytes(100) + GZIP[-100:], ""),
    "wrong checksum": (lambda: GZIP[:-8] + b"\0\0\0\0" + GZIP[-4:], "damaged"),
    "cut nrrd": (lambda: NRRD[: len(NRRD) - 300], "cut short"),
    "cut raw nrrd": (lambda: RAW[:-10], "cut short"),
    "gap": (lambda: without(4), "1 slice(s) are missing, after slice 4"),
    "two gaps": (lambda: without(2, 3, 6), "3 slice(s) are missing, after slice 2, 4"),
    "uneven": (lambda: changed(3, ImagePositionPatient=_between()), "uneven"),
    "shifted": (lambda: changed(3, ImagePositionPatient=_sideways()), "sideways"),
    "two echoes": (doubled, "4-D where 3-D is expected"),
    "two series": (lambda: series_bytes([*slices(), *slices(SeriesInstanceUID="1.2.3")]), "2 series"),
    "a localiser": (lambda: changed(0, ImageOrientationPatient=[0, 1, 0, 0, 0, -1]), "mixes planes"),
    "another size": (lambda: [*without(8), *series_bytes(series(SAMPLES[:-2, :, 8:9], AFFINE, InstanceNumber=9))], "mixes slices of"),
    "another spacing": (lambda: changed(3, PixelSpacing=[3, 3]), "different pixel spacing"),
    "no orientation": (lambda: changed(0, ImageOrientationPatient=[0, 0, 0, 0, 0, 0]), "orientation"),
    "a slice cut short": (lambda: [*without(8), series_bytes(slices())[8][:-500]], ""),
    "a slice with damaged rows": (lambda: changed(3, Rows=400), ""),
    "a film among slices": (lambda: [*without(8), dicom_bytes(film(SeriesInstanceUID=slices()[0].SeriesInstanceUID))], "CR"),
    "mixed kinds": (lambda: [*without(8), nifti()], "mixes DICOM"),
    "pictures": (lambda: [picture_bytes(texture(bits=8).astype(np.uint8))] * 2, "no volume among 2"),
    "no files": (list, "0 files"),
    "empty zip": (lambda: zipped({}), ""),
    "zip of text": (lambda: zipped({"a.txt": b"hello"}), "no volume"),
    "zip that leads out": (lambda: zipped({"../../a.nii": nifti()}), "lead out"),
    "zip of absolute paths": (lambda: zipped({"/tmp/a.nii": nifti()}), "lead out"),
    "zip of drives": (lambda: zipped({"C:\\a.nii": nifti()}), "lead out"),
    "locked zip": (locked, "password"),
    "damaged zip": (corrupted, "damaged"),
    "cut zip": (lambda: zipped({"a.nii": nifti()})[:-100], "damaged"),
    "two of one modality": (lambda: zipped({"a_t1.nii": nifti(), "b_t1.nii": nifti()}), "two volumes of T1"),
    "no modality": (lambda: zipped({"a.nii": nifti(), "b.nii": nifti()}), "which modality"),
    "masks alone": (lambda: zipped({"a_seg.nii": nifti(), "b_lesion.nii": nifti()}), "no image"),
    "a picture as modality": (lambda: {"FLAIR": picture_bytes(texture(bits=8).astype(np.uint8))}, "a PNG picture"),
    "a film as modality": (lambda: {"FLAIR": dicom_bytes(film())}, "a DICOM film"),
    "seven modalities": (lambda: {str(k): nifti() for k in range(7)}, "7 modalities"),
    "two patients": (lambda: {"T1": series_bytes(slices()), "T2": series_bytes(slices(PatientID="4712"))}, "different patients"),
    "none": (dict, "No modality"),
    "without orientation": (lambda: {"T1": nifti(), "T2": nifti((6, 7, 9), sform_code=0, qform_code=0)}, "cannot be laid"),
    "far apart": (lambda: {"T1": nifti(), "T2": nifti(**sheet(_far()))}, "does not overlap"),
}  # fmt: skip


def _layers(count: int) -> dict[str, Any]:
    directions = np.vstack([[np.nan] * 3, np.eye(3)])
    return {"space directions": directions, "kinds": ["list", "domain", "domain", "domain"]}


def _between() -> list[float]:
    low, high = (np.array(slices()[k].ImagePositionPatient, dtype=float) for k in (3, 4))
    return [float(part) for part in low * 0.6 + high * 0.4]


def _sideways() -> list[float]:
    x, y, z = slices()[3].ImagePositionPatient
    return [float(x) + 9, float(y), float(z)]


def _far() -> list[list[float]]:
    return [[2, 0, 0, 900], [0, 2, 0, 0], [0, 0, 2, 0]]


@pytest.mark.parametrize("name", BAD)
def test_bad_volumes_are_refused_with_a_sentence(name: str) -> None:
    make, words = BAD[name]
    assert words in refusal(make())


def test_the_healthy_neighbours_of_the_bad_ones_are_read() -> None:
    assert read_case(nifti()).space == (8, 7, 6)
    assert read_case(nifti((6, 7, 8, 1))).space == (8, 7, 6)
    assert read_case(GZIP).space == (20, 20, 20)
    assert read_case(NRRD).digest == read_case(RAW).digest
    assert read_case(series_bytes(slices())).space == (9, *SAMPLES.shape[1::-1])
    assert read_case({"T1": nifti(), "T2": nifti()}).channels == ("T1", "T2")


def test_a_slice_given_twice_is_used_once_with_a_note() -> None:
    parts = series_bytes(slices())
    case = read_case([*parts, parts[3]])
    assert case.space[0] == 9
    assert case.digest == read_case(parts).digest
    assert any("given twice" in note for note in case.facts["notes"])


def test_a_volume_where_a_film_is_wanted_is_named(shared: Path, tmp_path: Path) -> None:
    assert "NIfTI volume" in refusal(nifti(), kind="film")
    assert "NRRD volume" in refusal(NRRD, kind="film")
    assert "an MR slice" in refusal(series_bytes(slices())[0], kind="film")
    assert "10 frames" in refusal(shared / "dicom/emri_small.dcm", kind="film")
    assert "ZIP" in refusal(zipped({"a.nii": nifti()}), kind="film")
    assert "folder" in refusal(tmp_path, kind="film")


def test_a_film_where_a_volume_is_wanted_is_named() -> None:
    assert "a PNG picture" in refusal(picture_bytes(texture(bits=8).astype(np.uint8)), kind="volume")
    assert "a DICOM film" in refusal(dicom_bytes(film()), kind="volume")
    assert "a PDF document" in refusal(b"%PDF-1.7 ...", kind="volume")
    assert "no volume" in refusal(b"whatever this is", kind="volume")


def test_a_reference_that_is_not_there_is_named() -> None:
    assert "'DWI'" in refusal({"T1": nifti(), "T2": nifti()}, reference="DWI")
    assert "'DWI'" in refusal(nifti(), reference="DWI")


def test_an_empty_folder_holds_no_volume(tmp_path: Path) -> None:
    assert "no volume" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["emri_small_jpeg_2k_lossless_too_short", "mr4_jpeg_extended_12bit"])
def test_damaged_and_unreadable_slices_of_the_reference_folder_are_refused(shared: Path, name: str) -> None:
    refusal(shared / f"dicom/{name}.dcm")


def test_a_truncated_slice_of_pydicom_is_refused() -> None:
    assert "cut short" in refusal(get_testdata_file("MR_truncated.dcm"))


def bomb_gzip() -> bytes:
    """A small header, then megabytes of zeros packed into little."""
    stream = io.BytesIO()
    with gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=9) as packed:
        packed.write(nifti((20, 20, 20)))
        for _ in range(48):
            packed.write(bytes(1 << 20))
    return stream.getvalue()


def bomb_zip() -> bytes:
    """Announces three gigabytes."""
    data = bytearray(zipped({"a.nii": nifti(), "b.nii": nifti()}))
    at = 0
    while (at := data.find(b"PK\x01\x02", at)) >= 0:
        data[at + 24 : at + 28] = struct.pack("<I", 3 << 29)
        at += 4
    return bytes(data)


def many_files() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for number in range(5000):
            archive.writestr(f"{number}.dcm", b"x")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(bomb_zip, "unpacks to more than 2 GiB", id="zip"),
        pytest.param(many_files, "more than 4,096 files", id="files"),
        pytest.param(
            lambda: gzip.compress(nifti(dim=[3, 30000, 30000, 30000, 1, 1, 1, 1])), "million voxels", id="header"
        ),
        pytest.param(
            lambda: dicom_bytes(series(SAMPLES[:, :, :1], AFFINE, NumberOfFrames=2_000_000_000)[0]),
            "million voxels",
            id="frames",
        ),
    ],
)
def test_bombs_are_refused_from_what_they_announce(make: Callable[[], bytes], words: str) -> None:
    data = make()
    read_case(nifti())
    tracemalloc.start()
    text = refusal(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert words in text
    assert peak < 50e6


def test_a_gzip_bomb_behind_an_honest_header_is_left_packed_and_refused() -> None:
    data = bomb_gzip()
    read_case(nifti())
    tracemalloc.start()
    text = refusal(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "unpacks to more than the 16,352 bytes" in text
    assert peak < 5e6


def volume_or_sentence(data: bytes) -> None:
    try:
        case = read_case(data)
    except ReadError as error:
        if not (error.sentence and error.remedy):
            raise AssertionError("a refusal without sentence or remedy") from error
        return
    assert isinstance(case, Case)
    assert case.pixels.min() < case.pixels.max()
    assert np.isfinite(case.pixels).all()


WHOLE = {
    "nifti": nifti(), "gzip": gzip.compress(nifti()), "nrrd": NRRD, "raw nrrd": RAW,
    "slice": series_bytes(series(LITTLE, AFFINE))[0], "zip": zipped({"a.nii": nifti()}),
}  # fmt: skip


@pytest.mark.parametrize("kind", WHOLE)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_bytes_changed_or_cut_at_random_are_a_volume_or_a_sentence(kind: str, data: st.DataObject) -> None:
    damaged = bytearray(WHOLE[kind])
    reach = st.sampled_from([min(600, len(damaged)), len(damaged)])
    for _ in range(data.draw(st.integers(0, 8))):
        damaged[data.draw(st.integers(0, data.draw(reach) - 1))] = data.draw(st.integers(0, 255))
    volume_or_sentence(
        bytes(damaged[: data.draw(st.sampled_from([len(damaged), data.draw(st.integers(1, len(damaged)))]))])
    )
