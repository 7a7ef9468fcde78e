"""Digits as a page: ten maps on one scale, the true class marked, one's own digit, and nothing of it among the films."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from streamlit.testing.v1 import AppTest

import xai_core as xc
from components import digit_pad, digits, films
from tests.pages.conftest import ROOT
from xai_core.samples.digits import digit_samples


@pytest.fixture(scope="module")
def app():
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=180)
    app.run()
    app.switch_page("pages/digits.py")
    return settled(app.run())


def settled(app: AppTest) -> AppTest:
    assert not app.exception, app.exception
    assert app.session_state["digit-job"].wait(120)
    return app.run()


def words_under_the_maps(app: AppTest) -> list[str]:
    return [text.value for text in app.markdown if " · " in text.value and text.value.startswith("**")]


def test_ten_classes_stand_there_with_their_softmax_and_the_true_one_is_marked(app) -> None:
    job = app.session_state["digit-job"]
    assert [target for _, target in job.panes] == list("0123456789")
    assert all(pane.explanation is not None for pane in job.panes.values())
    told = xc.load_model(job.model_name, "cpu").predict(digit_samples()[digits.FIRST].case)
    wanted = [
        f"**{label}** · {100 * share:.1f} %" for label, share in zip(told.labels, told.probabilities, strict=True)
    ]
    found = words_under_the_maps(app)
    assert [text.split(" · :green")[0] for text in found] == wanted
    assert [text for text in found if "true class" in text] == [found[int(digit_samples()[digits.FIRST].label)]]


def test_maps_share_one_scale_unless_asked_otherwise(app) -> None:
    maps = [pane.explanation.shown for pane in app.session_state["digit-job"].panes.values()]
    greatest = f"{max(np.abs(one).max() for one in maps):.3g}"
    legend = [text.value.replace("\\", "") for text in app.caption]
    assert any(f"+{greatest} (logit)" in text for text in legend)
    app.toggle(key="digit-scale").set_value(False).run()
    assert not any(greatest in text.value.replace("\\", "") for text in app.caption)
    app.toggle(key="digit-scale").set_value(True).run()


def test_another_digit_model_and_explainer_are_explained(app) -> None:
    app.selectbox(key="digit").select("digit-7-b").run()
    app.selectbox(key="digit-model").select("mnist-mlp-relu").run()
    settled(app.selectbox(key="digit-explainer").select("gradient").run())
    found = [pane.explanation for pane in app.session_state["digit-job"].panes.values()]
    assert {(one.explainer, one.model) for one in found} == {("gradient", "mnist-mlp-relu")}
    assert {one.case_digest for one in found} == {digit_samples()["digit-7-b"].case.digest}
    settled(app.selectbox(key="digit-explainer").select("lrp-epsilon").run())


def test_an_explainer_without_a_rule_for_the_network_says_so_once(app) -> None:
    app.selectbox(key="digit-model").select("mnist-mlp-tanh").run()
    settled(app.selectbox(key="digit-explainer").select("deep-taylor").run())
    assert len(app.error) == 1
    assert "tanh" in app.error[0].value
    settled(app.selectbox(key="digit-explainer").select("lrp-epsilon").run())


def test_one_s_own_digit_is_read_and_a_bad_file_is_a_sentence(app) -> None:
    app.segmented_control(key="digit-from").set_value(digits.UPLOAD).run()
    assert not app.exception
    assert "Upload a digit or draw one at the side." in [box.value for box in app.info]
    app.file_uploader(key="digit-upload").set_value(("mine.png", b"no picture", "image/png")).run()
    assert not app.exception
    assert len(app.error) == 1
    file = io.BytesIO()
    Image.fromarray(digit_samples()["digit-3-a"].case.pixels[0]).save(file, "PNG")
    settled(app.file_uploader(key="digit-upload").set_value(("mine.png", file.getvalue(), "image/png")).run())
    assert app.session_state["digit-job"].case_digest == digit_samples()["digit-3-a"].case.digest
    assert not any("true class" in text for text in words_under_the_maps(app))


def test_films_know_nothing_of_digits() -> None:
    assert {card.modality for card in xc.models() if card.name in films.models()} == {"CXR"}
    assert digits.models() == ["mnist-mlp-relu", "mnist-mlp-tanh"]


@pytest.mark.parametrize("factor", [0.5, 1.0])
def test_what_is_drawn_is_laid_as_mnist_s_digits(factor: float) -> None:
    """Wherever and however large it was drawn: 20 pixels along the longer side, the centre of mass in the middle."""
    large = ndimage.zoom(digit_samples()["digit-5-a"].case.pixels[0], 3 * factor, order=1)
    ink = np.zeros((digit_pad.GRID, digit_pad.GRID), np.uint8)
    ink[5 : 5 + large.shape[0], 9 : 9 + large.shape[1]] = large
    cell = digit_pad.laid(digit_pad.decoded(base64.b64encode(ink.tobytes()).decode()))
    assert np.abs(np.asarray(ndimage.center_of_mass(cell)) - 13.5).max() < 0.3
    rows, columns = np.nonzero(cell > 60)
    assert 18 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= 21
    assert np.corrcoef(cell.ravel(), digit_samples()["digit-5-a"].case.pixels[0].ravel())[0, 1] > 0.9


@pytest.mark.parametrize(
    "ink", ["", "§", base64.b64encode(b"12").decode(), base64.b64encode(bytes(digit_pad.GRID**2)).decode()]
)
def test_nothing_drawn_is_no_digit(ink: str) -> None:
    assert digit_pad.decoded(ink) is None
