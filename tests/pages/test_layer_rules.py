"""The page shows which rule each layer got: for LRP, RAP and RSP, and for nothing else."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from components.shell import escaped
from tests.pages.conftest import opened, settled

WITH_RULES = ["lrp-epsilon-gamma-box", "rap", "rsp"]


@pytest.fixture(scope="module")
def page() -> AppTest:
    return opened([*WITH_RULES, "grad-cam"])


def tables(app: AppTest) -> list[str]:
    return [text.value for text in app.markdown if text.value.startswith("| Layer | Rule |")]


def test_every_map_with_rules_has_a_table_of_all_its_layers(page: AppTest) -> None:
    panes = page.session_state["job"].panes.items()
    given = {name: pane.explanation.rules for (name, _), pane in panes if pane.explanation.rules}
    assert list(given) == WITH_RULES
    for table, rules in zip(tables(page), given.values(), strict=True):
        rows = [f"| {escaped(layer)} | {escaped(rule)} |" for layer, rule in rules.items()]
        assert table.splitlines()[2:] == rows
        assert len(rows) > 10


def test_a_rule_stands_there_in_words(page: AppTest) -> None:
    table = tables(page)[0].replace("\\", "")
    assert "| fc | epsilon 1e-06: each product's share, small sums damped |" in table
    assert "| conv1 | box: by distance from the least possible value (0) and from the greatest (1) |" in table
    assert "gamma 0.25: what has the output's sign counts 1.25-fold" in table


def test_maps_without_rules_offer_none(page: AppTest) -> None:
    page.session_state["explainers"] = ["grad-cam"]
    settled(page.run())
    assert tables(page) == []
