"""The warning before the findings: there where a film lies wrong, and absent where all is well."""

from __future__ import annotations

import threading

import cv2
import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

import xai_core as xc
from components import quality as shown
from components.films import Film
from tests.pages.conftest import ROOT, opened, settled
from tests.quality.films import changed, sample
from xai_core import engine as engines


def opened_with(case: xc.Case) -> AppTest:
    """The landing page with a film of one's own open."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    app.session_state["explainers"] = ["grad-cam"]
    app.session_state["own_films"] = {"own-1": Film("own", case, True)}
    app.session_state["film"] = "own-1"
    return settled(app.run())


def upside_down(name: str) -> xc.Case:
    case = sample(name)
    return changed(case, np.ascontiguousarray(np.rot90(case.pixels[0], 2)))


def said(box) -> str:  # type: ignore[no-untyped-def]
    return str(box.value).replace("\\", "")


def measures(app: AppTest) -> list:
    return [box for box in app.expander if box.label == shown.QUESTION]


def test_a_film_upside_down_is_told_before_its_findings() -> None:
    app = opened_with(upside_down("child-normal"))
    assert [("upside down" in box.value, "Turn it upright" in box.value) for box in app.error] == [(True, True)]
    parts = list(app.sidebar)
    told = next(k for k, part in enumerate(parts) if part.type == "error")
    found = next(k for k, part in enumerate(parts) if (getattr(part, "key", "") or "").startswith("finding-"))
    assert told < found
    assert len(measures(app)) == 1


def test_nothing_is_said_of_a_film_like_known_ones() -> None:
    app = opened(["grad-cam"])
    assert not app.error
    assert not measures(app)


def test_the_engine_asks_once_a_film(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    asked = []
    monkeypatch.setattr(engines, "quality", lambda case, model: asked.append(threading.get_ident()) or xc.Quality())
    made = engines.Engine()
    case = sample("child-normal")
    assert made.quality("cxr-resnet18", case) is made.quality("cxr-resnet18", case)
    assert len(asked) == 1
    made.quality("cxr-resnet18", sample("child-pneumonia"))
    assert len(asked) == 2
    made.close()


@pytest.mark.parametrize("name", ["compare_models", "clever_hans"])
def test_pages_that_compare_models_say_it_once(name: str) -> None:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=180)
    app.session_state["own_films"] = {"own-1": Film("own", upside_down("child-normal"), True)}
    app.session_state["film"] = "own-1"
    app.switch_page(f"pages/{name}.py").run()
    assert not app.exception, app.exception
    assert [said(box).startswith("The film looks upside down.") for box in app.error] == [True]
    assert len(measures(app)) == 1


def test_a_follow_up_says_which_film_lies_wrong() -> None:
    files = {"a.png": sample("child-normal"), "b.png": upside_down("child-normal")}
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=180).switch_page("pages/follow_up.py").run()
    content = [(name, bytes(cv2.imencode(".png", case.pixels[0])[1]), "image/png") for name, case in files.items()]
    app.file_uploader(key="series-upload").upload(*content[0]).upload(*content[1]).run()
    assert not app.exception, app.exception
    assert [said(box).startswith("**b") and "upside down" in box.value for box in app.error] == [True]


def test_what_holds_of_all_is_said_without_names_and_of_some_with_them() -> None:
    def page() -> None:
        from components import quality
        from xai_core.quality import InputFinding, Quality

        small = InputFinding("caution", "small", "It is small.", remedy="Take a larger one.")
        wrong = InputFinding("bad", "wrong", "It lies wrong.", remedy="Turn it.")
        quality.warn_of([("one", Quality((small,), numbers={"a": 1.0})), ("two", Quality((wrong, small)))])

    app = AppTest.from_function(page).run()
    assert [said(box) for box in app.error] == ["**two:** It lies wrong. Turn it."]
    assert [said(box) for box in app.warning] == ["It is small. Take a larger one."]
    assert list(app.table[0].value.columns) == ["measure", "one", "two"]
