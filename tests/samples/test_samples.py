"""The packaged films: small, honest about what they are, read by our readers, their masks exact."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pydicom
import pytest

import xai_core as xc

CASES = xc.sample_cases()
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
    folder = Path(next(iter(CASES.values()))).parent
    assert sum(path.stat().st_size for path in folder.iterdir() if path.is_file()) < 3_000_000


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
