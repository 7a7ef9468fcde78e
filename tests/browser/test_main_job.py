"""The main job, driven as a person does: maps side by side, sliders, keys, targets, own films, two sessions at once."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Page

import xai_core as xc
from tests.browser.conftest import ready
from tests.browser.mounted import canvas
from xai_core.render import Grey, MapSheet, Overlay, View, composite, map_sheet

pytestmark = pytest.mark.browser
MAPS = ("lrp-epsilon-plus", "rap", "grad-cam", "occlusion")
FIRST = next(iter(xc.sample_cases().values()))


def pictures(page: Page) -> dict[str, bytes]:
    return {pane: canvas(page, pane).tobytes() for pane in ("image", *MAPS)}


def slide(page: Page, name: str, share: float) -> None:
    """Drag a slider of the viewer to ``share`` of its length, as a hand does."""
    box = page.get_by_role("slider", name=name, exact=True).bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    value = float(page.get_by_role("slider", name=name, exact=True).input_value())
    page.mouse.move(box["x"] + box["width"] * min(max(value, 0.02), 0.98), middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * share, middle, steps=12)
    page.wait_for_timeout(150)


def digest(page: Page) -> str:
    return page.locator('[data-pane="image"]').get_attribute("data-case") or ""


def test_the_landing_page_shows_film_and_four_maps_and_says_what_they_are(page: Page) -> None:
    assert digest(page) == xc.read_case(FIRST).digest
    for pane in ("image", *MAPS):
        element = page.locator(f'[data-pane="{pane}"]')
        assert element.get_attribute("data-state") == "ready"
        assert element.get_attribute("data-case") == digest(page)
    text = page.evaluate("() => document.body.innerText") + page.locator('[data-pane="image"]').evaluate(
        "e => e.getRootNode().textContent"
    )
    assert "Research and teaching only: not for diagnosis." in text
    assert "A map shows what moved this model, not what is wrong with the patient." in text
    assert len(set(pictures(page).values())) == 5


@pytest.mark.parametrize("explainer", ["lrp-epsilon-plus", "rap", "grad-cam"])
def test_the_browsers_pixels_are_those_of_the_reference(page: Page, explainer: str) -> None:
    """Within 2/255; one pixel in a thousand may lie on the other side of the threshold or of a cell's edge."""
    page.get_by_role("button", name="Colours", exact=True).click()
    page.get_by_role("combobox", name="Normalisation").select_option("map")
    page.wait_for_timeout(200)
    case, model = xc.read_case(FIRST), xc.load_model("cxr-resnet18")
    target = page.locator(f'[data-pane="{explainer}"]').inner_text()
    label = next(label for label in sorted(model.card.labels, key=len, reverse=True) if label in target)
    explanation = xc.explain(model, case, explainer=explainer, target=label)
    found = canvas(page, explainer)
    height, width = found.shape[:2]
    rows, columns = case.space
    scale = min(width / columns, height / rows)
    view = View((height, width), scale, (rows - 1) / 2, (columns - 1) / 2)
    window = case.facts["windows"][0]
    grid = explanation.grid
    mapped = MapSheet(map_sheet(explanation.shown), tuple(grid.scale), tuple(grid.offset), explanation.is_signed)
    expected = composite(case, view, Grey(window.center, window.width), mapped, Overlay())
    off = np.abs(found.astype(int) - expected.astype(int)).max(2)
    assert (off > 2).mean() < 0.001
    assert off.mean() < 1


def test_every_pane_follows_the_threshold_slider_without_a_word_to_the_server(page: Page) -> None:
    sent: list[object] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))
    page.reload()
    ready(page)
    before, talked = pictures(page), len(sent)
    slide(page, "Threshold", 0.7)
    during = pictures(page)
    assert during["image"] == before["image"]
    for pane in MAPS:
        assert during[pane] != before[pane], pane
    slide(page, "Opacity", 0.9)
    page.mouse.up()
    page.wait_for_timeout(500)
    assert len(sent) == talked


def test_a_slider_step_is_painted_within_a_frame(page: Page) -> None:
    """The viewer measures itself; the bound is loose, for a machine under load: the benchmark has the figure."""
    page.evaluate("() => performance.clearMeasures('lightbox-paint')")
    for share in np.linspace(0.1, 0.8, 6):
        slide(page, "Threshold", float(share))
    page.mouse.up()
    spent = page.evaluate("() => performance.getEntriesByName('lightbox-paint').map((e) => e.duration)")
    assert len(spent) >= 6
    assert float(np.median(spent)) < 200


