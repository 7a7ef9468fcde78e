"""The page of the filter study: a small network on the packaged volume, and every state in between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from threading import Event

import numpy as np
import pytest
from safetensors.torch import save_file
from streamlit.testing.v1 import AppTest

import xai_core as xc
from components import filter_study, volumes
from components.shell import escaped
from tests.networks import randomised
from tests.pages.conftest import page
from xai_core.errors import Cancelled, ParameterError
from xai_core.filter_study import STUDY_BANDS, sweep, sweet_spot, table
from xai_core.models.networks.unet3d import UNet3d

NAME, SAMPLE = "tiny-lesions", "ljubljana-ms"
CARD = """
title = "Tiny lesions"
architecture = "unet3d"
modality = "MR"
task = "segmentation"
activation = "softmax"
labels = ["background", "MS lesion"]
channels = ["FLAIR", "T2"]

[input]
size = [24, 32, 24]
channels = 2
intensity = "minimum-maximum"

[options]
width = 2
levels = 2
"""


@pytest.fixture(scope="module", autouse=True)
def own_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("models")
    (folder / NAME).mkdir()
    (folder / NAME / "card.toml").write_text(CARD, encoding="utf-8")
    save_file(dict(randomised(UNet3d(2, 2, [2, 4]), 5).state_dict()), str(folder / NAME / "weights.safetensors"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIGHTBOX_MODELS", str(folder))
        yield


def opened() -> AppTest:
    app = page("filter_study")
    app.selectbox(key="volume").set_value(SAMPLE).run()
    app.selectbox(key="filters-model").set_value(NAME).run()
    assert not app.exception, app.exception
    return app


def start(app: AppTest) -> AppTest:
    app.button(key="filters-start").click().run()
    assert not app.exception, app.exception
    return app


def settled(app: AppTest) -> AppTest:
    assert app.session_state["filters-errand"].wait(120)
    app.run()
    assert not app.exception, app.exception
    return app


def words(app: AppTest) -> str:
    return "\n".join(part.value for part in (*app.markdown, *app.info, *app.error, *app.caption))


@pytest.fixture(scope="module")
def expected():
    case = xc.read_case(xc.sample_cases()[SAMPLE])
    return sweep(xc.load_model(NAME), case, xc.read_region(xc.sample_cases()[SAMPLE].regions["lesion"], case))


@pytest.fixture(scope="module")
def app() -> AppTest:
    return settled(start(opened()))


def test_the_sweep_of_the_page_is_the_library_s(app: AppTest, expected) -> None:
    found = app.session_state["filters-errand"].result
    for measure in ("truth_inclusivity", "input_inclusivity", "signal", "signal_in_truth"):
        np.testing.assert_array_equal(found.values(measure), expected.values(measure))


def test_the_sweet_spot_and_figure_3_are_shown(app: AppTest, expected) -> None:
    best = sweet_spot(expected)
    assert best is not None
    assert f"Sweet spot: {escaped(best.band.name)}" in words(app)
    assert f"{100 * best.inclusivity:.1f} %" in words(app)
    shown = app.dataframe[0].value
    np.testing.assert_allclose(shown.to_numpy(float), table(expected).to_numpy(float))
    assert list(shown.columns) == ["FLAIR", "T2", "mean"]
    assert len(shown) == len(STUDY_BANDS)


def test_raw_and_filtered_slices_stand_a_column_a_modality(app: AppTest) -> None:
    assert len(app.get("image") or app.get("imgs")) == 2 * 2
    assert len(app.get("plotly_chart")) == 4
    assert len(app.get("download_button")) == 2


def test_another_question_never_shows_the_old_answer(app: AppTest) -> None:
    app.selectbox(key="filters-explainer").set_value("lrp-epsilon-plus").run()
    assert "Sweet spot" not in words(app)
    assert "Press Start" in words(app)
    assert app.selectbox(key="filters-target").value == "MS lesion"
    app.selectbox(key="filters-explainer").set_value("lrp-study-unet").run()
    settled(start(app))
    assert "Sweet spot" in words(app)


def test_the_published_code_stands_beside_the_text_when_asked_for() -> None:
    app = opened()
    app.toggle(key="filters-code").set_value(True).run()
    settled(start(app))
    assert "The study's text against its published code" in words(app)
    assert "| pass 0–0.05 |" in words(app)


def test_without_ground_truth_only_what_needs_none_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    bare = replace(volumes._sample(SAMPLE), truth=None)
    monkeypatch.setattr(volumes, "choose", lambda: bare)
    app = page("filter_study")
    app.selectbox(key="filters-model").set_value(NAME).run()
    settled(start(app))
    assert "No ground truth is known" in words(app)
    assert "Input inclusivity" in words(app)
    assert len(app.dataframe) == 1


def test_a_sweep_can_be_cancelled_and_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(model, case, truth, *, cancel: Event, progress, **more):
        progress(0.25)
        cancel.wait(60)
        raise Cancelled

    monkeypatch.setattr(filter_study, "sweep", endless)
    app = opened()
    app.toggle(key="filters-code").set_value(False)
    app.selectbox(key="filters-explainer").set_value("lrp-gamma").run()
    start(app)
    assert app.button(key="filters-start").disabled
    assert "being computed" in words(app)
    app.button(key="cancel").click().run()
    assert app.session_state["filters-errand"].state.error is not None
    settled(app)
    assert "Cancelled" in words(app)
    assert not app.button(key="filters-start").disabled


def test_what_fails_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_, **more):
        raise ParameterError("This cannot be filtered.", "Take another.")

    monkeypatch.setattr(filter_study, "sweep", refused)
    app = opened()
    app.selectbox(key="filters-explainer").set_value("lrp-flat").run()
    settled(start(app))
    assert app.error[0].value == escaped("This cannot be filtered. Take another.")


def test_no_fitting_model_and_no_volume_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volumes, "models", lambda case: ([], ["Net needs ADC, which this volume has not."]))
    app = page("filter_study")
    assert "No segmentation model here reads these modalities" in words(app)
    assert escaped("Net needs ADC, which this volume has not.") in words(app)
    monkeypatch.setattr(volumes, "choose", lambda: None)
    assert "No volume is packaged" in words(page("filter_study"))
