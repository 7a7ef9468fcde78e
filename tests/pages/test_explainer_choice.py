"""The choice of explainers as a person makes it: a list and boxes by kind, one truth, never lost, never too many."""

from __future__ import annotations

from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

import xai_core as xc
from components import explainer_choice
from components.explainer_choice import DEFAULTS, FULL, MOST
from tests.pages.conftest import FAST, opened, settled
from xai_core.explainers.registry import grouped

ON_FILMS = [info for info in xc.explainers().values() if 2 in info.dims]
QUICK = sorted((info for info in ON_FILMS if info.cost < 4), key=lambda info: info.cost)


@pytest.fixture(scope="module")
def shared() -> AppTest:
    return opened()


@pytest.fixture
def page(shared: AppTest) -> AppTest:
    """The landing page with two quick explainers chosen."""
    shared.session_state["explainers"] = list(FAST)
    return settled(shared.run())


def chosen(app: AppTest) -> list[str]:
    (box,) = (box for box in app.multiselect if box.key == "explainers")
    assert box.value == app.session_state["explainers"]
    return list(box.value)


def tick(app: AppTest, name: str) -> AppTest:
    return settled(app.checkbox(key=f"explainer|{name}").set_value(name not in chosen(app)).run())


def chooser(dims: int = 2, names: list[str] | None = None) -> None:
    """The choice alone, as a page of its own."""
    import streamlit as st

    import xai_core as xc
    from components import explainer_choice

    infos = xc.explainers()
    st.session_state["answer"] = explainer_choice.choose({n: infos[n] for n in names or infos}, dims)


def alone(**given) -> AppTest:
    return AppTest.from_function(chooser, kwargs=given, default_timeout=30).run()


def test_the_four_defaults_are_chosen_at_first() -> None:
    app = alone()
    assert tuple(app.session_state["answer"]) == DEFAULTS
    assert {box.key for box in app.checkbox if box.value} == {f"explainer|{name}" for name in DEFAULTS}


def test_boxes_stand_by_kind(page: AppTest) -> None:
    groups = grouped(ON_FILMS)
    boxes = [box.key for box in page.checkbox if box.key.startswith("explainer|")]
    assert boxes == [f"explainer|{info.name}" for members in groups.values() for info in members]
    shown = [text.value.replace("\\", "") for text in page.markdown]
    assert [title for title in groups if f"**{title}**" in shown] == list(groups)


def test_a_map_that_ignores_the_target_says_so(page: AppTest) -> None:
    for box in page.checkbox:
        if box.key.startswith("explainer|"):
            info = xc.explainers()[box.key.removeprefix("explainer|")]
            assert ("same map for every target" in box.label) is not info.target_dependent


def test_a_ticked_box_adds_a_pane_and_an_unticked_one_takes_it_away(page: AppTest) -> None:
    tick(page, "gradient")
    assert chosen(page) == [*FAST, "gradient"]
    assert [name for name, _ in page.session_state["job"].panes] == [*FAST, "gradient"]
    tick(page, FAST[0])
    assert chosen(page) == [FAST[1], "gradient"]


def test_the_list_and_the_boxes_hold_one_truth(page: AppTest) -> None:
    (box,) = (box for box in page.multiselect if box.key == "explainers")
    settled(box.set_value(["grad-cam", "cam"]).run())
    assert {b.key for b in page.checkbox if b.value and b.key.startswith("explainer|")} == {
        "explainer|grad-cam",
        "explainer|cam",
    }


def test_the_choice_outlives_other_pages(page: AppTest) -> None:
    tick(page, "gradient")
    page.switch_page("pages/methods.py").run()
    page.switch_page("pages/film_review.py").run()
    assert chosen(settled(page)) == [*FAST, "gradient"]


def test_more_than_the_most_is_not_possible_and_a_sentence_says_so() -> None:
    names = [info.name for info in QUICK[: MOST + 1]]
    app = alone()
    app.session_state["explainers"] = names
    app.run()
    assert not app.exception
    assert app.session_state["answer"] == names[:MOST]
    assert FULL in [info.value for info in app.info]
    assert all(box.disabled is not box.value for box in app.checkbox)


def test_the_sentence_goes_when_one_is_taken_away() -> None:
    app = alone()
    app.session_state["explainers"] = [info.name for info in QUICK[:MOST]]
    app.run()
    app.checkbox(key=f"explainer|{QUICK[0].name}").uncheck().run()
    assert len(app.session_state["answer"]) == MOST - 1
    assert not app.info
    assert not any(box.disabled for box in app.checkbox)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_only_what_works_on_the_case_is_offered(dims: int) -> None:
    app = alone(dims=dims)
    able = {name for name, info in xc.explainers().items() if dims in info.dims}
    assert {box.key.removeprefix("explainer|") for box in app.checkbox} == able
    assert len(app.multiselect[0].options) == len(able)


def test_what_does_not_work_here_comes_back_where_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    app = alone(dims=1)
    app.session_state["explainers"] = ["gradient", "meaningful-perturbation"]
    app.run()
    assert app.session_state["answer"] == ["gradient"]
    again = alone(dims=2)
    again.session_state["explainers"] = app.session_state["explainers"]
    again.session_state["explainers-aside"] = app.session_state["explainers-aside"]
    again.run()
    assert again.session_state["answer"] == ["gradient", "meaningful-perturbation"]


def test_an_explainer_that_is_gone_costs_nothing() -> None:
    app = alone(names=["gradient", "cam"])
    app.session_state["explainers"] = ["a-composite-of-yesterday", "cam"]
    app.run()
    assert not app.exception
    assert app.session_state["answer"] == ["cam"]


def test_a_global_explainer_is_marked() -> None:
    info = replace(xc.explainers()["fem"], taxonomy=("white box", "network structure", "global"))
    assert explainer_choice.note(info) == "same map for every target, global"
