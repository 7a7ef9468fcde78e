"""The page of models: every card opens, shipped or to fetch, and reliability curves are those of the card."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

import xai_core as xc
from components import cards
from tests.pages.conftest import page
from xai_core.models.places import SHELF


@pytest.fixture(scope="module")
def app() -> AppTest:
    return page("models")


def test_all_models_stand_in_one_table(app: AppTest) -> None:
    table = app.dataframe[0].value
    assert set(table["Model"]) == set(cards.known())
    assert set(table.loc[table["State"] == "shipped", "Model"]) == {card.name for card in xc.models() if card.shipped}


@pytest.mark.parametrize("name", sorted(cards.known()))
def test_every_card_opens(app: AppTest, name: str) -> None:
    app.selectbox(key="card").set_value(name).run()
    assert not app.exception, app.exception
    assert app.subheader[0].value.replace("\\", "") == cards.known()[name].title


@pytest.mark.parametrize("name", sorted(cards.others()))
def test_cards_of_what_is_no_model_open_too(app: AppTest, name: str) -> None:
    app.selectbox(key="card").set_value(name).run()
    assert not app.exception, app.exception
    heading = (SHELF / "cards" / f"{name}.md").read_text(encoding="utf-8").splitlines()[0]
    assert f"# {app.subheader[0].value}".replace("\\", "") == heading


def test_what_input_is_checked_by_has_its_card() -> None:
    assert {"film-quality", "volume-quality"} <= set(cards.others())


def test_a_reliability_curve_has_the_card_s_points() -> None:
    points = [[0.1, 0.2, 30], [0.9, 0.8, 12]]
    drawn = cards.reliability({"Mass": points}).data[1]
    assert list(drawn.x) == [10.0, 90.0]
    assert list(drawn.y) == [20.0, 80.0]
    assert list(drawn.customdata) == [30, 12]
