"""The stroke study's recipe and the phantom's: Dice against SciPy, parts that stay apart, and a run of each from files to tables."""

from __future__ import annotations

import csv
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.distance import dice as dice_distance

import xai_core as xc
from xai_core.phantoms import MODALITIES, SAMPLE_SEED, perfusion_phantom, write_isles
from xai_core.training import recipes
from xai_core.training.lesion_cases import Lesson, dice_of, drawn, isles_cases, lesson, phantom_case
from xai_core.training.lesion_network import grid_limit, study_card, taught
from xai_core.training.lesion_study import parts
from xai_core.training.loop import Journal
from xai_core.training.perfusion_phantom_unet3d import TEST, TRAINING, VALIDATION

TINY = (10, 64, 64)


@pytest.fixture(scope="module")
def isles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four tiny phantoms in the layout of ISLES 2017."""
    folder = tmp_path_factory.mktemp("isles")
    for number in range(4):
        write_isles(perfusion_phantom(20 + number, TINY), folder, number + 1)
    return folder


def test_dice_is_that_of_scipy() -> None:
    draws = np.random.default_rng(0).random((2, 500)) < 0.3
    assert dice_of(*draws) == pytest.approx(1 - dice_distance(*draws))
    assert np.isnan(dice_of(np.zeros(3), np.zeros(3)))


def test_cases_are_found_with_their_outline_and_a_folder_without_is_refused(isles: Path, tmp_path: Path) -> None:
    cases = isles_cases(isles)
    assert [case.name for case in cases] == [f"training_{number}" for number in range(1, 5)]
    for number, case in enumerate(cases):
        assert case.case.channels == MODALITIES
        np.testing.assert_array_equal(case.lesion, perfusion_phantom(20 + number, TINY).lesion)
    with pytest.raises(xc.LightboxError, match="holds no case"):
        isles_cases(tmp_path)


def test_every_case_is_in_one_part_whatever_their_order(isles: Path) -> None:
    cases = isles_cases(isles)
    parted = parts(cases)
    names = [case.name for part in parted.values() for case in part]
    assert sorted(names) == sorted(case.name for case in cases)
    assert all(parted.values())
    assert parts(cases[::-1]) == parted
    with pytest.raises(xc.LightboxError, match="cannot be parted"):
        parts(cases[:2])


def test_the_phantom_s_parts_share_no_seed_and_leave_the_packaged_one_alone() -> None:
    assert SAMPLE_SEED < TRAINING < VALIDATION < TEST
    options = {option.name: option.default for option in recipes()["perfusion-phantom-unet3d"].options}
    assert TRAINING + options["phantoms"] <= VALIDATION
    assert VALIDATION + options["validation"] <= TEST


def test_a_lesson_is_what_a_loaded_model_is_given(isles: Path) -> None:
    card = study_card("s", "s", 48, 4)
    case = isles_cases(isles)[0]
    of = lesson(case, card)
    assert of.image.shape == (6, 19, 48, 48)
    image = of.image.float()
    assert image.min() == 0
    assert image.max() == 1
    # each modality on its own scale: all of them reach up
    assert (image.amax((1, 2, 3)) > 0.9).all()
    ratio = float(of.lesion.sum()) / (19 * 48 * 48) / (case.lesion.sum() / np.prod(TINY))
    # a small outline on a coarse grid
    assert ratio == pytest.approx(1, abs=0.4)


def test_batches_keep_image_and_lesion_together_when_they_are_mirrored() -> None:
    """A case whose image is bright where its lesion is stays so, and both ways round are drawn."""
    lesion = torch.zeros(4, 8, 8, dtype=torch.bool)
    lesion[1:3, 2:5, 1:3] = True
    cases = [Lesson(torch.where(lesion, 0.9, 0.3).expand(6, -1, -1, -1).half(), lesion)] * 12
    batches = list(drawn(cases, np.random.default_rng(0), varied=True))
    for batch in batches:
        assert torch.equal(batch["image"][0].mean(0) > 0.6, batch["lesion"][0] == 1)
    assert len({int(torch.where(batch["lesion"][0] == 1)[2][0]) for batch in batches}) == 2


def test_the_study_runs_from_files_to_its_tables_and_goes_on_after_a_stop(isles: Path, tmp_path: Path) -> None:
    run = recipes()["lesion-study"].run
    options = {"sizes": "A", "seeds": 2, "epochs": 1, "width": 2}
    path = run(isles, tmp_path, **options)
    text = path.read_text()
    assert "| A | 19 x 48 x 48 | 0 |" in text
    rows = list(csv.DictReader((tmp_path / "tables.csv").open()))
    assert [(row["size"], row["seed"]) for row in rows] == [("A", "0"), ("A", "1")]
    assert all(0 <= float(row["dice_test"]) <= 1 and float(row["training_s"]) > 0 for row in rows)
    before = (tmp_path / "A.0.json").stat().st_mtime_ns
    assert run(isles, tmp_path, resume=True, **options).read_text() == text
    assert (tmp_path / "A.0.json").stat().st_mtime_ns == before


def test_a_grid_as_fine_as_the_case_loses_nothing_and_a_coarse_one_does() -> None:
    case = phantom_case(perfusion_phantom(14, (19, 96, 96)))
    assert grid_limit(study_card("B", "B", 96, 4), [case]) == 1
    assert 0.5 < grid_limit(study_card("A", "A", 48, 4), [case]) < 1


def test_a_size_that_the_study_has_not_is_refused(isles: Path, tmp_path: Path) -> None:
    with pytest.raises(xc.LightboxError, match="no size 'D'"):
        recipes()["lesion-study"].run(isles, tmp_path, sizes="A,D")


def test_a_network_learns_the_lesion_of_one_phantom(tmp_path: Path) -> None:
    """Far above what it starts with: forty steps on one case."""
    torch.manual_seed(0)
    case = phantom_case(perfusion_phantom(14, TINY))
    card = study_card("one", "one", 48, 4)
    of = lesson(case, card)
    module = taught(card, [of] * 10, 6, tmp_path, Journal(tmp_path, None), name="one", varied=False, learning_rate=5e-3)
    with torch.no_grad():
        found = module(of.image.float()[None]).softmax(1)[0, 1] > 0.5
    assert dice_of(found.numpy(), of.lesion.numpy()) > 0.5


def test_the_phantom_s_recipe_writes_a_model_that_loads_and_answers_on_the_case_s_grid(tmp_path: Path) -> None:
    options = {"size": "A", "width": 2, "epochs": 1, "phantoms": 2, "validation": 1, "test": 2}
    path = recipes()["perfusion-phantom-unet3d"].run(tmp_path, tmp_path / "out", **options)
    table = tomllib.loads((tmp_path / "out" / "manifest.toml").read_text())["perfusion-phantom-unet3d"]
    assert table["labels"] == ["Background", "Lesion"]
    assert table["metrics"]["dice"]["phantoms"] == 2
    card = (tmp_path / "out" / "cards" / "perfusion-phantom-unet3d.md").read_text()
    assert "never for patients" in card
    assert path.is_file()
