"""The recipe of gliomas on heads of clay: regions inside one another, and a card of who was left out; nothing is shipped."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import xai_core as xc
from tests.training import heads
from xai_core.training import recipes
from xai_core.training.brats_unet3d import FILES, NAME, REGIONS, read_room
from xai_core.training.lesion_school import Room, lessons

NUMBERS = ("00001", "00002")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return heads.write_gliomas(tmp_path_factory.mktemp("gliomas"), NUMBERS)


@pytest.fixture(scope="module")
def room(data: Path) -> Room:
    return read_room(data, 2)


def test_regions_are_the_values_of_the_mask_each_inside_the_one_before(data: Path, room: Room) -> None:
    drawn = np.asarray(nib.load(data / "mri/brats/brats00001_1p5mm_seg.nii.gz").dataobj).T
    whole, core, enhancing = room.subjects["00001"].truth
    np.testing.assert_array_equal(whole, drawn > 0)
    np.testing.assert_array_equal(core, (drawn == 1) | (drawn == 4))
    np.testing.assert_array_equal(enhancing, drawn == 4)
    assert room.card.labels == tuple(REGIONS)


def test_a_region_s_look_is_that_of_what_no_later_region_holds(room: Room) -> None:
    """On FLAIR oedema is 1.5, enhancing tumour 2.0 and necrosis 0.6 of tissue."""
    canvases, (oedema, necrosis, enhancing) = lessons(room, "00002")
    assert len(canvases) == 1
    flair = [look.offsets[:, 0].mean() for look in (necrosis, oedema, enhancing)]
    assert flair[0] < 0 < flair[1] < flair[2]
    assert flair[2] / flair[1] == pytest.approx(2.0, rel=0.15)


def test_a_run_ends_with_a_card_and_weights_that_load(data: Path, tmp_path: Path) -> None:
    options = {"epochs": 1, "steps": 2, "batch": 1, "patch": 16, "width": 2, "folds": 1}
    path = recipes()[NAME].run(data, tmp_path, **options)
    files = {name: data / f"mri/brats/brats00001_1p5mm_{end}.nii.gz" for name, end in FILES.items()}
    case = xc.read_case(files)
    assert xc.load_model(path.parent).predict(case).probabilities.shape == (3, *case.space)
    text = (tmp_path / "cards" / f"{NAME}.md").read_text()
    assert "| 00001 | " in text
    assert "| 00002 | " not in text
    assert NAME not in {card.name for card in xc.models()}
