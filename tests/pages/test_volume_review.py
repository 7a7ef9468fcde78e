"""The volume page as a person uses it, without a browser: files, modalities, findings, targets, maps, and what is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

import xai_core as xc
from tests.pages.conftest import ROOT
from tests.readers.volumes import zipped
from tests.volumes import LABEL, head, mask, write_small_unet

FAST = ["lrp-epsilon-plus", "grad-cam"]


@pytest.fixture(scope="module", autouse=True)
def small_unet(tmp_path_factory: pytest.TempPathFactory):
    """A random 3-D U-Net of two modalities among one's own models, whose last bias makes it say yes at some places."""
    folder = tmp_path_factory.mktemp("models")
    write_small_unet(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIGHTBOX_MODELS", str(folder))
        yield folder


FILES = {"p_FLAIR.nii": head(1), "p_T1.nii": head(2), "p_lesions.nii": mask()}


def page() -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=180)
    app.session_state["volume-explainers"] = list(FAST)
    app.session_state["volume-model"] = "small-unet"
    app = app.switch_page("pages/volume_review.py").run()
    assert not app.exception, app.exception
    return app


def given(app: AppTest, files: dict[str, bytes]) -> AppTest:
    app.file_uploader(key="volume-upload").set_value(
        [(name, data, "application/octet-stream") for name, data in files.items()]
    )
    app.run()
    assert not app.exception, app.exception
    return app


def settled(app: AppTest) -> AppTest:
    job = app.session_state["volume-job"]
    assert job.wait(120)
    app.run()
    assert not app.exception, app.exception
    return app


@pytest.fixture(scope="module")
def opened(small_unet: Path) -> AppTest:
    return settled(given(page(), {"study.zip": zipped(FILES)}))


def states(app: AppTest) -> dict[str, str]:
    return {key[0]: pane.state for key, pane in app.session_state["volume-job"].panes.items()}


def test_a_zip_of_modalities_is_read_named_and_explained(opened: AppTest) -> None:
    volume = opened.session_state["own_volumes"][opened.session_state["volume"]]
    assert volume.case.channels == ("FLAIR", "T1")
    assert volume.truth is not None
    assert states(opened) == dict.fromkeys(FAST, "ready")
    assert not opened.error
    assert any("T1post is missing" in box.value or "T2 is missing" in box.value for box in opened.warning)


def test_maps_hang_on_the_case_and_name_where_they_were_asked(opened: AppTest) -> None:
    job = opened.session_state["volume-job"]
    assert job.region is None
    found = job.panes["lrp-epsilon-plus", LABEL].explanation
    assert found.region == "where predicted"
    assert found.case_digest == opened.session_state["own_volumes"][opened.session_state["volume"]].case.digest


def test_findings_stand_in_millilitres_and_never_name_the_background(opened: AppTest) -> None:
    rows = [button.label for button in opened.button if (button.key or "").startswith("finding-")]
    assert len(rows) == 1
    assert " ml" in rows[0].replace("\\", "")
    text = " ".join(block.value for block in opened.markdown)
    assert "background" not in text.lower()


WAYS = {
    "The whole output": "whole output",
    "The given region": "given region",
    "A box": "box",
    "One voxel": "voxel",
}


@pytest.mark.parametrize("way", list(WAYS))
def test_another_target_asks_for_new_maps_and_says_so(opened: AppTest, way: str) -> None:
    before = opened.session_state["volume-job"].panes["grad-cam", LABEL].explanation
    settled(opened.selectbox(key="volume-where").select(way).run())
    job = opened.session_state["volume-job"]
    found = job.panes["grad-cam", LABEL].explanation
    assert found.region.startswith(WAYS[way])
    assert job.region.name == found.region
    assert found is not before
    settled(opened.selectbox(key="volume-where").select("Where it is predicted").run())
    assert opened.session_state["volume-job"].panes["grad-cam", LABEL].explanation.region == "where predicted"


def test_what_is_picked_in_the_picture_stands_in_the_fields(opened: AppTest) -> None:
    opened.session_state["volume-picked"] = ("One voxel", ((3, 4, 5),))
    settled(opened.run())
    region = opened.session_state["volume-job"].region
    assert region.name == "voxel 6, 5, 4"
    assert np.argwhere(region.mask).tolist() == [[3, 4, 5]]
    opened.session_state["volume-picked"] = ("A box", ((1, 2, 3), (4, 5, 6)))
    settled(opened.run())
    mask = opened.session_state["volume-job"].region.mask
    assert mask[1:5, 2:6, 3:7].all()
    assert mask.sum() == 64
    settled(opened.selectbox(key="volume-where").select("Where it is predicted").run())


