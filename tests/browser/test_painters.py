"""Both ways of drawing give the reference's pixels, and the viewer takes the one that suits the machine.

WebGL2 runs here on Chromium's software rasteriser, which the viewer would not choose by itself: the address forces it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page

from components.viewer.pane import Pane
from tests.browser.mounted import canvas, painted, painter, show
from xai_core.case import Case, Geometry, Window, digest_of
from xai_core.colours import colour_tables
from xai_core.render import Grey, MapSheet, Overlay, View, composite, map_sheet, scopes

pytestmark = pytest.mark.browser
ROWS, COLUMNS = 210, 331

# Stand-ins for what a machine may have. The first remembers contexts, so that a test can lose one.
REMEMBER = """
const get = HTMLCanvasElement.prototype.getContext;
window.contexts = [];
HTMLCanvasElement.prototype.getContext = function (kind, wishes) {
  const made = get.call(this, kind, wishes);
  if (kind === "webgl2" && made) window.contexts.push(made);
  return made;
};
"""
NO_WEBGL = """
const get = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, wishes) { return kind === "webgl2" ? null : get.call(this, kind, wishes); };
"""
RENAMED = """
const get = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, wishes) {
  return get.call(this, kind, kind === "webgl2" ? { ...wishes, failIfMajorPerformanceCaveat: false } : wishes);
};
const tell = WebGL2RenderingContext.prototype.getParameter;
WebGL2RenderingContext.prototype.getParameter = function (name) { return name === 0x9246 ? "NAME" : tell.call(this, name); };
"""
FAILURES = {
    "no picture fits": "const tell = GL.getParameter; GL.getParameter = function (name) { return name === 0x0d33 ? 64 : tell.call(this, name); };",
    "no shader compiles": "GL.getShaderParameter = () => false;",
    "the memory is full": "GL.getError = () => 0x0505;",
}


@pytest.fixture
def blank(gl_browser: Browser) -> Iterator[Page]:
    context = gl_browser.new_context(viewport={"width": 900, "height": 640})
    yield context.new_page()
    context.close()


def smooth_noise(seed: int, rows: int, columns: int) -> NDArray[np.float64]:
    """Waves and noise in about -1..1."""
    noise = np.random.default_rng(seed).normal(size=(rows, columns))
    row, column = np.mgrid[:rows, :columns]
    return np.asarray(0.7 * np.sin(row / rows * 9 + seed) * np.cos(column / columns * 7) + 0.1 * noise)


def film(dtype: type[np.generic], **facts: Any) -> Case:
    waves = smooth_noise(1, ROWS, COLUMNS)
    top = np.iinfo(dtype).max
    pixels = np.clip((waves + 1) / 2 * top, 0, top).astype(dtype)[None]
    windows = (Window("stored", top * 0.55, top * 0.8),)
    photometric = facts.get("photometric", "MONOCHROME2")
    return Case(
        "film", ("film",), pixels, Geometry(), {"windows": windows, **facts}, digest_of(pixels, "film", photometric)
    )


def maps() -> list[Pane]:
    """Signed on the film's grid; signed and coarse, beyond the film on one side; unsigned, with cells without a value."""
    fine = smooth_noise(2, ROWS, COLUMNS).astype(np.float32) * 3.7
    coarse = smooth_noise(3, 7, 9).astype(np.float32)
    unsigned = np.abs(smooth_noise(4, 70, 110)).astype(np.float32) * 0.01
    unsigned[5:20, 30:60] = np.nan
    return [
        Pane("fine", "Fine", map=fine, unit="logit"),
        Pane("coarse", "Coarse", map=coarse, grid_scale=(31.0, 40.0), grid_offset=(10.25, -3.5), unit="logit"),
        Pane("unsigned", "Unsigned", map=unsigned, grid_scale=(3.0, 3.0), grid_offset=(1.0, 1.0), is_signed=False),
    ]


