"""How far to believe each map, on the page: sentences first, a second look without asking where it is cheap, numbers on demand."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).resolve().parents[2]
LIGHT, COSTLY = "grad-cam", "occlusion"


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory):
    """Results of these tests stay out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIGHTBOX_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def page() -> AppTest:
    """The landing page with a light and a costly explainer, maps and second looks there."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    app.session_state["explainers"] = [LIGHT, COSTLY]
    app.session_state["parameter|occlusion|window"] = 112
    app.run()
    assert not app.exception, app.exception
    assert app.session_state["job"].wait(120)
    return looked(app.run())


def looked(app: AppTest) -> AppTest:
    assert not app.exception, app.exception
    assert app.session_state["looks"].wait(120)
    return app.run()


def expander(app: AppTest, title: str):
    (found,) = [one for one in app.expander if plain(one.label) == f"{title}: how far to believe this map"]
    return found


def plain(markdown: str) -> str:
    return markdown.replace("\\", "")


def text(block) -> str:
    return " ".join(plain(one.value) for one in block.markdown)


def test_each_map_has_its_sentences_and_no_numbers_at_first(page: AppTest) -> None:
    panes = page.session_state["job"].panes
    assert len([one for one in page.expander if "how far to believe" in one.label]) == len(panes) == 2
    for title in ("Grad-CAM", "Occlusion"):
        block = expander(page, title)
        assert "lungs" in text(block)
        assert not block.table
    assert "which the model's card names" in text(expander(page, "Grad-CAM"))


def test_a_light_map_was_looked_at_twice_and_a_costly_one_offers_it(page: AppTest) -> None:
    light, costly = expander(page, "Grad-CAM"), expander(page, "Occlusion")
    assert "Computed twice: the same to the bit." in text(light)
    assert "last layer made random" in text(light)
    assert not light.button
    assert "not repeated" in text(costly)
    assert [button.key for button in costly.button] == [f"look-{COSTLY}"]


def test_numbers_come_when_asked_for(page: AppTest) -> None:
    next(toggle for toggle in page.toggle if toggle.key == f"numbers-{LIGHT}").set_value(True).run()
    (table,) = expander(page, "Grad-CAM").table
    told = set(table.value.iloc[:, 0])
    assert {"seconds", "extra memory mb", "probability", "random last layer seed"} <= told
    next(toggle for toggle in page.toggle if toggle.key == f"numbers-{LIGHT}").set_value(False).run()
    assert not expander(page, "Grad-CAM").table


def test_the_costly_second_look_is_taken_when_asked_for(page: AppTest) -> None:
    job, before = page.session_state["job"], page.session_state["looks"].panes
    next(button for button in page.button if button.key == f"look-{COSTLY}").click().run()
    looked(page)
    assert page.session_state["job"] is job
    block = expander(page, "Occlusion")
    assert "last layer made random" in text(block)
    assert not block.button
    after = page.session_state["looks"].panes
    assert len(after) == len(before) + 1
    for key, pane in before.items():
        assert after[key].explanation.badge == pane.explanation.badge
