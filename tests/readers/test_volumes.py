"""Volumes are read with their samples and their place in the patient as nibabel, pynrrd and pydicom say."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path
from typing import Any

import nibabel as nib
import nrrd
import numpy as np
import pydicom
import pytest

from xai_core.case import Case
from xai_core.readers import read_case

from .volumes import (
    GRIDS,
    LESION_LPS,
    TO_RAS,
    centre_lps,
    nifti_bytes,
    nrrd_bytes,
    phantom,
    series,
    series_bytes,
    zipped,
)

MS = ("FLAIR", "T1", "T1POST", "T2")


def ras_affine(case: Case) -> np.ndarray[Any, Any]:
    """The RAS affine for (i, j, k) = (w, h, d), written without the reader's own matrices."""
    assert case.geometry.affine is not None
    affine = np.array(case.geometry.affine)[:, [2, 1, 0, 3]]
    affine[:2] *= -1
    return affine


def every_volume(shared: Path) -> list[Path]:
    return sorted((shared / "mri").rglob("*.nii.gz"))


def test_every_reference_volume_is_what_nibabel_reads(shared: Path) -> None:
    axes = set()
    for path in every_volume(shared):
        case, image = read_case(path), nib.load(path)
        np.testing.assert_array_equal(case.pixels[0].T, np.asarray(image.dataobj), err_msg=path.name)
        np.testing.assert_allclose(ras_affine(case), image.affine, atol=1e-5, err_msg=path.name)
        codes = "".join(nib.aff2axcodes(image.affine))[::-1].translate(str.maketrans("SI", "HF"))
        assert "".join(case.geometry.letters) == codes
        assert case.pixels.dtype == image.get_data_dtype()
        axes.add(codes)
    assert len(axes) >= 4


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("form", ["nifti", "nifti-2", "gzip", "big endian", "nrrd", "nrrd raw", "series"])
def test_a_lesion_lies_where_it_was_painted(grid: str, form: str) -> None:
    samples, affine = phantom(grid)
    make = {
        "nifti": lambda: nifti_bytes(samples, affine),
        "nifti-2": lambda: nifti_bytes(samples, affine, kind=nib.Nifti2Image),
        "gzip": lambda: gzip.compress(nifti_bytes(samples, affine)),
        "big endian": lambda: nifti_bytes(samples, affine, nib.Nifti1Header(endianness=">")),
        "nrrd": lambda: nrrd_bytes(samples, affine),
        "nrrd raw": lambda: nrrd_bytes(samples, affine, encoding="raw"),
        "series": lambda: zipped(
            {f"{k}.dcm": data for k, data in enumerate(series_bytes(series(samples, affine))[::-1])}
        ),
    }
    case = read_case(make[form]())
    assert case.kind == "volume"
    held = case.pixels[0].T
    np.testing.assert_allclose(centre_lps(held, ras_affine(case)), LESION_LPS, atol=0.7)
    np.testing.assert_allclose(centre_lps(held, ras_affine(case)), centre_lps(samples, affine), atol=1e-3)
    peak = np.unravel_index(int(np.argmax(case.pixels[0])), case.space)
    position = case.geometry.position(np.array(peak))
    np.testing.assert_allclose(case.geometry.index(position), peak, atol=1e-6)
    assert np.abs(position - LESION_LPS).max() <= max(case.geometry.spacing_mm or ())


@pytest.mark.parametrize(
    ("space", "signs"), [("RAS", (1, 1, 1)), ("LAS", (-1, 1, 1)), ("left-posterior-superior", (-1, -1, 1))]
)
def test_the_world_axes_of_an_nrrd_are_obeyed(tmp_path: Path, space: str, signs: tuple[int, ...]) -> None:
    samples, affine = phantom("oblique")
    turn = np.asarray(signs)[:, None]
    data = nrrd_bytes(
        samples,
        affine,
        space=space,
        **{"space directions": (affine[:3, :3] * turn).T, "space origin": affine[:3, 3] * signs},
    )
    (tmp_path / "x.nrrd").write_bytes(data)
    np.testing.assert_array_equal(read_case(data).pixels[0].T, nrrd.read(str(tmp_path / "x.nrrd"))[0])
    np.testing.assert_allclose(ras_affine(read_case(data)), affine, atol=1e-9)


