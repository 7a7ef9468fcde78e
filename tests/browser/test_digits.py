"""A digit drawn with the hand on the page "Digits" is read, and gets its ten maps."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

pytestmark = pytest.mark.browser


def test_a_drawn_stroke_is_read_as_a_one_until_it_is_cleared(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(f"{address}digits")
    page.get_by_text("true class").first.wait_for(timeout=120_000)
    page.get_by_role("button", name="Draw", exact=True).or_(page.get_by_role("radio", name="Draw", exact=True)).click()
    pad = page.get_by_role("img", name="Draw a digit here")
    pad.wait_for(timeout=60_000)
    box = pad.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.52 * box["width"], box["y"] + 0.15 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.48 * box["width"], box["y"] + 0.85 * box["height"], steps=12)
    page.mouse.up()
    expect(page.get_by_text("read as 1")).to_be_visible(timeout=60_000)
    expect(page.locator(".st-key-digits img[alt], .st-key-digits [data-testid='stImage'] img")).to_have_count(12)
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_text("Upload a digit or draw one at the side.")).to_be_visible(timeout=60_000)
    context.close()
