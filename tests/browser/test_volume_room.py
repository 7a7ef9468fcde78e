"""Room for a volume with everything on it: tools on wide and narrow windows, each with its tooltip, and the help."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from tests.browser.mounted import painted, show
from tests.browser.test_volume import SHAPE, panes, volume
from xai_core.case import Region

pytestmark = pytest.mark.browser
SETTINGS = {"picks": ["voxel", "box"]}


@pytest.fixture(params=[(1440, 900), (1024, 768)], ids=["1440", "1024"])
def opened(request: pytest.FixtureRequest, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    width, height = request.param
    context = browser.new_context(viewport={"width": width, "height": height})
    page = context.new_page()
    mask = np.zeros(SHAPE, dtype=bool)
    mask[4:9, 10:20, 10:20] = True
    regions = [Region(mask, "prediction"), Region(mask, "truth")]
    show(page, monkeypatch, volume(), panes(), SETTINGS, contours=regions)
    for _ in range(2):
        page.keyboard.press("k")
    painted(page)
    yield page
    context.close()


def test_every_tool_is_within_the_window_and_says_what_it_does(opened: Page) -> None:
    buttons = opened.locator(".toolbar button:visible, .toolbar input:visible, .toolbar select:visible, .legend button")
    width = opened.viewport_size["width"]  # type: ignore[index]
    assert buttons.count() > 25
    for button in buttons.all():
        box = button.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert button.get_attribute("aria-label") or button.inner_text() or button.evaluate("e => e.labels?.length")
    for name in ("Explain this voxel", "Box tool", "Box from slice", "Box to slice"):
        assert opened.get_by_label(name).get_attribute("title")
    for bar in opened.locator(".share:visible").all():
        assert bar.get_attribute("title")


def test_the_picture_keeps_its_room(opened: Page) -> None:
    """The viewer itself leaves 64 pixels to the page; three quarters of the window are the picture's at 1440 x 900."""
    size = opened.viewport_size
    assert size is not None
    area = opened.locator(".area").bounding_box()
    bar = opened.locator(".toolbar").evaluate("e => [e.scrollWidth - e.clientWidth, e.getBoundingClientRect().height]")
    assert area is not None
    assert bar[0] <= 0
    assert area["width"] == size["width"]
    assert area["width"] * area["height"] >= (0.75 if size["width"] == 1440 else 0.7) * size["width"] * size["height"]


def test_the_help_lists_the_new_hands(opened: Page) -> None:
    opened.keyboard.press("?")
    text = opened.get_by_role("dialog", name="Keys and gestures").inner_text()
    for word in ("Explain the voxel under the crosshair", "Box in a volume", "Drag with the box"):
        assert word in text