@pytest.mark.parametrize("kind", ["uint8", "int8", "uint16", "int32", "uint32", "float32", "float64", "int64"])
def test_types_of_samples_are_kept_or_narrowed_to_32_bits(kind: str) -> None:
    samples, affine = phantom("RAS", 0.1)
    typed = samples.astype(kind)
    narrow = {"float64": "float32", "int64": "int32"}.get(kind, kind)
    for data in (
        nifti_bytes(nib.Nifti1Image(typed, affine, dtype=kind).dataobj, affine, _header(kind)),
        nrrd_bytes(typed, affine),
    ):
        case = read_case(data)
        assert case.pixels.dtype == np.dtype(narrow)
        np.testing.assert_array_equal(case.pixels[0].T, typed)


def _header(kind: str) -> nib.Nifti1Header:
    header = nib.Nifti1Header()
    header.set_data_dtype(kind)
    return header


def test_slope_and_intercept_of_a_nifti_are_facts() -> None:
    samples, affine = phantom("RAS")
    image = nib.Nifti1Image(samples, affine)
    image.header.set_slope_inter(0.5, -20)
    data = bytearray(image.to_bytes())
    stored = np.frombuffer(bytes(data[352:]), "<i2").reshape(samples.shape, order="F")
    case = read_case(bytes(data))
    np.testing.assert_array_equal(case.pixels[0].T, stored)
    values = case.facts["slope"] * case.pixels[0].T + case.facts["intercept"]
    np.testing.assert_allclose(values, np.asarray(nib.Nifti1Image.from_bytes(bytes(data)).dataobj), atol=1e-3)


def test_a_file_without_orientation_says_so() -> None:
    samples, affine = phantom("RAS")
    image = nib.Nifti1Image(samples, None)
    image.header.set_zooms((3.0, 4.0, 5.0))
    case = read_case(bytes(image.to_bytes()))
    assert case.geometry.affine is None
    assert case.geometry.letters == ()
    assert case.geometry.spacing_mm == (5.0, 4.0, 3.0)
    assert any("sides and directions are unknown" in note for note in case.facts["notes"])
    plain = read_case(nrrd_bytes(samples, affine, space=None, **{"space directions": None, "space origin": None}))
    assert plain.geometry.affine is None


def test_the_sform_is_followed_and_the_qform_where_there_is_none() -> None:
    samples, affine = phantom("oblique")
    other = affine.copy()
    other[:3, 3] += 7
    image = nib.Nifti1Image(samples, affine)
    image.set_qform(other, 1)
    both = read_case(bytes(image.to_bytes()))
    np.testing.assert_allclose(ras_affine(both), affine, atol=1e-4)
    assert any("sform is followed" in note for note in both.facts["notes"])
    image.set_sform(None, 0)
    alone = read_case(bytes(image.to_bytes()))
    np.testing.assert_allclose(ras_affine(alone), other, atol=1e-3)
    assert alone.facts["notes"] == ()


@pytest.mark.parametrize(("unit", "millimetres"), [("mm", 1.0), ("meter", 1000.0), ("micron", 0.001), (0, 1.0)])
def test_lengths_are_brought_to_millimetres(unit: Any, millimetres: float) -> None:
    samples, affine = phantom("LIA")
    image = nib.Nifti1Image(samples, np.diag([*[1 / millimetres] * 3, 1]) @ affine)
    image.header.set_xyzt_units(unit)
    case = read_case(bytes(image.to_bytes()))
    np.testing.assert_allclose(ras_affine(case), affine, rtol=1e-5, atol=1e-4)
    assert any("not in millimetres" in note for note in case.facts["notes"]) is (millimetres != 1.0)


