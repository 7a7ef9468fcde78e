"""The viewer on a page of its own: the bundle and a payload, as Streamlit hands them over, without a server."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Page, Route

from components.viewer.bundle import script, stylesheet
from components.viewer.pane import Pane
from components.viewer.payload import payload
from xai_core.case import Case, Region

ORIGIN = "http://viewer.test/"
PAGE = """<!doctype html><meta charset="utf-8"><style>html, body { margin: 0; background: #000 }</style><div id="host"></div>
<script type="module">
import mount from "./viewer.js";
const parent = document.getElementById("host").attachShadow({ mode: "open" });
const style = document.createElement("style");
style.textContent = await (await fetch("viewer.css")).text();
parent.append(style);
const data = await (await fetch("data.json")).json();
window.told = [];
const setTriggerValue = (name, value) => window.told.push([name, value]);
window.unmount = mount({ data, parentElement: parent, setStateValue: () => {}, setTriggerValue });
</script>"""


def show(
    page: Page,
    monkeypatch: pytest.MonkeyPatch,
    case: Case,
    panes: Sequence[Pane],
    settings: dict[str, Any],
    search: str = "",
    contours: Sequence[Region] = (),
    count: int | None = None,
) -> dict[str, Any]:
    """Mount the viewer and wait until every pane is painted; the data it was given. ``search``: the address's query,
    ``count``: how many panes, where it is not one for the image and one a map."""
    files, data = files_of(monkeypatch, case, panes, settings, contours)

    def answer(route: Route) -> None:
        found = files.get(route.request.url.split("?")[0].removeprefix(ORIGIN))
        if found is None:
            route.fulfill(status=404)
        else:
            route.fulfill(content_type=found[0], body=found[1])

    page.unroute_all()
    page.route(f"{ORIGIN}**", answer)
    page.goto(f"{ORIGIN}{search}")
    ready(page, count or len(panes) + 1)
    return data


def files_of(
    monkeypatch: pytest.MonkeyPatch,
    case: Case,
    panes: Sequence[Pane],
    settings: dict[str, Any],
    contours: Sequence[Region] = (),
) -> tuple[dict[str, tuple[str, bytes]], dict[str, Any]]:
    """What the page asks for: by name its type and content; and the data it is given."""
    files: dict[str, tuple[str, bytes]] = {
        "": ("text/html", PAGE.encode()),
        "viewer.js": ("text/javascript", script().encode()),
        "viewer.css": ("text/css", stylesheet().encode()),
    }

    def add(blob: bytes, mimetype: str, _place: str) -> str:
        name = f"media/{hashlib.sha256(blob).hexdigest()}"
        files[name] = (mimetype, blob)
        return f"/{name}"

    media = SimpleNamespace(media_file_mgr=SimpleNamespace(add=add))
    monkeypatch.setattr(sys.modules[payload.__module__], "get_instance", lambda: media)
    data = payload(case, panes, "mounted", settings, contours)
    files["data.json"] = ("application/json", json.dumps(data).encode())
    return files, data


def ready(page: Page, count: int, seconds: float = 60) -> None:
    """Wait until so many panes are there and painted."""
    page.wait_for_function(
        "n => { const panes = [...document.getElementById('host').shadowRoot.querySelectorAll('[data-pane]')];"
        " return panes.length === n && panes.every((pane) => pane.dataset.state === 'ready'); }",
        arg=count,
        polling=50,
        timeout=seconds * 1000,
    )
    painted(page)


def painted(page: Page) -> None:
    """Wait until what was asked for is on the canvases."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def told(page: Page, name: str) -> list[Any]:
    """What the viewer has told the server of an event, message by message."""
    return [value for event, value in page.evaluate("() => window.told") if event == name]


def painter(page: Page) -> str:
    """What the viewer says it draws with."""
    return page.locator(".viewer").get_attribute("data-painter") or ""


def canvas(page: Page, pane: str, more: str = "") -> NDArray[np.uint8]:
    """The composited picture of a pane, (h, w, 3); ``more`` attributes where several cells show it."""
    found = page.locator(f'[data-pane="{pane}"]{more} canvas[data-role="image"]').evaluate(
        "c => { const d = c.getContext('2d').getImageData(0, 0, c.width, c.height);"
        " let s = ''; const step = 32768; for (let i = 0; i < d.data.length; i += step)"
        " s += String.fromCharCode.apply(null, d.data.subarray(i, i + step));"
        " return [c.width, c.height, btoa(s)]; }"
    )
    width, height, text = found
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width, 4)[..., :3]