@dataclass(frozen=True)
class Scene:
    """Settings at the start, keys then pressed, numbers then typed; and the same in the reference's words."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    keys: str = ""
    typed: Mapping[str, float] = field(default_factory=dict)
    overlay: Overlay = field(default_factory=Overlay)
    zoom: float = 1.0
    is_native: bool = False
    place: Mapping[str, Any] = field(default_factory=dict)
    grey: Mapping[str, Any] = field(default_factory=dict)


SCENES = {
    "default": Scene(),
    "threshold 0": Scene({"threshold": 0.0}, overlay=Overlay(threshold=0.0)),
    "threshold 0.6, opaque": Scene({"threshold": 0.6, "opacity": 1.0}, overlay=Overlay(threshold=0.6, opacity=1.0)),
    "positive": Scene({"sign": "positive"}, overlay=Overlay(sign="positive")),
    "negative": Scene({"sign": "negative"}, overlay=Overlay(sign="negative")),
    "pass": Scene(
        {"filterMode": "pass", "filterLow": 0.1, "filterHigh": 0.5, "threshold": 0.05},
        overlay=Overlay(threshold=0.05, filter_mode="pass", filter_low=0.1, filter_high=0.5),
    ),
    "clamp": Scene(
        {"filterMode": "clamp", "filterLow": 0.15, "filterHigh": 0.4, "threshold": 0.05},
        overlay=Overlay(threshold=0.05, filter_mode="clamp", filter_low=0.15, filter_high=0.4),
    ),
    "shared scale": Scene({"scale": "shared"}),
    "scale of each map": Scene({"scale": "map"}),
    "smooth": Scene({"smooth": True}, overlay=Overlay(smooth=True)),
    "smooth, zoomed, turned": Scene(
        {"smooth": True}, "+++++r", overlay=Overlay(smooth=True), zoom=1.25**5, place={"turn": 1}
    ),
    "zoomed in": Scene(keys="++++++", zoom=1.25**6),
    "zoomed out": Scene(keys="--", zoom=0.8**2),
    "one sample a pixel": Scene(keys="g", is_native=True),
    "flipped": Scene(keys="x", place={"flip_x": True}),
    "turned": Scene(keys="r", place={"turn": 1}),
    "turned, flipped, zoomed": Scene(keys="rry++", zoom=1.25**2, place={"turn": 2, "flip_y": True}),
    "inverted": Scene(keys="i", grey={"invert": True}),
    "another window": Scene(
        typed={"Width in numbers": 9000, "Centre in numbers": 30000}, grey={"width": 9000.0, "center": 30000.0}
    ),
    **{
        f"colours {name}": Scene({"colours": name, "opacity": 1.0}, overlay=Overlay(colours=name, opacity=1.0))
        for name in colour_tables()
    },
}
FILMS = {
    "8 bits": film(np.uint8),
    "8 bits, small is bright": film(np.uint8, photometric="MONOCHROME1"),
    "a table of the file": film(np.uint16, voi_lut=(1000.0, np.linspace(0, 1, 60000, dtype=np.float32) ** 2)),
}


def play(page: Page, scene: Scene) -> None:
    for key in scene.keys:
        page.keyboard.press(key)
    for name, value in scene.typed.items():
        page.get_by_label(name, exact=True).fill(str(value))
        page.keyboard.press("Enter")
    painted(page)


def expected(case: Case, pane: Pane | None, scene: Scene, size: tuple[int, int]) -> NDArray[np.uint8]:
    rows, columns = case.space[::-1] if scene.place.get("turn", 0) % 2 else case.space
    fit = min(size[0] / rows, size[1] / columns)
    scale = 1.0 if scene.is_native else fit * scene.zoom
    view = View(size, scale, (case.space[0] - 1) / 2, (case.space[1] - 1) / 2, **scene.place)
    window = case.facts["windows"][0]
    voi = "table" if "voi_lut" in case.facts else "linear"
    grey = replace(Grey(window.center, window.width, voi), **scene.grey)
    if pane is None or pane.map is None:
        return composite(case, view, grey)
    sheets = {each.id: (map_sheet(each.map), each.unit) for each in maps() if each.map is not None}
    overlay = replace(scene.overlay, scope=scopes(sheets, scene.settings.get("scale", "auto"))[pane.id])
    mapped = MapSheet(map_sheet(pane.map), pane.grid_scale[-2:], pane.grid_offset[-2:], pane.is_signed)  # type: ignore[arg-type]
    return composite(case, view, grey, mapped, overlay)


def check(page: Page, monkeypatch: pytest.MonkeyPatch, case: Case, scene: Scene) -> None:
    """Within 2/255 of the reference everywhere; and the two ways of drawing alike, but for one pixel in a thousand whose
    sample was rounded to the other side."""
    drawn: dict[str, dict[str, NDArray[np.uint8]]] = {}
    for name in ("2d", "webgl2"):
        show(page, monkeypatch, case, maps(), dict(scene.settings), f"?painter={name}")
        assert painter(page) == name
        play(page, scene)
        assert painter(page) == name
        drawn[name] = {pane: canvas(page, pane) for pane in ("image", "fine", "coarse", "unsigned")}
    panes = {pane.id: pane for pane in maps()}
    for pane, found in drawn["webgl2"].items():
        other = np.abs(found.astype(int) - drawn["2d"][pane].astype(int)).max(2)
        assert other.max() <= 2, pane
        assert (other > 0).mean() < 0.001, pane
        assert found.std() > 5, pane
        reference = expected(case, panes.get(pane), scene, found.shape[:2])
        off = np.abs(found.astype(int) - reference.astype(int)).max(2)
        assert off.max() <= 2, pane


@pytest.mark.parametrize("scene", SCENES)
def test_both_painters_give_the_references_pixels(blank: Page, monkeypatch: pytest.MonkeyPatch, scene: str) -> None:
    check(blank, monkeypatch, film(np.uint16), SCENES[scene])


@pytest.mark.parametrize("kind", FILMS)
def test_every_kind_of_samples_is_drawn_alike(blank: Page, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    check(blank, monkeypatch, FILMS[kind], Scene(keys="++", zoom=1.25**2))


def test_software_is_not_chosen(blank: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    show(blank, monkeypatch, FILMS["8 bits"], maps(), {})
    assert painter(blank) == "2d"


@pytest.mark.parametrize(
    ("name", "chosen"),
    [
        ("ANGLE (NVIDIA, NVIDIA GeForce RTX 3060 Direct3D11 vs_5_0 ps_5_0, D3D11)", "webgl2"),
        ("Mali-G78", "webgl2"),
        ("llvmpipe (LLVM 15.0.6, 256 bits)", "2d"),
        ("Apple Software Renderer", "2d"),
        ("Microsoft Basic Render Driver", "2d"),
    ],
)
def test_a_card_is_chosen_by_its_name(blank: Page, monkeypatch: pytest.MonkeyPatch, name: str, chosen: str) -> None:
    blank.add_init_script(RENAMED.replace("NAME", name))
    show(blank, monkeypatch, FILMS["8 bits"], maps(), {})
    assert painter(blank) == chosen


def test_without_webgl_the_plain_canvas_draws_even_where_webgl_is_asked_for(
    blank: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    blank.add_init_script(NO_WEBGL)
    show(blank, monkeypatch, FILMS["8 bits"], maps(), {}, "?painter=webgl2")
    assert painter(blank) == "2d"
    assert canvas(blank, "fine").std() > 5


def test_a_lost_context_loses_nothing(blank: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    """The place, the window and every picture are as before, and hands go on."""
    blank.add_init_script(REMEMBER)
    case, scene = film(np.uint16), Scene(keys="+++i", zoom=1.25**3, grey={"invert": True})
    show(blank, monkeypatch, case, maps(), {}, "?painter=webgl2")
    play(blank, scene)
    before = {pane: canvas(blank, pane) for pane in ("image", "fine", "coarse", "unsigned")}
    assert painter(blank) == "webgl2"
    blank.evaluate("() => window.contexts.forEach((gl) => gl.getExtension('WEBGL_lose_context').loseContext())")
    blank.wait_for_function(
        "() => document.getElementById('host').shadowRoot.querySelector('.viewer').dataset.painter === '2d'"
    )
    painted(blank)
    for pane, picture in before.items():
        assert (canvas(blank, pane) != picture).any(2).mean() < 0.001
    play(blank, Scene(keys="x"))
    flipped = replace(scene, place={"flip_x": True})
    found = canvas(blank, "fine")
    off = np.abs(found.astype(int) - expected(case, maps()[0], flipped, found.shape[:2]).astype(int)).max(2)
    assert off.max() <= 2


@pytest.mark.parametrize("failure", FAILURES)
def test_a_card_that_fails_is_left_for_the_plain_canvas(
    blank: Page, monkeypatch: pytest.MonkeyPatch, failure: str
) -> None:
    blank.add_init_script(f"const GL = WebGL2RenderingContext.prototype; {FAILURES[failure]}")
    case = FILMS["8 bits"]
    show(blank, monkeypatch, case, maps(), {}, "?painter=webgl2")
    painted(blank)
    assert painter(blank) == "2d"
    for pane in (None, *maps()):
        found = canvas(blank, pane.id if pane else "image")
        off = np.abs(found.astype(int) - expected(case, pane, Scene(), found.shape[:2]).astype(int)).max(2)
        assert off.max() <= 2


def test_the_pages_address_forces_a_painter(gl_browser: Browser, address: str) -> None:
    context = gl_browser.new_context()
    opened = context.new_page()
    for asked in ("webgl2", "2d"):
        opened.goto(f"{address}?painter={asked}")
        opened.wait_for_selector(f'.viewer[data-painter="{asked}"]', timeout=120_000)
    context.close()


def test_one_context_serves_every_pane_and_every_mount(blank: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    """Browsers take the oldest of about sixteen contexts away."""
    blank.add_init_script(REMEMBER)
    many = [replace(maps()[0], id=f"fine|{number}") for number in range(20)]
    show(blank, monkeypatch, FILMS["8 bits"], many, {}, "?painter=webgl2")
    assert blank.evaluate("() => window.contexts.length") == 1
    assert painter(blank) == "webgl2"
    blank.evaluate(
        "async () => { window.unmount(); const { default: mount } = await import('./viewer.js');"
        " const parent = document.getElementById('host').shadowRoot; const data = await (await fetch('data.json')).json();"
        " mount({ data, parentElement: parent, setStateValue: () => {} }); }"
    )
    blank.wait_for_selector('[data-pane="fine|19"][data-state="ready"]')
    painted(blank)
    assert blank.evaluate("() => window.contexts.length") == 1
    assert canvas(blank, "fine|19").std() > 5
