"""Six modalities of 512 x 512 x 100 with their maps: 600 MiB at the server, never more than the cap in the browser."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from components.viewer.pane import Pane
from components.viewer.volume import MOST_BYTES
from tests.browser.mounted import canvas, files_of, ready
from xai_core.case import Case, Geometry, Window, digest_of
from xai_core.planes import planes_of
from xai_core.render import Grey, Overlay
from xai_core.render_volume import fitted, slice_view, volume_map

pytestmark = pytest.mark.browser
SHAPE = (100, 512, 512)
NAMES = ("FLAIR", "T1", "T1ce", "T2", "DWI", "ADC")
# Beside the volumes: look-up tables, slices, the script itself.
SMALL = 48 * 2**20


def head() -> Case:
    """Each modality another slope along every axis."""
    d, h, w = np.ogrid[:100, :512, :512]
    pixels = np.stack([(7 * d + (at + 1) * h + w).astype(np.uint16) for at in range(len(NAMES))])
    windows = tuple(Window(name, 1500.0, 3000.0) for name in NAMES)
    affine = np.array([[0, 0, 0.5, 0], [0, 0.5, 0, 0], [1.6, 0, 0, 0], [0, 0, 0, 1]])
    return Case("volume", NAMES, pixels, Geometry(affine=affine), {"windows": windows}, digest_of(pixels, "volume"))


def relevance(case: Case) -> Pane:
    """A block of relevance in another place for every modality."""
    cells = np.zeros(case.pixels.shape, np.float32)
    for at in range(len(NAMES)):
        cells[at, 40:60, 60 * at : 60 * at + 120, 200:300] = 1 + at
    return Pane("lrp", "LRP", map=cells, grid_scale=(1, 1, 1), grid_offset=(0, 0, 0))


@pytest.fixture
def blank(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1000, "height": 600})
    yield context.new_page()
    context.close()


def held(page: Page) -> int:
    """Bytes of all buffers of the page that are still in use."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    return int(session.send("Runtime.getHeapUsage")["backingStorageSize"])


@pytest.mark.slow
def test_six_large_modalities_are_read_one_after_another_within_the_cap(
    blank: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = head()
    pane = relevance(case)
    files, data = files_of(monkeypatch, case, [pane], {"volume": {"cursor": [50, 100, 250]}})
    assert sum(len(content) for name, (_, content) in files.items() if name.startswith("media")) > 2 * MOST_BYTES
    assert data["case"]["notes"] == []
    asked: list[str] = []

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, content = files.get(self.path.split("?")[0].removeprefix("/"), ("text/plain", b""))
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nothing is said."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    problems: list[str] = []
    blank.on("pageerror", lambda problem: problems.append(str(problem)))
    try:
        blank.goto(f"http://127.0.0.1:{server.server_port}/")
        axial = planes_of(case)[0]
        cells = pane.map
        assert cells is not None
        for channel in range(len(NAMES)):
            if channel:
                blank.keyboard.press("q")
            blank.wait_for_selector(f'[data-pane="lrp"][data-modality="{NAMES[channel]}"]', timeout=60_000)
            ready(blank, 2, 120)
            # only the modality that is looked at, and those before, were ever asked for
            samples = [row["samples"]["url"] for row in data["case"]["channels"]]
            assert {url for url in samples if url in asked} == set(samples[: channel + 1])
            found = canvas(blank, "lrp")
            view, grey = fitted(axial, found.shape[:2]), Grey(1500.0, 3000.0)
            own = volume_map(cells[channel], (1, 1, 1), (0, 0, 0), True)
            overlay = Overlay(scope=float(cells.max()))
            wanted = slice_view(case, axial, 50, view, grey, channel, own, overlay)
            assert np.abs(found.astype(int) - wanted).max() <= 2
            assert held(blank) <= MOST_BYTES + SMALL
        blank.get_by_label("Layout", exact=True).select_option("modalities")
        ready(blank, 4, 120)
        assert "2 of 6 modalities" in blank.locator(".readout").inner_text()
        assert held(blank) <= MOST_BYTES + SMALL
        assert problems == []
    finally:
        server.shutdown()
        server.server_close()
