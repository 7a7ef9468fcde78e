"""Compare models as a page: a pane a model and their mean, the label all have, and what cannot be compared."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.conftest import after, page


@pytest.fixture
def app() -> AppTest:
    return page("compare_models")


def settled(app: AppTest) -> AppTest:
    return after(app, app.session_state["compared-comparison"].jobs.values())


def test_every_film_model_stands_there_with_one_explainer_and_one_label(app):
    assert not app.exception
    app = settled(app)
    shown = app.session_state["compared-comparison"]
    assert len(shown.jobs) >= 2
    assert shown.explainer == "grad-cam"
    assert [found.model for found in shown.explanations] == list(shown.jobs)
    assert {found.target for found in shown.explanations} == {shown.target}


def test_another_explainer_is_asked_of_all_models(app):
    app.selectbox(key="compared-explainer").select("gradient").run()
    shown = settled(app).session_state["compared-comparison"]
    assert {found.explainer for found in shown.explanations} == {"gradient"}


def test_no_model_is_a_sentence_and_not_an_error(app):
    app.multiselect(key="compared").set_value([]).run()
    assert not app.exception
    assert "Choose at least one model." in [box.value for box in app.info]
