"""What hands do to the picture: swipe, magnifying glass, rulers, and the scale that maps share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.test_main_job import canvas
from xai_core.render import View, axis_positions

pytestmark = pytest.mark.browser


@pytest.fixture
def staged(browser: Browser, stage: str) -> Iterator[Callable[..., Page]]:
    """Opens the viewer alone, with ``maps`` maps over a film of ``side`` pixels and ``spacing`` millimetres."""
    context = browser.new_context(viewport={"width": 1200, "height": 800})

    def opened(maps: int = 3, side: int = 256, spacing: float = 0) -> Page:
        page = context.new_page()
        page.goto(f"{stage}?maps={maps}&side={side}&spacing={spacing}")
        for name in ("image", *(f"map-{number}" for number in range(maps))):
            page.wait_for_selector(f'[data-pane="{name}"][data-state="ready"]', timeout=60_000)
        page.wait_for_timeout(400)
        return page

    yield opened
    context.close()


def pane(page: Page, name: str) -> Locator:
    return page.locator(f'[data-pane="{name}"]')


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)
    page.wait_for_timeout(250)


def drag(page: Page, name: str, start: tuple[float, float], end: tuple[float, float]) -> None:
    """From and to shares of the pane's width and height."""
    box = pane(page, name).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + start[0] * box["width"], box["y"] + start[1] * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + end[0] * box["width"], box["y"] + end[1] * box["height"], steps=6)
    page.mouse.up()
    page.wait_for_timeout(250)


def marks(page: Page, name: str) -> int:
    """Bright pixels of what is drawn over the picture."""
    return int(
        pane(page, name)
        .locator("canvas.marks")
        .evaluate(
            "c => { const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
            " let n = 0; for (let i = 0; i < d.length; i += 4) if (d[i + 3] > 128 && d[i] > 180) n++; return n; }"
        )
    )


def activate(page: Page, name: str) -> None:
    pane(page, name).locator(".surface").click(position={"x": 30, "y": 60})
    page.wait_for_timeout(150)


def test_s_shows_the_next_map_right_of_a_divider_that_mouse_and_arrows_move(staged: Callable[..., Page]) -> None:
    page = staged()
    activate(page, "map-0")
    press(page, "s")
    second = pane(page, "map-0").locator('canvas[data-role="swipe"]')
    assert second.is_visible()
    shown = second.evaluate(
        "c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data].filter((_, i) => i % 4 < 3)"
    )
    assert (np.asarray(shown, np.uint8) == canvas(page, "map-1").ravel()).all()
    assert pane(page, "map-0").locator("h3").inner_text() == "Map 0 | Map 1"
    divider = page.get_by_role("slider", name="Swipe divider")
    assert divider.count() == 1
    press(page, "ArrowRight", "ArrowRight")
    expect(divider).to_have_attribute("aria-valuenow", "54")
    drag(page, "map-0", (0.54, 0.3), (0.25, 0.3))
    assert abs(int(divider.get_attribute("aria-valuenow") or 0) - 25) <= 2
    share = re.search(r"([\d.]+)%", second.evaluate("c => c.style.clipPath"))
    assert share is not None
    assert abs(float(share[1]) - 25) <= 2
    press(page, "s")
    assert not second.is_visible()
    assert pane(page, "map-0").locator("h3").inner_text() == "Map 0"


