"""The frame of every page, whichever address a fresh server is asked for first."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from components.shell import MEANING, PURPOSE
from tests.browser.conftest import serving

pytestmark = pytest.mark.browser


def test_the_first_visitor_of_a_server_may_open_any_page(browser: Browser, tmp_path: Path) -> None:
    with serving("app.py", tmp_path) as address:
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        page = context.new_page()
        page.goto(f"{address}methods")
        page.wait_for_selector("[role='note']", timeout=120_000)
        note = page.inner_text("[role='note']")
        assert PURPOSE in note
        assert MEANING in note
        page.get_by_text("What it cannot tell").first.wait_for(timeout=60_000)
        assert page.get_by_role("link", name="Film review").count() == 1
        context.close()