def test_h_hides_every_overlay_and_shows_it_again(page: Page) -> None:
    before = pictures(page)
    page.locator('[data-pane="image"]').hover()
    page.keyboard.press("h")
    page.wait_for_timeout(200)
    hidden = pictures(page)
    for pane in MAPS:
        assert hidden[pane] == hidden["image"] != before[pane]
    page.keyboard.press("h")
    page.wait_for_timeout(200)
    assert pictures(page) == before


def test_pass_and_clamp_act_on_the_final_map_at_once(page: Page) -> None:
    before = pictures(page)
    page.get_by_role("combobox", name="Filter", exact=True).select_option("pass")
    slide(page, "Filter high", 0.3)
    page.mouse.up()
    page.wait_for_timeout(200)
    after = pictures(page)
    assert all(after[pane] != before[pane] for pane in ("lrp-epsilon-plus", "rap"))


def test_another_finding_is_explained_and_the_old_maps_are_dimmed_meanwhile(page: Page) -> None:
    before = pictures(page)
    page.locator('.st-key-findings button[kind="secondary"]:visible').last.click()
    page.wait_for_timeout(1500)
    ready(page)
    after = pictures(page)
    assert after["image"] == before["image"]
    assert all(after[pane] != before[pane] for pane in ("lrp-epsilon-plus", "grad-cam"))


def test_an_own_dicom_gets_the_same_and_a_broken_file_one_sentence(page: Page, shared: Path, tmp_path: Path) -> None:
    first = digest(page)
    upload = page.locator('input[type="file"]').first
    own = shared / "cxr" / "viewer" / "chest_cr_mono1_10bit_440.dcm"
    upload.set_input_files(str(own))
    expected = xc.read_case(own).digest
    page.wait_for_function(
        "d => [...document.querySelectorAll('*')].some((e) => e.shadowRoot?.querySelector(`[data-case=\"${d}\"]`))",
        arg=expected,
        timeout=120_000,
        polling=400,
    )
    ready(page)
    assert digest(page) == expected != first
    broken = tmp_path / "broken.png"
    broken.write_bytes(own.read_bytes()[:4000])
    upload.set_input_files(str(broken))
    page.wait_for_selector('[data-testid="stAlert"]', timeout=60_000)
    assert len(page.locator('[data-testid="stAlert"]').first.inner_text()) > 20
    assert digest(page) == expected


def test_two_sessions_at_once_do_not_mix(page: Page, browser: Browser, address: str) -> None:
    other = browser.new_context(viewport={"width": 1024, "height": 768}).new_page()
    other.goto(address)
    ready(other)
    sample = list(xc.sample_cases().values())[3]
    other.locator('input[type="file"]').first.set_input_files(str(sample.path))
    expected = xc.read_case(sample).digest
    other.wait_for_function(
        "d => [...document.querySelectorAll('*')].some((e) => e.shadowRoot?.querySelector(`[data-case=\"${d}\"]`))",
        arg=expected,
        timeout=120_000,
        polling=400,
    )
    ready(other)
    assert digest(other) == expected
    assert digest(page) == xc.read_case(FIRST).digest
    for opened, case in ((page, digest(page)), (other, expected)):
        cases = {opened.locator(f'[data-pane="{pane}"]').get_attribute("data-case") for pane in MAPS}
        assert cases == {case}
    other.context.close()


def test_nothing_is_asked_of_another_host(browser: Browser, address: str) -> None:
    opened = browser.new_context().new_page()
    foreign: list[str] = []
    opened.on(
        "request",
        lambda request: (
            None
            if request.url.startswith((address, address.replace("http", "ws"), "data:", "blob:"))
            else foreign.append(request.url)
        ),
    )
    opened.goto(address)
    ready(opened)
    assert foreign == []
    opened.context.close()


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (1024, 768)])
@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_nothing_is_cut_off(browser: Browser, address: str, width: int, height: int, scheme: str) -> None:
    """All panes lie inside the window, and the picture has most of it; no page scrolls sideways."""
    opened = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme).new_page()
    opened.goto(address)
    ready(opened)
    for pane in ("image", *MAPS):
        box = opened.locator(f'[data-pane="{pane}"]').bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["y"] >= 0
        assert box["x"] + box["width"] <= width + 1
        assert box["y"] + box["height"] <= height + 1
    assert opened.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    shot = cv2.imdecode(np.frombuffer(opened.screenshot(), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert shot.std() > 20
    opened.context.close()
