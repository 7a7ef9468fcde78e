"""Every page opens by its address, small and large, dark and light: no error, no sideways scrolling, both sentences there."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page

from components.shell import MEANING, PURPOSE
from tests.browser.conftest import ROOT

pytestmark = pytest.mark.browser
PAGES = [
    name
    for name in re.findall(r'st\.Page\("pages/(\w+)\.py"', (ROOT / "app.py").read_text("utf-8"))
    if name != "film_review"
]
SAYS = """([...sentences]) => {
  let all = '';
  const seek = (node) => {
    all += node.textContent;
    node.querySelectorAll('*').forEach((e) => { if (e.shadowRoot) seek(e.shadowRoot); });
  };
  seek(document.body);
  return sentences.every((sentence) => all.includes(sentence));
}"""


@pytest.fixture(params=[(1440, 900, "dark"), (1024, 768, "light")], ids=["large dark", "small light"])
def opened(request: pytest.FixtureRequest, browser: Browser, address: str):
    width, height, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    page = context.new_page()
    page.set_default_timeout(120_000)
    yield page
    context.close()


def settled(page: Page) -> None:
    """Wait until the page has its content and no spinner turns."""
    page.wait_for_selector("[data-testid='stApp'][data-test-script-state='notRunning']")
    page.wait_for_function("() => !document.querySelector('[data-testid=stSpinner]')", polling=400)
    page.wait_for_timeout(500)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_whole(opened: Page, address: str, name: str) -> None:
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.goto(f"{address}{name}")
    settled(opened)
    assert opened.locator("[data-testid='stException']").count() == 0
    assert problems == []
    assert opened.evaluate("() => document.documentElement.scrollWidth - window.innerWidth") <= 0
    opened.wait_for_function(SAYS, arg=[PURPOSE, MEANING], polling=400, timeout=60_000)