def test_values_that_are_no_numbers_become_0_with_a_note() -> None:
    samples, affine = phantom("RAS")
    values = samples.astype(np.float32)
    values[:3, 0, 0] = np.nan, np.inf, -np.inf
    case = read_case(nifti_bytes(values, affine))
    assert np.isfinite(case.pixels).all()
    assert any("3 voxels" in note for note in case.facts["notes"])


def test_the_reference_series_is_what_pydicom_reads(shared: Path) -> None:
    archive = shared / "dicom/mr_t1gd_series_12slices.zip"
    with zipfile.ZipFile(archive) as packed:
        slices = [pydicom.dcmread(io.BytesIO(packed.read(name))) for name in packed.namelist()]
    slices.sort(key=lambda part: float(part.ImagePositionPatient[2]))
    case = read_case(archive)
    np.testing.assert_array_equal(case.pixels[0], np.stack([part.pixel_array for part in slices]))
    for k, part in enumerate(slices):
        np.testing.assert_allclose(case.geometry.position([k, 0, 0]), part.ImagePositionPatient, atol=1e-4)
    np.testing.assert_allclose(case.geometry.spacing_mm, (1.5, *slices[0].PixelSpacing), atol=1e-6)
    assert case.geometry.letters == ("H", "P", "L")
    assert case.facts["age_years"] == 60.0