def test_the_layers_of_the_card_can_be_chosen(opened: AppTest) -> None:
    field = next(
        box for box in opened.selectbox if (box.key or "").startswith("volume-parameter|grad-cam|target_layer")
    )
    assert list(field.options) == ["As the card says", "encoder.1", "decoder.0"]
    settled(field.select("decoder.0").run())
    found = opened.session_state["volume-job"].panes["grad-cam", LABEL].explanation
    assert found.parameters["target_layer"] == "decoder.0"
    assert found.badge.numbers["grid"] == "16 x 16 x 16"


def test_a_second_session_has_its_own_volume_and_the_same_results(opened: AppTest) -> None:
    other = settled(given(page(), {"p_FLAIR.nii": head(5), "p_T1.nii": head(6)}))
    mine, theirs = (app.session_state["volume-job"].case_digest for app in (opened, other))
    assert mine != theirs
    for app, digest in ((opened, mine), (other, theirs)):
        assert {pane.explanation.case_digest for pane in app.session_state["volume-job"].panes.values()} == {digest}


def test_files_that_tell_nothing_are_asked_for_before_they_are_read() -> None:
    app = given(page(), {"a.nii": head(1), "b.nii": head(2)})
    roles = [box for box in app.selectbox if (box.key or "").startswith("volume-role|")]
    assert [box.value for box in roles] == [None, None]
    assert app.button(key="volume-read").disabled
    roles[0].select("T1").run()
    next(box for box in app.selectbox if (box.key or "").startswith("volume-role|") and box.value is None).select(
        "FLAIR"
    ).run()
    app.button(key="volume-read").click().run()
    assert not app.exception
    volume = app.session_state["own_volumes"][app.session_state["volume"]]
    assert volume.case.channels == ("FLAIR", "T1")
    settled(app)


def test_a_modality_that_is_missing_is_named_for_every_model() -> None:
    app = given(page(), {"p_T1.nii": head(2)})
    said = [block.value.replace("\\", "") for block in app.caption]
    assert "Small U-Net needs FLAIR, which this volume has not." in said
    assert any("No model here reads this volume" in box.value for box in app.info)
    assert "volume-job" not in app.session_state


def listed(app: AppTest, files: dict[str, bytes]) -> AppTest:
    """The list of files as it grows in a browser: what was there keeps its identity."""
    app.file_uploader(key="volume-upload")._files = [(name, name, content, "") for name, content in files.items()]
    app.run()
    assert not app.exception, app.exception
    return app


def test_another_modality_joins_and_another_examination_opens_for_itself() -> None:
    files = {"a_FLAIR.nii": head(1)}
    app = listed(page(), files)
    files["a_T1.nii"] = head(2)
    listed(app, files)
    volume = app.session_state["own_volumes"][app.session_state["volume"]]
    assert volume.case.channels == ("FLAIR", "T1")
    files["other.zip"] = zipped({"b_FLAIR.nii": head(7)})
    listed(app, files)
    other = app.session_state["own_volumes"][app.session_state["volume"]]
    assert other.case.channels == ("FLAIR",)
    assert other.case.digest != volume.case.digest
    assert volume in app.session_state["own_volumes"].values()


@pytest.mark.parametrize(
    ("name", "content"),
    [("broken_T1.nii", head(2)[:900]), ("notes.zip", zipped({"a.txt": b"text"})), ("empty.nii", b"")],
)
def test_a_bad_file_costs_one_sentence_and_the_volume_stays(opened: AppTest, name: str, content: bytes) -> None:
    volume, job = opened.session_state["volume"], opened.session_state["volume-job"]
    given(opened, {name: content})
    assert len(opened.error) == 1
    assert len(opened.error[0].value) > 20
    assert opened.session_state["volume"] == volume
    assert opened.session_state["volume-job"] is job


def test_files_can_be_taken_away_and_dicom_only_where_the_volume_was_dicom(opened: AppTest) -> None:
    titles = [button.proto.label.replace("\\", "") for button in opened.get("download_button")]
    assert titles == ["Picture (PNG)", "Map (NIfTI)", "Report (HTML)", "Prediction (NIfTI)"]
    assert any("DICOM files can be written where" in block.value for block in opened.caption)


def test_opens_on_the_packaged_volume_with_its_region_and_its_own_defaults(small_unet: Path) -> None:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=180)
    app.session_state["volume-model"] = "small-unet"
    app = app.switch_page("pages/volume_review.py").run()
    assert not app.exception, app.exception
    assert app.selectbox(key="volume-model").options[0] == "mri-lesion-unet3d"
    settled(app)
    assert app.session_state["volume"] == next(iter(xc.sample_cases("volume")))
    assert list(states(app)) == ["lrp-epsilon-plus", "smoothgrad", "grad-cam", "occlusion"]
    assert set(states(app).values()) == {"ready"}
    assert "The given region" in app.selectbox(key="volume-where").options
    assert any("Siegel et al. 2025" in block.value for block in app.caption)
    found = app.session_state["volume-job"].panes["smoothgrad", LABEL].explanation
    assert found.parameters["samples"] == 5