def test_the_glass_shows_the_film_under_the_pointer_three_times_larger_in_all_linked_panes(
    staged: Callable[..., Page],
) -> None:
    page = staged()
    press(page, "z")
    pane(page, "image").hover(position={"x": 150, "y": 170})
    page.wait_for_timeout(250)
    glasses = page.locator('canvas[data-role="lens"]:visible')
    assert glasses.count() == 4
    places = [
        pane(page, name).evaluate(
            "e => { const p = e.getBoundingClientRect(), c = e.querySelector('.lens').getBoundingClientRect();"
            " return [c.left + c.width / 2 - p.left, c.top + c.height / 2 - p.top]; }"
        )
        for name in ("image", "map-0", "map-1", "map-2")
    ]
    assert np.allclose(places, places[0], atol=1)
    assert np.allclose(places[0], (150, 170), atol=1)
    plain = canvas(page, "image")
    glass = pane(page, "image").locator(".lens")
    size, text = glass.evaluate(
        "c => [c.width, [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data].filter((_, i) => i % 4 === 0)]"
    )
    magnified = np.asarray(text, np.float64).reshape(size, size)
    third = (
        magnified[size // 2 - 45 : size // 2 + 45, size // 2 - 45 : size // 2 + 45].reshape(30, 3, 30, 3).mean((1, 3))
    )
    under = plain[170 - 15 : 170 + 15, 150 - 15 : 150 + 15, 0].astype(float)
    assert np.abs(third - under).mean() < 3
    press(page, "u")
    assert glasses.count() == 1
    press(page, "z")
    assert glasses.count() == 0


@pytest.mark.parametrize(("spacing", "word"), [(0.4, "mm"), (0, "px")])
def test_a_ruler_drawn_in_one_pane_stands_in_all_is_removed_and_comes_back(
    staged: Callable[..., Page], spacing: float, word: str
) -> None:
    page = staged(spacing=spacing)
    assert all(marks(page, name) == 0 for name in ("image", "map-0", "map-2"))
    told: list[str] = []
    page.expose_function("told", lambda text: told.append(text))
    page.evaluate(
        "() => { const draw = CanvasRenderingContext2D.prototype.fillText;"
        " CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) { window.told(text); return draw.call(this, text, ...rest); }; }"
    )
    press(page, "l")
    drag(page, "map-0", (0.3, 0.5), (0.7, 0.5))
    page.mouse.move(5, 5)
    page.wait_for_timeout(200)
    assert all(marks(page, name) > 50 for name in ("image", "map-0", "map-2"))
    height, width = canvas(page, "map-0").shape[:2]
    scale = min(width / 256, height / 256)
    pixels = 0.4 * width / scale
    _, positions = axis_positions(width, View((height, width), scale, 127.5, 127.5), "x")
    assert positions[-1] - positions[0] == pytest.approx((width - 1) / scale)
    number = float(told[-1].split()[0])
    assert told[-1].split()[1] == word
    assert number == pytest.approx(pixels * (spacing or 1), rel=0.02)
    press(page, "Delete")
    assert marks(page, "map-2") == 0
    press(page, "Control+z")
    assert marks(page, "map-2") > 50
    press(page, "Control+z")
    assert marks(page, "map-2") == 0


def test_a_ruler_can_be_laid_and_moved_by_keys_alone(staged: Callable[..., Page]) -> None:
    page = staged(maps=1)
    press(page, "l", "l")
    laid = pane(page, "image").locator("canvas.marks").evaluate("c => c.toDataURL()")
    assert marks(page, "image") > 50
    press(page, *["ArrowDown"] * 30)
    assert pane(page, "image").locator("canvas.marks").evaluate("c => c.toDataURL()") != laid


def test_maps_of_one_unit_share_a_scale_until_one_of_them_would_vanish(staged: Callable[..., Page]) -> None:
    """The maps' magnitudes are 1, 2, 3, 4, ... times something; those of unit "logit" are the first four."""
    page = staged(maps=3)
    ends = [pane(page, f"map-{number}").locator(".ticks .end").first.inner_text() for number in range(3)]
    assert len(set(ends)) == 1
    assert "too unlike" not in page.locator(".readout").inner_text()


def test_the_help_lists_every_new_hand(staged: Callable[..., Page]) -> None:
    page = staged(maps=1)
    press(page, "?")
    text = page.get_by_role("dialog", name="Keys and gestures").inner_text()
    for word in ("Swipe", "Magnifying glass", "Ruler", "Del", "Ctrl + Z"):
        assert word in text
