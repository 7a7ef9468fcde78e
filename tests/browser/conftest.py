"""A running Lightbox and a browser that looks at it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from scripts.screenshot import QUIET, answering, free_port

ROOT = Path(__file__).resolve().parents[2]
SOFTWARE_GL = [flag for flag in QUIET if flag != "--disable-gpu"] + [
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]


@contextmanager
def serving(script: str, folder: Path) -> Iterator[str]:
    """The address of a server of this checkout with an empty cache."""
    port = free_port()
    environment = {
        **os.environ,
        "LIGHTBOX_CACHE": str(folder),
        "STREAMLIT_SERVER_HEADLESS": "true",
        "STREAMLIT_SERVER_PORT": str(port),
    }
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", script], cwd=ROOT, env=environment, stdout=log, stderr=log
        )
        try:
            answering(port, 90)
            yield f"http://127.0.0.1:{port}/"
        finally:
            server.terminate()
            server.wait(30)


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the landing page is."""
    with serving("app.py", tmp_path_factory.mktemp("app")) as found:
        yield found


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the viewer stands alone (stage.py)."""
    with serving("tests/browser/stage.py", tmp_path_factory.mktemp("stage")) as found:
        yield found


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """One for all tests: it cannot be started twice in a thread."""
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def browser(playwright: Playwright, chromium: str) -> Iterator[Browser]:
    found = playwright.chromium.launch(executable_path=chromium, args=QUIET)
    yield found
    found.close()


@pytest.fixture(scope="session")
def gl_browser(playwright: Playwright, chromium: str) -> Iterator[Browser]:
    """One whose WebGL2 runs on the processor."""
    found = playwright.chromium.launch(executable_path=chromium, args=SOFTWARE_GL)
    yield found
    found.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The landing page at 1440 x 900, its four maps there."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    opened = context.new_page()
    opened.goto(address)
    ready(opened)
    yield opened
    context.close()


def ready(page: Page, panes: int = 5, seconds: float = 240) -> None:
    """Wait until ``panes`` panes (the film and its maps) stand there, none of them loading, each looked at a second time."""
    page.wait_for_selector('[data-pane="image"]', timeout=seconds * 1000)
    page.wait_for_function(
        "n => { const found = []; const seek = (node) => node.querySelectorAll('*').forEach((e) => {"
        " if (e.dataset && e.dataset.pane) found.push(e.dataset.state); if (e.shadowRoot) seek(e.shadowRoot); });"
        " seek(document); return found.length === n && found.every((state) => state === 'ready'); }",
        arg=panes,
        timeout=seconds * 1000,
        polling=400,
    )
    page.wait_for_timeout(600)
    page.wait_for_function(
        "() => !document.body.textContent.includes('looking at the maps a second time')",
        timeout=seconds * 1000,
        polling=400,
    )
    page.wait_for_timeout(300)
