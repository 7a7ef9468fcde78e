"""Bars of the modalities' shares of a map: what numpy sums, and a press that brings a modality under its map."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from tests.browser.mounted import canvas, painted, show
from tests.browser.test_volume import expected, matches, named, pane_of, panes, slice_of, volume

pytestmark = pytest.mark.browser


@pytest.fixture
def blank(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1200, "height": 700})
    yield context.new_page()
    context.close()


def test_a_bar_says_the_share_and_brings_its_modality(blank: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    case, fine = volume(), panes()[0]
    show(blank, monkeypatch, case, panes(), {})
    assert fine.map is not None
    sums = np.abs(fine.map.astype(np.float64)).sum(axis=(1, 2, 3))
    told = [f"{name} {round(100 * share)} %" for name, share in zip(case.channels, sums / sums.sum(), strict=True)]
    bars = pane_of(blank, "fine").locator(".share")
    assert [" ".join(text.split()) for text in bars.all_inner_texts()] == told
    assert [bar.get_attribute("aria-pressed") for bar in bars.all()] == ["true", "false"]
    # the film alone, and a map that does not tell modalities apart, have none
    assert pane_of(blank, "image").locator(".share:visible").count() == 0
    assert pane_of(blank, "coarse").locator(".share:visible").count() == 0
    before = slice_of(blank)
    bars.nth(1).click()
    blank.wait_for_selector('[data-pane="fine"][data-modality="T1"][data-state="ready"]')
    painted(blank)
    found = canvas(blank, "fine")
    matches(found, expected(case, named(case, "axial"), before, found.shape[:2], fine, 1))
    assert [bar.get_attribute("aria-pressed") for bar in bars.all()] == ["false", "true"]
    bars.nth(0).hover()
    blank.mouse.wheel(0, 100)
    painted(blank)
    assert slice_of(blank) == before + 1


def test_in_rows_of_modalities_a_pane_tells_its_own_share_and_in_planes_one_tells_all(
    blank: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    show(blank, monkeypatch, volume(), panes(), {"volume": {"layout": "modalities", "focus": "fine"}}, count=6)
    for name in ("FLAIR", "T1"):
        cell = pane_of(blank, "fine", f'[data-modality="{name}"]')
        assert cell.locator(".share .name").all_inner_texts() == [name]
    blank.get_by_label("Layout", exact=True).select_option("planes")
    painted(blank)
    shown = [pane_of(blank, "fine", f'[data-plane="{name}"]') for name in ("axial", "coronal", "sagittal")]
    assert [cell.locator(".share:visible").count() for cell in shown] == [2, 0, 0]
