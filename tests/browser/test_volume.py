"""A volume in the viewer: every plane, slice and projection as the reference draws it, and one crosshair for all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, Locator, Page

from components.viewer import volume as sending
from components.viewer.pane import Pane
from tests.browser.mounted import canvas, painted, show
from xai_core.case import Case, Geometry, Region, Window, digest_of
from xai_core.planes import Plane, planes_of
from xai_core.render import Grey, Overlay, axis_positions
from xai_core.render_volume import VolumeMap, fitted, slice_view, volume_map

pytestmark = pytest.mark.browser
SHAPE = (14, 44, 36)
# Slices to the head every 5 mm, rows to the front every 0.9 mm, columns to the left every 1.1 mm.
AFFINE = np.array([[0, 0, 1.1, -20.0], [0, -0.9, 0, 18.0], [5.0, 0, 0, -31.0], [0, 0, 0, 1]])
# Where the first outline's colour lies: x and y of its pixels.
GREEN = """c => {
  const { data, width } = c.getContext("2d").getImageData(0, 0, c.width, c.height), found = [];
  for (let i = 0; i < data.length; i += 4)
    if (data[i + 3] > 200 && Math.abs(data[i] - 127) + Math.abs(data[i + 1] - 227) + Math.abs(data[i + 2] - 196) < 12)
      found.push([(i / 4) % width, Math.floor(i / 4 / width)]);
  return found;
}"""
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
def blank(gl_browser: Browser) -> Iterator[Page]:
    context = gl_browser.new_context(viewport={"width": 1200, "height": 700})
    yield context.new_page()
    context.close()


def named(case: Case, name: str) -> Plane:
    return next(plane for plane in planes_of(case) if plane.name == name)


def pane_of(page: Page, name: str, more: str = "") -> Locator:
    return page.locator(f'[data-pane="{name}"]{more}')


def slice_of(page: Page, name: str = "image", more: str = "") -> int:
    """The slice a pane says it shows, from 0."""
    return int(pane_of(page, name, more).get_attribute("data-slice") or 0) - 1


@pytest.mark.parametrize("painter", ["2d", "webgl2"])
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


def click(page: Page, name: str, more: str, plane: Plane, row: float, column: float) -> None:
    """Click a pane where the plane's row and column lie, by the reference's walk along the screen."""
    surface = pane_of(page, name, more).locator(".surface")
    box = surface.bounding_box()
    assert box is not None
    view = fitted(plane, (round(box["height"]), round(box["width"])))
    _, across = axis_positions(view.size[1], view, "x")
    _, down = axis_positions(view.size[0], view, "y")
    x, y = np.abs(across - column).argmin(), np.abs(down - row).argmin()
    surface.click(position={"x": float(x) + 0.5, "y": float(y) + 0.5})
    painted(page)


def test_a_click_brings_every_plane_to_a_point_of_the_patient(blank: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    """The volume is flipped and anisotropic; the point is known in LPS, and a bright sample lies there."""
    case = volume()
    index = np.array([11, 9, 27])
    position = AFFINE[:3] @ [*index, 1]
    case.pixels[0][tuple(index)] = 9000
    show(blank, monkeypatch, case, panes(), {"volume": {"layout": "planes"}}, count=3)
    axial, coronal, sagittal = planes_of(case)
    for _ in range(axial.place_of(tuple(index))[0] - slice_of(blank, "image", '[data-plane="axial"]')):
        pane_of(blank, "image", '[data-plane="axial"]').locator(".surface").hover()
        blank.mouse.wheel(0, 100)
    painted(blank)
    _, row, column = axial.place_of(tuple(index))
    click(blank, "image", '[data-plane="axial"]', axial, row, column)
    for plane in (axial, coronal, sagittal):
        more = f'[data-plane="{plane.name}"]'
        number, row, column = plane.place_of(tuple(index))
        assert slice_of(blank, "image", more) == number
        found = canvas(blank, "image", more)
        matches(found, expected(case, plane, int(number), found.shape[:2]))
        letters = pane_of(blank, "image", more).locator(".letter").all_inner_texts()
        assert tuple(letters) == plane.letters
        across, down = (
            axis_positions(count, fitted(plane, found.shape[:2]), along)[1]
            for along, count in zip("xy", found.shape[1::-1], strict=True)
        )
        assert found[np.abs(down - row).argmin(), np.abs(across - column).argmin(), 0] == 255
    told = pane_of(blank, "image", '[data-plane="axial"]').locator(".value").inner_text()
    shown = [float(number) for number in re.findall(r"[LRPAHF] ([\d.]+)", told)]
    assert np.allclose(shown, np.abs(position), atol=0.6), told
    letters = [pair[int(value < 0)] for pair, value in zip(("LR", "PA", "HF"), position, strict=True)]
    assert re.findall(r"[LRPAHF]", told.split(" at ")[1]) == letters


def test_modalities_stand_in_rows_and_their_maps_beside_them(blank: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    case = volume()
    show(blank, monkeypatch, case, panes(), {"volume": {"layout": "modalities"}}, count=6)
    axial = named(case, "axial")
    boxes = {}
    for channel, name in enumerate(case.channels):
        more = f'[data-modality="{name}"]'
        for pane in (None, *panes()):
            found = canvas(blank, pane.id if pane else "image", more)
            matches(found, expected(case, axial, slice_of(blank, "image", more), found.shape[:2], pane, channel))
            boxes[name, pane and pane.id] = pane_of(blank, pane.id if pane else "image", more).bounding_box()
    assert boxes["FLAIR", "fine"]["x"] == boxes["T1", "fine"]["x"] != boxes["FLAIR", None]["x"]  # type: ignore[index]
    assert boxes["FLAIR", "fine"]["y"] == boxes["FLAIR", None]["y"] != boxes["T1", None]["y"]  # type: ignore[index]


@pytest.mark.parametrize("sign", ["both", "negative"])
def test_a_projection_shows_the_strongest_of_all_slices(
    blank: Page, monkeypatch: pytest.MonkeyPatch, sign: Any
) -> None:
    case = volume()
    show(blank, monkeypatch, case, panes(), {"sign": sign, "volume": {"plane": "coronal"}})
    blank.keyboard.press("o")
    painted(blank)
    coronal = named(case, "coronal")
    for _ in range(2):
        number = slice_of(blank)
        window = case.facts["windows"][0]
        for pane in panes():
            found = canvas(blank, pane.id)
            own, scope = mapped(pane, 0)
            overlay = Overlay(sign=sign, scope=scope)
            view = fitted(coronal, found.shape[:2])
            grey = Grey(window.center, window.width)
            matches(found, slice_view(case, coronal, number, view, grey, 0, own, overlay, is_projected=True))
        blank.keyboard.press("PageDown")
        painted(blank)


def test_a_mosaic_shows_slices_from_end_to_end_with_outlines_where_the_region_is(
    blank: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = volume()
    mask = np.zeros(SHAPE, dtype=bool)
    mask[4:7, 10:20, 5:25] = True
    settings = {"volume": {"layout": "mosaic", "focus": "fine"}}
    show(blank, monkeypatch, case, panes(), settings, contours=[Region(mask, "truth")], count=SHAPE[0])
    axial, fine = named(case, "axial"), panes()[0]
    for number in range(SHAPE[0]):
        more = f'[data-slice="{number + 1}"]'
        found = canvas(blank, "fine", more)
        matches(found, expected(case, axial, number, found.shape[:2], fine))
        drawn = pane_of(blank, "fine", more).locator("canvas.marks").evaluate(GREEN)
        inside = axial.slice_of(mask, number)
        assert (len(drawn) > 0) == inside.any()
        if inside.any():
            view = fitted(axial, found.shape[:2])
            rows, columns = np.nonzero(inside)
            across, down = (
                axis_positions(count, view, along)[1] for along, count in zip("xy", found.shape[1::-1], strict=True)
            )
            x, y = np.asarray(drawn).T
            edges = [across[x.min()], across[x.max()], down[y.min()], down[y.max()]]
            wanted = [columns.min() - 0.5, columns.max() + 0.5, rows.min() - 0.5, rows.max() + 0.5]
            assert np.allclose(edges, wanted, atol=2.5 / view.scale)
    assert blank.locator(".legend").inner_text() == "truth"


def test_the_slider_names_its_slice_and_keys_reach_both_ends(blank: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    case = volume()
    show(blank, monkeypatch, case, panes(), {})
    slider = blank.get_by_role("slider", name="Slice", exact=True)
    for key, number in (("Home", 0), ("ArrowDown", 1), ("End", SHAPE[0] - 1), ("ArrowDown", SHAPE[0] - 1)):
        blank.keyboard.press(key)
        painted(blank)
        assert slice_of(blank) == number
        assert slider.input_value() == str(number + 1)
    height = AFFINE[2, 3] + 5.0 * (SHAPE[0] - 1)
    assert f"{SHAPE[0]}/{SHAPE[0]} · H {height:.1f} mm" in pane_of(blank, "fine").locator(".place").inner_text()
    slider.fill("4")
    painted(blank)
    assert slice_of(blank, "coarse") == 3
    blank.keyboard.press("Escape")
    blank.get_by_label("Modality", exact=True).select_option("1")
    blank.wait_for_selector('[data-pane="image"][data-modality="T1"][data-state="ready"]')
    painted(blank)
    found = canvas(blank, "fine")
    matches(found, expected(case, named(case, "axial"), 3, found.shape[:2], panes()[0], 1))


def test_a_volume_without_orientation_claims_none(blank: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    show(blank, monkeypatch, volume(None), panes(), {})
    assert pane_of(blank, "image").locator(".letter").all_inner_texts() == ["", "", "", "no orientation in file"]
    assert "mm" not in pane_of(blank, "image").locator(".place").inner_text()


def test_the_browser_keeps_to_its_memory(blank: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for one modality with its maps: rows of two are not offered, and the other one is fetched when asked for."""
    case = volume()
    voxels = int(np.prod(SHAPE))
    coarse = int(np.prod(panes()[1].map.shape))  # type: ignore[union-attr]
    monkeypatch.setattr(sending, "MOST_BYTES", 2 * (2 * voxels + coarse))
    asked: list[str] = []
    blank.on("request", lambda request: asked.append(request.url))
    data = show(blank, monkeypatch, case, panes(), {"volume": {"layout": "modalities"}})
    assert data["case"]["notes"] == []
    assert "1 of 2 modalities" in blank.locator(".readout").inner_text()
    blank.get_by_label("Layout", exact=True).select_option("panes")
    axial, number = named(case, "axial"), slice_of(blank)
    for channel in (1, 0):
        blank.keyboard.press("q")
        blank.wait_for_selector(f'[data-pane="fine"][data-modality="{case.channels[channel]}"][data-state="ready"]')
        painted(blank)
        found = canvas(blank, "fine")
        matches(found, expected(case, axial, number, found.shape[:2], panes()[0], channel))
    samples = [channel["samples"]["url"] for channel in data["case"]["channels"]]
    assert [sum(url.endswith(address) for url in asked) for address in samples] == [2, 1]
