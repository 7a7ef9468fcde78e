"""The page that catches a cheating network: both networks on every version of the film, and where their maps lie."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

import xai_core as xc
from tests.pages.conftest import after, page

HONEST, CHEAT = "cxr-resnet18", "cxr-resnet18-study"


@pytest.fixture
def app() -> AppTest:
    return settled(page("clever_hans"))


def settled(app: AppTest) -> AppTest:
    return after(app, app.session_state["hans-comparison"].jobs.values())


def table(app: AppTest, head: str) -> list[list[str]]:
    text = next(part.value for part in app.sidebar.markdown if part.value.startswith(f"| {head} "))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()[2:]]


def test_both_networks_answer_for_every_version_of_the_film(app):
    rows = table(app, "film")
    assert [row[0].removeprefix("▸ ") for row in rows] == ["as it is", "lungs filled in", "border cut"]
    assert rows[0][0].startswith("▸")
    case = xc.read_case(xc.sample_cases()["child-pneumonia"])
    for column, name in enumerate((HONEST, CHEAT), 1):
        told = xc.load_model(name).predict(case)
        assert rows[0][column] == f"{100 * told.probabilities[told.labels.index('Pneumonia')]:.0f} %"


def test_the_maps_are_of_the_version_chosen(app):
    before = app.session_state["hans-comparison"].explanations[0].case_digest
    settled(app.radio(key="hans-change").set_value("border cut").run())
    found = app.session_state["hans-comparison"].explanations
    assert [one.model for one in found] == [HONEST, CHEAT]
    assert {one.case_digest for one in found} != {before}


def test_the_cheating_network_s_card_stands_beside_the_honest_one_s(app):
    rows = {row[0]: row[1:] for row in table(app, "films")}
    honest, cheat = (float(share) for share in rows["like the training films"])
    assert min(honest, cheat) > 0.9
    cards = {card.name: card.metrics for card in xc.models()}
    assert float(rows["official test part"][1]) == round(cards[CHEAT]["auroc_pneumonia_children"]["value"], 2)
