"""A volume in the viewer: every plane, slice and projection as the reference draws it, and one crosshair for all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, Locator, Page

from components.viewer.pane import Pane
from tests.browser.mounted import canvas, painted, show
from xai_core.case import Case, Geometry, Window, digest_of
from xai_core.planes import Plane, planes_of
from xai_core.render import Grey, Overlay
from xai_core.render_volume import VolumeMap, fitted, slice_view, volume_map

pytestmark = pytest.mark.browser
SHAPE = (14, 44, 36)
# Slices to the head every 5 mm, rows to the front every 0.9 mm, columns to the left every 1.1 mm.
AFFINE = np.array([[0, 0, 1.1, -20.0], [0, -0.9, 0, 18.0], [5.0, 0, 0, -31.0], [0, 0, 0, 1]])
WINDOWS = (Window("first", 1900.0, 2600.0), Window("second", 0.1, 2.2))


def waves(seed: int, shape: tuple[int, int, int] = SHAPE) -> NDArray[np.float64]:
    """Waves and noise in about -1..1, different along every axis."""
    noise = np.random.default_rng(seed).normal(size=shape)
    d, h, w = np.meshgrid(*(np.linspace(0, 1, count) for count in shape), indexing="ij")
    found = np.sin(5 * d + seed) * np.cos(7 * h) + 0.6 * np.sin(9 * w * h + d)
    return np.asarray(0.6 * found + 0.1 * noise)


def volume(affine: NDArray[np.float64] | None = AFFINE) -> Case:
    """Two modalities, of integers and of fractions, in floating point as files with both would be read."""
    first = np.floor((waves(1) + 1) * 1800)
    pixels = np.stack([first, waves(2)]).astype(np.float32)
    geometry = Geometry(affine=affine)
    facts = {"windows": WINDOWS, "modality": "MR"}
    return Case("volume", ("FLAIR", "T1"), pixels, geometry, facts, digest_of(pixels, "volume"))


def panes() -> list[Pane]:
    """A map a modality on the case's grid; one for both on a coarse grid that leaves the first slices out."""
    fine = np.stack([waves(3), 0.4 * waves(4)]).astype(np.float32) * 2.5
    coarse = np.abs(waves(5, (6, 11, 9))).astype(np.float32)
    coarse[2, 3:5, 2:6] = np.nan
    return [
        Pane("fine", "Fine", map=fine, grid_scale=(1.0, 1.0, 1.0), grid_offset=(0.0, 0.0, 0.0), unit="logit"),
        Pane("coarse", "Coarse", map=coarse, grid_scale=(2.0, 4.0, 4.0), grid_offset=(3.5, 1.5, 1.5), is_signed=False),
    ]


def mapped(pane: Pane, channel: int) -> tuple[VolumeMap, float]:
    """The map of a modality, and the greatest magnitude of all of them, which counts as 1."""
    assert pane.map is not None
    cells = pane.map.reshape(-1, *pane.map.shape[-3:])
    own = volume_map(cells[min(channel, len(cells) - 1)], pane.grid_scale, pane.grid_offset, pane.is_signed)  # type: ignore[arg-type]
    return own, float(np.nanmax(np.abs(cells)))


def expected(
    case: Case,
    plane: Plane,
    number: int,
    size: tuple[int, int],
    pane: Pane | None = None,
    channel: int = 0,
    **more: Any,
) -> NDArray[np.uint8]:
    window = case.facts["windows"][channel]
    grey, view = Grey(window.center, window.width), fitted(plane, size)
    if pane is None:
        return slice_view(case, plane, number, view, grey, channel)
    own, scope = mapped(pane, channel)
    overlay = replace(Overlay(), scope=scope)
    return slice_view(case, plane, number, view, grey, channel, own, overlay, **more)


def matches(found: NDArray[np.uint8], reference: NDArray[np.uint8]) -> None:
    off = np.abs(found.astype(int) - reference.astype(int)).max(2)
    assert found.std() > 5
    assert off.max() <= 2


@pytest.fixture
def blank(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1200, "height": 700})
    yield context.new_page()
    context.close()


def named(case: Case, name: str) -> Plane:
    return next(plane for plane in planes_of(case) if plane.name == name)


def pane_of(page: Page, name: str, more: str = "") -> Locator:
    return page.locator(f'[data-pane="{name}"]{more}')


def slice_of(page: Page, name: str = "image", more: str = "") -> int:
    """The slice a pane says it shows, from 0."""
    return int(pane_of(page, name, more).get_attribute("data-slice") or 0) - 1


@pytest.mark.parametrize("painter", ["2d"])
@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_every_plane_is_the_references(blank: Page, monkeypatch: pytest.MonkeyPatch, plane: str, painter: str) -> None:
    case = volume()
    show(blank, monkeypatch, case, panes(), {"volume": {"plane": plane}}, f"?painter={painter}")
    hung = named(case, plane)
    for step in (0, 3, -2):
        for _ in range(abs(step)):
            blank.keyboard.press("ArrowDown" if step > 0 else "ArrowUp")
        painted(blank)
        number = slice_of(blank)
        for pane in (None, *panes()):
            found = canvas(blank, pane.id if pane else "image")
            matches(found, expected(case, hung, number, found.shape[:2], pane))
