"""Prediction and truth over a volume: filled as the reference fills them, outlined, each shown or hidden by itself."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from tests.browser.mounted import canvas, painted, show
from tests.browser.test_volume import SHAPE, mapped, matches, named, pane_of, panes, slice_of, volume
from xai_core.case import Region
from xai_core.colours import REGION_COLOURS
from xai_core.render import Grey, Overlay, View
from xai_core.render_volume import Fill, fitted, slice_view

pytestmark = pytest.mark.browser
# The colours of the lines that were drawn: pixels a colour.
DRAWN = """(c, colours) => {
  const { data } = c.getContext("2d").getImageData(0, 0, c.width, c.height);
  return colours.map((colour) => { let n = 0; for (let i = 0; i < data.length; i += 4)
    if (data[i + 3] > 200 && colour.every((value, at) => Math.abs(data[i + at] - value) < 10)) n++; return n; });
}"""


@pytest.fixture
def blank(gl_browser: Browser) -> Iterator[Page]:
    context = gl_browser.new_context(viewport={"width": 1200, "height": 700})
    yield context.new_page()
    context.close()


def regions() -> list[Region]:
    """Two that overlap, and are met by the middle slices of every plane."""
    prediction, truth = np.zeros((2, *SHAPE), dtype=bool)
    prediction[3:10, 14:30, 8:22] = True
    prediction[5:8, 18:22, 12:15] = False
    truth[5:12, 20:34, 14:28] = True
    return [Region(prediction, "prediction"), Region(truth, "truth")]


@pytest.mark.parametrize("painter", ["2d", "webgl2"])
@pytest.mark.parametrize("plane", ["axial", "sagittal"])
def test_regions_are_filled_as_the_reference_fills_them(
    blank: Page, monkeypatch: pytest.MonkeyPatch, plane: str, painter: str
) -> None:
    case, opacity = volume(), 0.35
    settings = {"fill": opacity, "fillsMaps": True, "volume": {"plane": plane}}
    show(blank, monkeypatch, case, panes(), settings, f"?painter={painter}", regions())
    hung, window = named(case, plane), case.facts["windows"][0]
    grey = Grey(window.center, window.width)
    for turn in (0, 1):
        number = slice_of(blank)
        fills = [Fill(region.mask, REGION_COLOURS[at], opacity) for at, region in enumerate(regions())]
        assert all(hung.slice_of(fill.mask, number).any() for fill in fills)
        for pane in (None, panes()[0]):
            found = canvas(blank, pane.id if pane else "image")
            view = turned(fitted(hung, found.shape[:2]), hung.shape, turn)
            own, scope = mapped(pane, 0) if pane else (None, 0.0)
            overlay = Overlay(scope=scope)
            matches(found, slice_view(case, hung, number, view, grey, 0, own, overlay, fills=fills))
            bare = slice_view(case, hung, number, view, grey, 0, own, overlay)
            assert np.abs(found.astype(int) - bare).max() > 20
        blank.keyboard.press("r")
        painted(blank)


def turned(view: View, shape: tuple[int, int], turn: int) -> View:
    if not turn:
        return view
    rows, columns = shape[0] * view.row_size, shape[1] * view.column_size
    scale = min(view.size[0] / columns, view.size[1] / rows)
    return View(view.size, scale, view.row, view.column, 1, row_size=view.row_size, column_size=view.column_size)


def test_a_map_is_not_tinted_unless_that_is_asked_for(blank: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    case, axial = volume(), named(volume(), "axial")
    show(blank, monkeypatch, case, panes(), {}, contours=regions())
    window, number = case.facts["windows"][0], slice_of(blank)
    found = canvas(blank, "fine")
    own, scope = mapped(panes()[0], 0)
    plain = slice_view(
        case,
        axial,
        number,
        fitted(axial, found.shape[:2]),
        Grey(window.center, window.width),
        0,
        own,
        Overlay(scope=scope),
    )
    matches(found, plain)
    image = canvas(blank, "image")
    assert (image.max(2) != image.min(2)).any()
    blank.get_by_role("button", name="Regions").click()
    blank.get_by_label("Over maps too").check()
    painted(blank)
    assert np.abs(canvas(blank, "fine").astype(int) - plain).max() > 20
    blank.get_by_role("slider", name="Fill").fill("0")
    painted(blank)
    matches(canvas(blank, "fine"), plain)
    image = canvas(blank, "image")
    assert (image.max(2) == image.min(2)).all()


def test_every_region_is_shown_and_hidden_by_its_own_name(blank: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    case, axial = volume(), named(volume(), "axial")
    show(blank, monkeypatch, case, panes(), {}, contours=regions())
    window, number = case.facts["windows"][0], slice_of(blank)
    colours = [list(colour) for colour in REGION_COLOURS[:2]]
    marks = pane_of(blank, "fine").locator("canvas.marks")
    assert all(count > 20 for count in marks.evaluate(DRAWN, colours))
    blank.get_by_role("button", name="prediction").click()
    painted(blank)
    first, second = marks.evaluate(DRAWN, colours)
    assert first == 0
    assert second > 20
    found = canvas(blank, "image")
    view, grey = fitted(axial, found.shape[:2]), Grey(window.center, window.width)
    left = [Fill(regions()[1].mask, REGION_COLOURS[1], 0.3)]
    matches(found, slice_view(case, axial, number, view, grey, fills=left))
    assert blank.get_by_role("button", name="prediction").get_attribute("aria-pressed") == "false"
    blank.get_by_role("button", name="prediction").click()
    blank.keyboard.press("h")
    painted(blank)
    assert marks.evaluate(DRAWN, colours) == [0, 0]
    matches(canvas(blank, "image"), slice_view(case, axial, number, view, grey))
