"""A voxel and a box, from the hand to a region: told once, on release, where the eye saw them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

import xai_core as xc
from components.viewer import volume as sending
from components.viewer.events import box_of, voxel_of
from tests.browser.conftest import serving
from tests.browser.mounted import painted, show, told
from tests.browser.test_volume import AFFINE, SHAPE, click, named, pane_of, panes, volume
from xai_core.planes import Plane, planes_of
from xai_core.render import axis_positions
from xai_core.render_volume import fitted

pytestmark = pytest.mark.browser
PICKS = ["voxel", "box"]
PLANES: dict[str, Any] = {"layout": "planes"}


@pytest.fixture
def blank(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1200, "height": 700})
    yield context.new_page()
    context.close()


def drag(page: Page, more: str, plane: Plane, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag over the image pane from a row and column of the plane to another, by the reference's walk."""
    box = pane_of(page, "image", more).locator(".surface").bounding_box()
    assert box is not None
    view = fitted(plane, (round(box["height"]), round(box["width"])))
    walks = [axis_positions(count, view, along)[1] for count, along in zip(view.size, "yx", strict=True)]
    places = []
    for place in (start, end):
        y, x = (int(np.abs(walk - at).argmin()) for walk, at in zip(walks, place, strict=True))
        places.append((box["x"] + x + 0.5, box["y"] + y + 0.5))
    before = len(page.evaluate("() => window.told"))
    page.mouse.move(*places[0])
    page.mouse.down()
    page.mouse.move(*places[1], steps=8)
    painted(page)
    assert len(page.evaluate("() => window.told")) == before
    page.mouse.up()
    painted(page)