def test_a_series_comes_as_folder_as_files_or_zip_and_is_one_case(shared: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(shared / "dicom/mr_t1gd_series_12slices.zip") as packed:
        packed.extractall(tmp_path)
    paths = sorted(tmp_path.rglob("*.dcm"))
    digests = {read_case(given).digest for given in (tmp_path, paths, [str(path) for path in paths[::-1]])}
    assert digests == {read_case(shared / "dicom/mr_t1gd_series_12slices.zip").digest}


@pytest.mark.parametrize(
    "name",
    [
        "emri_small",
        "emri_small_big_endian",
        "emri_small_jpeg_2k_lossless",
        "emri_small_jpeg_ls_lossless",
        "emri_small_rle",
    ],
)
def test_frames_of_a_multi_frame_image_are_what_pydicom_reads(shared: Path, name: str) -> None:
    path = shared / f"dicom/{name}.dcm"
    case = read_case(path)
    np.testing.assert_array_equal(case.pixels[0], pydicom.dcmread(path).pixel_array)
    assert case.space == (10, 64, 64)


def test_an_enhanced_image_lies_where_its_frames_say(shared: Path) -> None:
    path = shared / "dicom/enhanced_mr_siemens_xa10_6frames.dcm"
    case, dataset = read_case(path), pydicom.dcmread(path)
    np.testing.assert_array_equal(case.pixels[0], dataset.pixel_array)
    for k, frame in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        np.testing.assert_allclose(
            case.geometry.position([k, 0, 0]), frame.PlanePositionSequence[0].ImagePositionPatient, atol=1e-3
        )
    spacing = dataset.PerFrameFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing
    np.testing.assert_allclose((case.geometry.spacing_mm or ())[1:], spacing, atol=1e-6)


@pytest.mark.parametrize("name", ["explicit_le", "jpeg2000_lossless", "jpeg_lossless_sv1", "jpegls_lossless", "rle"])
def test_a_slice_in_each_encoding_is_what_pydicom_reads(shared: Path, name: str) -> None:
    case = read_case(shared / f"dicom/mr4_{name}.dcm")
    np.testing.assert_array_equal(case.pixels[0, 0], pydicom.dcmread(shared / "dicom/mr4_explicit_le.dcm").pixel_array)
    assert case.facts["slope"] == pytest.approx(9.570207)
    assert any("single slice" in note for note in case.facts["notes"])


def test_series_of_one_examination_are_modalities_where_their_descriptions_tell() -> None:
    samples, affine = phantom("LPS")
    told = {"T2": "AX T2 TSE", "T1post": "T1 MPRAGE", "FLAIR": "t2_tirm_tra_dark-fluid"}
    files = []
    for number, (name, description) in enumerate(told.items()):
        agent = {"ContrastBolusAgent": "Gadovist"} if name == "T1post" else {}
        parts = series(
            samples * (number + 1), affine, SeriesDescription=description, SeriesInstanceUID=f"1.2.{number}", **agent
        )
        files += series_bytes(parts)
    case = read_case(files[::-1])
    assert case.channels == ("FLAIR", "T1post", "T2")
    for channel, factor in zip(case.pixels, (3, 2, 1), strict=True):
        np.testing.assert_array_equal(channel.T, samples * factor)


def test_slices_with_slopes_of_their_own_become_values() -> None:
    samples, affine = phantom("LPS")
    slices = series(samples, affine)
    for k, part in enumerate(slices):
        part.RescaleSlope, part.RescaleIntercept = 1 + k / 10, 5
    case = read_case(series_bytes(slices))
    expected = samples * (1 + np.arange(samples.shape[2]) / 10) + 5
    np.testing.assert_allclose(case.pixels[0].T, expected, rtol=1e-6)
    assert case.facts["slope"] == 1


def test_modalities_of_one_grid_are_stacked_in_the_order_given(shared: Path) -> None:
    case = read_case({name: shared / f"mri/ms/ms19_{name}.nii.gz" for name in MS})
    assert case.channels == MS
    for channel, name in zip(case.pixels, MS, strict=True):
        np.testing.assert_array_equal(channel.T, np.asarray(nib.load(shared / f"mri/ms/ms19_{name}.nii.gz").dataobj))
    assert case.facts["messages"] == ()
    assert len(case.facts["windows"]) == 4


def test_modalities_on_other_grids_are_brought_to_the_reference_with_a_message() -> None:
    given = {"FLAIR": nifti_bytes(*phantom("anisotropic")), "T1": nifti_bytes(*phantom("oblique"))}
    for reference in given:
        case = read_case(given, reference=reference)
        assert case.facts["reference"] == reference
        assert case.space == read_case(given[reference]).space
        other = next(name for name in given if name != reference)
        assert len(case.facts["messages"]) == 1
        assert f"{other} was resampled linearly" in case.facts["messages"][0]
        for channel in case.pixels:
            np.testing.assert_allclose(centre_lps(channel.T, ras_affine(case)), LESION_LPS, atol=1.0)


def test_a_modality_stored_in_another_order_of_axes_is_moved_and_not_interpolated() -> None:
    samples, affine = phantom("RAS")
    image = nib.Nifti1Image(samples, affine)
    turned = image.as_reoriented(nib.orientations.axcodes2ornt("PIL"))
    case = read_case({"T1": nifti_bytes(samples, affine), "T2": nifti_bytes(np.asarray(turned.dataobj), turned.affine)})
    assert case.pixels.dtype == np.int16
    np.testing.assert_array_equal(case.pixels[0], case.pixels[1])
    assert "another order of axes" in case.facts["messages"][0]


def test_modalities_with_slopes_of_their_own_are_stacked_as_values() -> None:
    samples, affine = phantom("RAS")
    image = nib.Nifti1Image(samples, affine)
    image.header.set_slope_inter(0.5, 3)
    scaled = bytes(image.to_bytes())
    case = read_case({"T1": nifti_bytes(samples, affine), "ADC": scaled})
    assert case.pixels.dtype == np.float32
    np.testing.assert_allclose(case.pixels[1].T, np.asarray(nib.Nifti1Image.from_bytes(scaled).dataobj), atol=1e-3)
    np.testing.assert_array_equal(case.pixels[0].T, samples)


ISLES_2017 = [
    f"training_1/VSD.Brain.XX.O.MR_{name}.1280{k}.nii"
    for k, name in enumerate(("Tmax", "ADC", "rCBV", "TTP", "MTT", "rCBF"))
]
ISLES_2022 = [
    f"sub-strokecase0001/ses-0001/sub-strokecase0001_ses-0001_{name}.nii.gz" for name in ("adc", "dwi", "flair")
]
BRATS = [f"BraTS2021_00000/BraTS2021_00000_{name}.nii.gz" for name in ("flair", "t1", "t1ce", "t2")]
BRATS_2023 = [f"BraTS-GLI-00000-000-{name}.nii.gz" for name in ("t2f", "t1n", "t1c", "t2w")]
LAYOUTS = [
    (ISLES_2017, ["training_1/VSD.Brain_3more.XX.O.OT.128050.nii"], ("ADC", "MTT", "rCBF", "rCBV", "Tmax", "TTP")),
    (ISLES_2022, ["sub-strokecase0001/sub-strokecase0001_ses-0001_msk.nii.gz"], ("DWI", "ADC", "FLAIR")),
    (BRATS, ["BraTS2021_00000/BraTS2021_00000_seg.nii.gz"], ("FLAIR", "T1", "T1post", "T2")),
    (BRATS_2023, ["BraTS-GLI-00000-000-seg.nii.gz"], ("FLAIR", "T1", "T1post", "T2")),
]


@pytest.mark.parametrize(
    ("names", "masks", "channels"), LAYOUTS, ids=["ISLES 2017", "ISLES 2022", "BraTS", "BraTS 2023"]
)
def test_published_layouts_are_sorted_by_modality(
    tmp_path: Path, names: list[str], masks: list[str], channels: tuple[str, ...]
) -> None:
    affine = np.diag([2.0, 2, 2, 1])
    files = {}
    for number, name in enumerate(
        [*names, *masks, *(["training_1/VSD.Brain.XX.O.MR_4DPWI.1.nii"] if "MR_ADC" in names[1] else [])]
    ):
        samples = np.full((6, 7, 8), number + 1, np.int16)
        samples[0] = 0
        data = nifti_bytes(samples, affine)
        files[name] = gzip.compress(data) if name.endswith("gz") else data
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(files[name])
    words = dict(zip(channels, channels, strict=True)) | {"T1post": "t1c", "FLAIR": "t2f", "T1": "t1n", "T2": "t2w"}
    for case in (read_case(tmp_path), read_case(zipped(files), name="case.zip")):
        assert case.channels == channels
        assert case.facts["missing"] == ()
        assert case.patient["masks"] == Path(masks[0]).name
        assert any("1 mask(s) beside" in message for message in case.facts["messages"])
        assert not any(Path(name).stem in repr(dict(case.facts)) for name in (*names, *masks))
        for channel, modality in zip(case.pixels, channels, strict=True):
            told = {modality.lower(), words[modality].lower()} | ({"t1ce"} if modality == "T1post" else set())
            number = next(
                k
                for k, name in enumerate(names)
                if set(name.lower().replace("-", "_").replace(".", "_").split("_")) & told
            )
            assert channel.max() == number + 1
    (tmp_path / names[0]).unlink()
    half = read_case(tmp_path)
    assert len(half.channels) == len(channels) - 1
    (missing,) = half.facts["missing"]
    assert missing not in half.channels
    assert f"{missing} is missing." in half.facts["messages"]


def test_the_brats_case_of_the_reference_folder_is_one_case(shared: Path) -> None:
    case = read_case(sorted((shared / "mri/brats").glob("brats01658_*")))
    assert case.channels == ("FLAIR", "T1", "T1post", "T2")
    np.testing.assert_array_equal(
        case.pixels[2].T, np.asarray(nib.load(shared / "mri/brats/brats01658_t1ce.nii.gz").dataobj)
    )


def test_nobody_is_named_outside_the_patient_corner() -> None:
    case = read_case(series_bytes(series(*phantom("LPS"))), name="Doe_Jane")
    told = repr((dict(case.facts), case.geometry, case.digest, case.channels))
    assert "Doe" not in told
    assert "4711" not in told
    assert case.patient["name"] == "Doe Jane"


def test_the_digest_knows_samples_and_place_not_the_file() -> None:
    samples, affine = phantom("RAS")
    first = read_case(nifti_bytes(samples, affine), name="a.nii").digest
    assert first == read_case(gzip.compress(nifti_bytes(samples, affine)), name="b.nii.gz").digest
    moved = affine.copy()
    moved[:3, 3] += TO_RAS
    assert first != read_case(nifti_bytes(samples, moved)).digest
