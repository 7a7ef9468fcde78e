"""The packaged cases: small, honest about what they are, read by our readers, their masks exact."""

from __future__ import annotations

import datetime
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest

import xai_core as xc
from xai_core.head import head_of

CASES = xc.sample_cases("film")
VOLUMES = xc.sample_cases("volume")
SIMULATED = [name for name in CASES if name.startswith("simulated")]


def test_there_are_real_films_of_adults_and_children_a_normal_one_and_four_findings() -> None:
    assert {name.split("-")[0] for name in CASES} == {"nih", "hannover", "child", "simulated"}
    assert {name.split("-")[1] for name in SIMULATED} == {
        "normal",
        "consolidation",
        "effusion",
        "nodule",
        "pneumothorax",
    }


def test_together_they_are_small() -> None:
    for cases, most in ((CASES, 3_000_000), (VOLUMES, 5_000_000)):
        files = {path for case in cases.values() for path in (*case.files, *case.regions.values())}
        assert sum(path.stat().st_size for path in files) < most


def test_films_and_volumes_are_told_apart_and_films_stand_first() -> None:
    assert xc.sample_cases() == {**CASES, **VOLUMES}
    assert list(xc.sample_cases()) == [*CASES, *VOLUMES]


@pytest.mark.parametrize("name", CASES)
def test_each_is_read_and_names_no_patient(name: str) -> None:
    case = xc.read_case(CASES[name])
    assert case.kind == "film"
    assert min(case.space) >= 190
    file = pydicom.dcmread(CASES[name])
    assert str(file.PatientName).split("^")[0] in {"Simulated", "Nih", "Hannover", "Child"}
    assert CASES[name].credit
    assert CASES[name].licence


def test_the_follow_up_is_of_one_patient_at_the_days_its_titles_say() -> None:
    series = {name: pydicom.dcmread(CASES[name]) for name in CASES if name.startswith("hannover-day-")}
    first = datetime.date.fromisoformat(series["hannover-day-0"].StudyDate)
    assert len({file.PatientID for file in series.values()}) == 1
    for name, file in series.items():
        day = int(name.rsplit("-", 1)[1])
        assert (datetime.date.fromisoformat(file.StudyDate) - first).days == day
        assert f"day {day}" in CASES[name].title


@pytest.mark.parametrize("name", SIMULATED)
def test_simulated_films_say_so_and_know_their_geometry(name: str) -> None:
    case = xc.read_case(CASES[name])
    file = pydicom.dcmread(CASES[name])
    assert case.facts["simulated"] is True
    assert "SIMULATED" in file.ImageType
    assert "imulated" in file.ImageComments
    assert case.facts["bits"] == 12
    assert case.geometry.spacing_mm == (0.5, 0.5)
    assert case.geometry.letters[0] == "R"


@pytest.mark.parametrize("name", [name for name in SIMULATED if name != "simulated-normal"])
def test_a_finding_changes_the_film_where_its_mask_says(name: str) -> None:
    """Inside the lesion mask the film differs from the normal one, far from it hardly."""
    case, normal = xc.read_case(CASES[name]), xc.read_case(CASES["simulated-normal"])
    lesion = xc.read_region(CASES[name].regions["lesion"], case).mask
    lungs = xc.read_region(CASES[name].regions["lungs"], case).mask
    change = case.pixels[0].astype(float) - normal.pixels[0].astype(float)
    assert (lesion & lungs).sum() > 0.7 * lesion.sum()
    assert np.abs(change[lesion]).mean() > 2.5 * np.abs(change[~lesion & lungs]).mean()
    assert (change[lesion].mean() > 0) == (name != "simulated-pneumothorax")


def test_boxes_of_the_real_film_lie_on_it() -> None:
    case = xc.read_case(CASES["nih-lung-opacity"])
    mask = xc.read_region(CASES["nih-lung-opacity"].regions["lesion"], case).mask
    assert 0.1 < mask.mean() < 0.2


@pytest.mark.parametrize("name", VOLUMES)
def test_each_volume_is_read_whole_and_its_lesion_lies_in_the_head(name: str) -> None:
    sample = VOLUMES[name]
    case = xc.read_case(sample)
    assert case.kind == "volume"
    assert case.geometry.affine is not None
    assert len(case.channels) == len(sample.files)
    assert case.facts["messages"] == ()
    region = xc.read_region(sample.regions["lesion"], case)
    assert region.messages == ()
    assert region.mask[head_of(case.pixels.astype(np.float32))].sum() > 0.98 * region.mask.sum()
    assert sample.credit
    assert sample.licence


@pytest.mark.parametrize("name", VOLUMES)
def test_a_volume_s_files_name_no_patient(name: str) -> None:
    """A NIfTI header has two free texts, and a place for what any program wants to add."""
    for path in (*VOLUMES[name].files, *VOLUMES[name].regions.values()):
        header = nib.load(path).header
        assert bytes(header["descrip"]).strip(b"\0") == b""
        assert bytes(header["aux_file"]).strip(b"\0") == b""
        assert len(header.extensions) == 0


def test_the_volume_of_multiple_sclerosis_is_that_of_its_source_to_the_voxel(shared: Path) -> None:
    case = xc.read_case(VOLUMES["ljubljana-ms"])
    assert case.channels == ("FLAIR", "T1", "T1post", "T2")
    for channel, samples in zip(case.channels, case.pixels, strict=True):
        source = nib.load(shared / f"mri/ms/ms26_1p5mm_{channel.upper()}.nii.gz")
        np.testing.assert_array_equal(samples.T, np.asarray(source.dataobj))
    lesion = xc.read_region(VOLUMES["ljubljana-ms"].regions["lesion"], case).mask
    drawn = nib.load(shared / "mri/ms/ms26_1p5mm_lesions.nii.gz")
    np.testing.assert_array_equal(lesion.T, np.asarray(drawn.dataobj) > 0)
    placed = np.diag([-1.0, -1.0, 1.0, 1.0]) @ drawn.affine @ np.eye(4)[[2, 1, 0, 3]]
    np.testing.assert_allclose(case.geometry.affine, placed, atol=1e-4)
    assert f"{lesion.sum() * 1.5**3 / 1000:.1f} ml" in VOLUMES["ljubljana-ms"].finding