def test_the_voxel_under_the_crosshair_is_told_once_and_is_the_one_seen(
    blank: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = volume()
    show(blank, monkeypatch, case, panes(), {"volume": PLANES, "picks": PICKS}, count=3)
    coronal = named(case, "coronal")
    click(blank, "image", '[data-plane="coronal"]', coronal, 9, 25)
    number = int(pane_of(blank, "image", '[data-plane="coronal"]').get_attribute("data-slice") or 0) - 1
    assert told(blank, "voxel") == []
    blank.keyboard.press("j")
    blank.mouse.move(300, 300)
    blank.mouse.wheel(0, 100)
    painted(blank)
    (only,) = told(blank, "voxel")
    voxel = voxel_of(only, case)
    assert voxel is not None
    assert coronal.place_of(voxel.index) == (number, 9, 25)
    assert np.allclose(voxel.position_mm, AFFINE[:3] @ [*voxel.index, 1])  # type: ignore[arg-type]
    blank.get_by_role("button", name="Explain this voxel").click()
    assert len(told(blank, "voxel")) == 2


def test_a_box_is_a_rectangle_of_one_plane_whose_depth_is_drawn_in_another(
    blank: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = volume()
    show(blank, monkeypatch, case, panes(), {"volume": PLANES, "picks": PICKS}, count=3)
    axial, coronal, _ = planes_of(case)
    blank.keyboard.press("k")
    drag(blank, '[data-plane="axial"]', axial, (12, 8), (30, 24))
    first = box_of(told(blank, "box")[0], case)
    assert first is not None
    inside = axial.hung(xc.read_region(first.boxes, case).mask)
    slices, rows, columns = (np.unique(found) for found in np.nonzero(inside))
    assert slices.tolist() == [(SHAPE[0] - 1) // 2]
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (12, 30, 8, 24)
    assert inside.sum() == 19 * 17
    # the upper edge of the box in the coronal plane, drawn three slices up: rows of that plane are axial slices
    row, column, _ = (
        coronal.place_of(tuple(index))[at] for index, at in ((first.first, 1), (first.first, 2), (first.last, 0))
    )
    drag(blank, '[data-plane="coronal"]', coronal, (row - 0.5, column + 6), (row - 3, column + 6))
    second = box_of(told(blank, "box")[1], case)
    assert second is not None
    deeper = coronal.hung(xc.read_region(second.boxes, case).mask)
    _, rows, columns = (np.unique(found) for found in np.nonzero(deeper))
    assert rows.tolist() == [row - 3, row - 2, row - 1, row]
    assert columns.tolist() == list(range(8, 25))
    blank.keyboard.press("Delete")
    assert box_of(told(blank, "box")[2], case).boxes == ()  # type: ignore[union-attr]
    blank.keyboard.press("Control+z")
    assert box_of(told(blank, "box")[3], case) == second
    assert len(told(blank, "box")) == 4


def test_a_box_can_be_laid_and_made_deeper_by_keys_and_numbers(blank: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    case = volume()
    show(blank, monkeypatch, case, panes(), {"picks": PICKS})
    axial = named(case, "axial")
    blank.keyboard.press("k")
    blank.keyboard.press("k")
    for name, number in (("Box from slice", "3"), ("Box to slice", "9")):
        field = blank.get_by_label(name)
        field.fill(number)
        field.press("Enter")
    box = box_of(told(blank, "box")[-1], case)
    assert box is not None
    slices, _, _ = np.nonzero(axial.hung(xc.read_region(box.boxes, case).mask))
    assert np.unique(slices).tolist() == list(range(2, 9))
    assert len(told(blank, "box")) == 3


def test_a_press_without_a_drag_puts_the_crosshair_and_leaves_the_box(
    blank: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = volume()
    show(blank, monkeypatch, case, panes(), {"volume": PLANES, "picks": PICKS}, count=3)
    axial = named(case, "axial")
    blank.keyboard.press("k")
    drag(blank, '[data-plane="axial"]', axial, (5, 5), (20, 20))
    click(blank, "image", '[data-plane="axial"]', axial, 12, 30)
    assert len(told(blank, "box")) == 1
    blank.keyboard.press("j")
    voxel = voxel_of(told(blank, "voxel")[0], case)
    assert voxel is not None
    assert axial.place_of(voxel.index)[1:] == (12, 30)


def test_of_a_halved_volume_the_cases_own_voxels_are_told(blank: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    case = volume()
    monkeypatch.setattr(sending, "MOST_BYTES", 2 * int(np.prod(SHAPE)) - 1)
    data = show(blank, monkeypatch, case, [], {"volume": PLANES, "picks": PICKS}, count=3)
    assert data["case"]["halving"] == 2
    assert "1/2 resolution" in blank.locator(".readout").inner_text()
    before = (np.asarray(data["case"]["shape"]) - 1) // 2
    blank.keyboard.press("j")
    voxel = voxel_of(told(blank, "voxel")[0], case)
    assert voxel is not None
    assert (np.asarray(voxel.index) // 2 == before).all()
    blank.keyboard.press("k")
    blank.keyboard.press("k")
    box = box_of(told(blank, "box")[0], case)
    assert box is not None
    low, high = np.asarray(box.first), np.asarray(box.last)
    assert (low % 2 == 0).all()
    assert ((high + 1) % 2 == 0).all()
    assert (low <= voxel.index).all()
    assert (voxel.index <= high).all()


def test_what_the_page_does_not_answer_to_is_not_offered(blank: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    show(blank, monkeypatch, volume(), panes(), {})
    assert blank.get_by_role("button", name="Explain this voxel").count() == 0
    assert blank.get_by_role("button", name="Box tool").count() == 0
    for key in "jkk":
        blank.keyboard.press(key)
    assert blank.evaluate("() => window.told") == []


def test_a_voxel_reaches_the_page_in_one_run_and_is_a_region_there(browser: Browser, tmp_path: Path) -> None:
    """Through Streamlit itself: told once, not again when the page runs for another reason."""
    with serving("tests/browser/stage_volume.py", tmp_path) as address:
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(f"{address}?maps=1&slices=12&side=40&picks=voxel&picks=box")
        page.wait_for_selector('[data-pane="map-0"][data-state="ready"]', timeout=60_000)
        line = page.get_by_text("told:")
        expect(line).to_have_text("told:")
        page.get_by_role("button", name="Explain this voxel").click()
        expect(line).to_have_text("told: 1")
        page.get_by_role("button", name="Again").click()
        page.wait_for_timeout(800)
        expect(line).to_have_text("told: 1")
        page.get_by_role("button", name="Box tool").click()
        page.get_by_role("button", name="Box tool").click()
        # a quarter of 40 rows and columns about the middle one, one slice deep
        expect(line).to_have_text("told: 1 121")
        page.close()
