"""The pages as a person opens them, without a browser, on a cache of their own."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from xai_core.jobs import Job

ROOT = Path(__file__).resolve().parents[2]
FAST = ["lrp-epsilon-plus", "grad-cam"]


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory):
    """Results of these tests stay out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIGHTBOX_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def opened(explainers: list[str] = FAST) -> AppTest:
    """The landing page with ``explainers``, its maps there."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    app.session_state["explainers"] = list(explainers)
    return settled(app.run())


def page(name: str) -> AppTest:
    """The page of ``pages/NAME.py``, inside its frame."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=180).switch_page(f"pages/{name}.py").run()
    assert not app.exception, app.exception
    return app


def settled(app: AppTest) -> AppTest:
    """Wait for the session's job, then run the page once more."""
    return after(app, [app.session_state["job"]])


def after(app: AppTest, jobs: Iterable[Job]) -> AppTest:
    """Wait for ``jobs``, then run the page once more."""
    assert not app.exception, app.exception
    assert all(job.wait(120) for job in jobs)
    return app.run()
