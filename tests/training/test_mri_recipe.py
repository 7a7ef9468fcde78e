"""A whole run of the recipe of MS lesions on heads of clay: who is left out, what comes of it, and going on after a stop."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest

import xai_core as xc
from tests.training import heads
from xai_core.training import recipes
from xai_core.training.lesion_school import HEAD_INPUT, Room, lessons
from xai_core.training.mri_lesion_unet3d import CHANNELS, NAME, read_room
from xai_core.training.volumes import anatomy_of

NUMBERS = ("03", "11", "25")
OPTIONS = {"epochs": 1, "steps": 2, "batch": 2, "patch": 16, "width": 2}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return heads.write_patients(tmp_path_factory.mktemp("volumes"), NUMBERS)


@pytest.fixture(scope="module")
def room(data: Path) -> Room:
    return read_room(data)


def test_patients_are_prepared_by_the_code_that_prepares_a_person_s_volume(data: Path, room: Room) -> None:
    """Through a model of the same card, from files in another order of axes."""
    files = {name: data / f"mri/ms/ms03_1p5mm_{name.upper()}.nii.gz" for name in reversed(CHANNELS)}
    case = xc.read_case(files)
    card = xc.Card(NAME, NAME, "unet3d", "MR", "segmentation", ("x",), CHANNELS, False, HEAD_INPUT)
    prepared = xc.Model(card, None, "cpu", "").prepare(case)  # type: ignore[arg-type]
    np.testing.assert_array_equal(prepared.tensor[0].numpy(), room.anatomies["03"].image)
    truth = prepared.grid.to_input(room.subjects["03"].truth.astype(np.float32))
    np.testing.assert_array_equal(truth, room.anatomies["03"].regions)


def test_masks_lie_on_each_head_in_millimetres(room: Room) -> None:
    """A patient's own mask from the folder of masks is that patient's lesions, on the network's grid too."""
    for number in NUMBERS:
        laid = room.masks[number][number] / 255
        np.testing.assert_allclose(laid, room.anatomies[number].regions, atol=0.01)
    assert set(room.masks["03"]) == {*NUMBERS, "90", "91"}


def test_who_is_left_out_is_left_out_as_head_and_as_mask(room: Room) -> None:
    canvases, _ = lessons(room, "11")
    assert [canvas.anatomy.name for canvas in canvases] == ["03", "25"]
    own = room.masks["03"]["11"]
    assert own.any()
    for canvas in canvases:
        assert len(canvas.masks) == 4
    assert not any(np.array_equal(mask, own) for mask in canvases[0].masks)
    assert len(lessons(room, "")[0]) == 3


def test_who_is_left_out_teaches_no_looks(room: Room) -> None:
    count = len(lessons(room, "")[1][0].offsets)
    parts = [len(lessons(room, number)[1][0].offsets) for number in NUMBERS]
    assert sum(parts) == 2 * count
    assert max(parts) < count


def test_a_volume_that_lies_otherwise_is_the_same_anatomy(data: Path, room: Room, tmp_path: Path) -> None:
    """Turned files, the same head: the network's grid follows the patient, not the file."""
    import nibabel as nib

    turned = {}
    for name in CHANNELS:
        image = nib.load(data / f"mri/ms/ms03_1p5mm_{name.upper()}.nii.gz")
        turned[name] = tmp_path / f"{name}.nii"
        axes = nib.orientations.axcodes2ornt(("P", "S", "R"))
        image.as_reoriented(nib.orientations.ornt_transform(nib.io_orientation(image.affine), axes)).to_filename(
            turned[name]
        )
    subject = room.subjects["03"]
    case = xc.read_case(turned)
    again = anatomy_of(type(subject)("03", case, np.zeros((1, *case.space), dtype=bool)), CHANNELS, HEAD_INPUT)
    np.testing.assert_allclose(again.image, room.anatomies["03"].image, atol=1e-5)


def test_a_run_ends_with_weights_a_table_and_a_card_and_again_after_a_stop(data: Path, tmp_path: Path) -> None:
    heard: list[float] = []
    recipe = recipes()[NAME]
    path = recipe.run(data, tmp_path, seed=1, progress=lambda share, line: heard.append(share), **OPTIONS)
    weights = path.read_bytes()
    table = tomllib.loads((tmp_path / "manifest.toml").read_text())[NAME]
    assert table["bytes"] == len(weights)
    assert table["channels"] == list(CHANNELS)
    assert table["metrics"]["patients"] == 3
    assert heard[-1] == 1.0
    text = (tmp_path / "cards" / f"{NAME}.md").read_text()
    for number in NUMBERS:
        assert f"| {number} | " in text
        assert f"dice_without_{number}" in table["metrics"]
        assert json.loads((tmp_path / f"without-{number}.checkpoint.json").read_text()) == {"epoch": 1}
    folder = tmp_path / NAME
    folder.mkdir()
    (folder / "card.toml").write_text(
        (tmp_path / "manifest.toml").read_text().replace(f"[{NAME}]\n", "").replace(f"[{NAME}.", "[")
    )
    (folder / path.name).write_bytes(weights)
    case = xc.read_case({name: data / f"mri/ms/ms03_1p5mm_{name.upper()}.nii.gz" for name in CHANNELS})
    assert xc.load_model(folder).predict(case).probabilities.shape == (1, *case.space)
    recipe.run(data, tmp_path, seed=1, resume=True, **OPTIONS)
    assert path.read_bytes() == weights


def test_a_folder_without_volumes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(xc.LightboxError, match="no volumes"):
        read_room(tmp_path)
