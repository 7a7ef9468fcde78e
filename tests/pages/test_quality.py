"""The warning before the findings: there where a film lies wrong, and absent where all is well."""

from __future__ import annotations

import threading

import numpy as np
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


def measures(app: AppTest) -> list:
    return [box for box in app.expander if box.label == shown.QUESTION]


def test_a_film_upside_down_is_told_before_its_findings() -> None:
    case = sample("child-normal")
    app = opened_with(changed(case, np.ascontiguousarray(np.rot90(case.pixels[0], 2))))
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
