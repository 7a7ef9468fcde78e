"""The packaged films: small, honest about what they are, read by our readers, their masks exact."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

import xai_core as xc

CASES = xc.sample_cases()
SIMULATED = [name for name in CASES if name.startswith("simulated")]


def test_there_are_two_real_films_a_normal_one_and_four_findings() -> None:
    assert len(CASES) - len(SIMULATED) == 2
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
    assert min(case.space) >= 240
    file = pydicom.dcmread(CASES[name])
    assert str(file.PatientName).split("^")[0] in {"Simulated", "Nih", "Hannover"}
    assert CASES[name].credit
    assert CASES[name].licence


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
