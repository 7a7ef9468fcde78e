"""The follow-up page: the packaged series with its maps, one model and one explainer for all days."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.conftest import after, page


@pytest.fixture
def app() -> AppTest:
    return page("follow_up")


def settled(app: AppTest) -> AppTest:
    return after(app, app.session_state["series-comparison"].jobs.values())


def test_days_stand_in_order_each_with_its_map(app):
    app = settled(app)
    headings = [part.value for part in app.main.markdown if part.value.startswith("**day")]
    assert headings == ["**day 0**", "**day 3**", "**day 5**", "**day 14**"]
    found = app.session_state["series-comparison"].explanations
    assert {one.explainer for one in found} == {"grad-cam"}
    assert {one.target for one in found} == {"Pneumonia"}
    assert len({one.case_digest for one in found}) == 4


def test_another_finding_is_asked_of_all_days(app):
    app.selectbox(key="series-label").select("Healthy").run()
    found = settled(app).session_state["series-comparison"].explanations
    assert [one.target for one in found] == ["Healthy"] * 4


def test_the_threshold_asks_for_nothing_new(app):
    app = settled(app)
    before = app.session_state["series-comparison"]
    app.slider(key="series-threshold").set_value(0.6).run()
    assert not app.exception
    assert app.session_state["series-comparison"] is before
