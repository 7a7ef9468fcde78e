"""Room: one row of tools on a wide window and two on a narrow one, every word whole, the picture everywhere else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import ready

pytestmark = pytest.mark.browser

# What is cut: text that needs more room than the element that holds it.
CUT = """() => {
  const canvas = document.createElement('canvas').getContext('2d');
  return [...document.querySelectorAll('*')].filter((e) => e.shadowRoot).flatMap((e) => {
    const root = e.shadowRoot, found = [];
    for (const select of root.querySelectorAll('.toolbar select')) {
      if (select.offsetWidth === 0) continue;
      const style = getComputedStyle(select);
      canvas.font = `${style.fontSize} ${style.fontFamily}`;
      const arrow = 14;
      for (const option of select.options) {
        const needed = canvas.measureText(option.text).width + arrow;
        if (needed > select.getBoundingClientRect().width) found.push([option.text, needed]);
      }
    }
    for (const part of root.querySelectorAll('.toolbar .slider, .toolbar .slider span, .toolbar output')) {
      if (part.scrollWidth > part.clientWidth + 1 && getComputedStyle(part).display !== 'inline') found.push([part.textContent, part.scrollWidth]);
    }
    return found;
  });
}"""


@pytest.fixture(params=[(1440, 900, 1), (1024, 768, 2)], ids=["1440", "1024"])
def opened(request: pytest.FixtureRequest, browser: Browser, address: str) -> Any:
    width, height, rows = request.param
    context = browser.new_context(viewport={"width": width, "height": height})
    page = context.new_page()
    page.goto(address)
    ready(page)
    yield page, rows
    context.close()


def rows_of_tools(page: Page) -> int:
    """Rows in which the toolbar's groups stand, by the middles of their boxes."""
    return page.locator(".toolbar").evaluate(
        "bar => new Set([...bar.children].filter((e) => !e.hidden).map((e) => { const b = e.getBoundingClientRect();"
        " return Math.round(b.top + b.height / 2); })).size"
    )


def test_the_tools_take_few_rows_beside_the_open_sidebar(opened: tuple[Page, int]) -> None:
    page, most = opened
    assert rows_of_tools(page) <= most
    bar = page.locator(".toolbar").evaluate("e => [e.scrollWidth - e.clientWidth, e.getBoundingClientRect().height]")
    assert bar[0] <= 0
    assert bar[1] <= 34 * most


def test_no_word_of_the_toolbar_is_cut(opened: tuple[Page, int]) -> None:
    page, _ = opened
    page.get_by_role("button", name="Colours", exact=True).click()
    assert page.get_by_role("combobox", name="Normalisation").is_visible()
    assert page.evaluate(CUT) == []
    page.keyboard.press("Escape")
    assert not page.get_by_role("combobox", name="Normalisation").is_visible()


def test_the_picture_has_three_quarters_of_the_window_without_the_sidebar(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(address)
    ready(page)
    page.locator('[data-testid="stSidebarHeader"]').hover()
    page.locator('[data-testid="stSidebarCollapseButton"] button').click()
    page.wait_for_timeout(800)
    box = page.locator(".area").bounding_box()
    assert box is not None
    assert box["width"] * box["height"] >= 0.75 * 1440 * 900
    assert rows_of_tools(page) == 1
    context.close()


def test_the_name_of_a_film_is_read_whole_however_long(page: Page, tmp_path: Path) -> None:
    fits = "() => { const i = document.querySelector('.st-key-film input'); return [i.value, i.scrollWidth <= i.clientWidth]; }"
    name, is_whole = page.evaluate(fits)
    assert (
        is_whole or page.get_by_test_id("stSidebar").get_by_test_id("stCaptionContainer").get_by_text(name).is_visible()
    )
    own = tmp_path / "thorax of the follow-up after three weeks.png"
    noise = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (300, 300)).astype(np.uint8), (0, 0), 9)
    cv2.imwrite(str(own), noise)
    page.locator('input[type="file"]').first.set_input_files(str(own))
    told = page.get_by_test_id("stSidebar").get_by_text(f"Own: {own.name}")
    told.wait_for(timeout=120_000)
    box = told.bounding_box()
    assert box is not None
    assert box["height"] > 24, "in more than one line"
    assert told.evaluate("e => e.scrollWidth <= e.clientWidth")
