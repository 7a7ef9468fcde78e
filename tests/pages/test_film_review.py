"""The film review page as a person uses it, without a browser: opens, target, explainers, good and bad uploads."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import xai_core as xc
from tests.pages.conftest import FAST, ROOT, opened, settled


@pytest.fixture
def page() -> AppTest:
    return opened()


def findings(app: AppTest) -> list:
    return [button for button in app.button if (button.key or "").startswith("finding-")]


def test_opens_with_a_sample_and_its_findings(page: AppTest) -> None:
    labels = xc.load_model("cxr-resnet18").card.labels
    assert len(findings(page)) == len(labels)
    assert page.session_state["film"] == next(iter(xc.sample_cases()))
    states = {key[0]: pane.state for key, pane in page.session_state["job"].panes.items()}
    assert states == dict.fromkeys(FAST, "ready")


def test_a_click_on_a_finding_explains_it(page: AppTest) -> None:
    before = page.session_state["target"]
    other = next(button for button in findings(page) if before.lower() not in button.label.replace("\\", "").lower())
    other.click().run()
    settled(page)
    after = page.session_state["target"]
    assert after != before
    assert {target for _, target in page.session_state["job"].panes} == {after}


def test_an_explainer_that_is_chosen_gets_a_pane(page: AppTest) -> None:
    page.session_state["explainers"] = [*FAST, "gradient"]
    page.run()
    settled(page)
    assert [name for name, _ in page.session_state["job"].panes] == [*FAST, "gradient"]


def test_a_changed_parameter_asks_for_a_new_map(page: AppTest) -> None:
    before = page.session_state["job"].panes
    field = next(box for box in page.selectbox if box.key == "parameter|lrp-epsilon-plus|seed")
    field.set_value("one").run()
    settled(page)
    after = page.session_state["job"].panes
    key = next(key for key in after if key[0] == "lrp-epsilon-plus")
    assert after[key].explanation.parameters["seed"] == "one"
    assert after[key].explanation is not before[key].explanation


def test_a_second_look_at_the_same_film_computes_nothing(page: AppTest) -> None:
    first = page.session_state["job"].panes
    again = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    again.session_state["explainers"] = FAST
    begun = time.process_time()
    again.run()
    assert again.session_state["job"].done
    for key, pane in again.session_state["job"].panes.items():
        assert pane.explanation.raw is first[key].explanation.raw
    assert time.process_time() - begun < 60


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("notes.png", b"this is no picture", "notes"),
        ("empty.dcm", b"", ""),
        ("../../etc/passwd.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 40, ""),
    ],
)
def test_a_bad_file_costs_one_sentence_and_the_film_stays(page: AppTest, name: str, content: bytes, word: str) -> None:
    film, job = page.session_state["film"], page.session_state["job"]
    page.file_uploader[0].upload(name, content, "application/octet-stream").run()
    assert not page.exception
    assert len(page.error) == 1
    assert len(page.error[0].value) > 20
    assert page.session_state["film"] == film
    assert page.session_state["job"] is job


def test_an_own_film_is_opened_and_explained(page: AppTest) -> None:
    before = page.session_state["job"].case_digest
    sample = list(xc.sample_cases().values())[1]
    content = Path(sample).read_bytes()
    page.file_uploader[0].upload("mine.dcm", content, "application/dicom").run()
    settled(page)
    assert not page.error
    assert page.session_state["job"].case_digest == xc.read_case(sample).digest != before


@pytest.mark.parametrize("name", ["methods", "models", "about"])
def test_other_pages_open(name: str) -> None:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    app.switch_page(f"pages/{name}.py").run()
    assert not app.exception
