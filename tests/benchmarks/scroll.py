"""Milliseconds from one slice to the next while the wheel turns: ``python -m tests.benchmarks.scroll`` (needs chromium).

Nine panes of a made-up head of (4, 131, 168, 136) in a window of 1440 x 900: once the image and eight maps of one
modality, once three modalities by the image and two maps. The wheel gives one notch every animation frame, so every
frame is another slice. Told are the time from paint to paint (animation frame to animation frame, with layout,
rasterising and what the compositor asks for) and of that the viewer's own ("lightbox-paint"), by both drawings: on 2-D
canvases, and by WebGL2 on a software rasteriser, which the viewer never chooses by itself. The bound is 33 ms for the
median on two idle cores; the load of the machine stands beside the figures. Processor time a step, of the page's main
thread and of the process that composes the picture, is what other work leaves nearly as it is.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from scripts.screenshot import QUIET
from tests.benchmarks.paint import BOUND_MS, metrics
from tests.browser.conftest import SOFTWARE_GL, serving

STEPS = 60
FLAGS = {"2d": QUIET, "webgl2": SOFTWARE_GL}
SIZE = "slices=131&side=168&columns=136"
SCENES = {
    "9 panes: the image and 8 maps": (f"maps=8&{SIZE}&modalities=4", 9),
    "9 panes: 3 modalities by the image and 2 maps": (f"maps=2&{SIZE}&modalities=3&layout=modalities", 9),
    "12 panes: 4 modalities by the image and 2 maps": (f"maps=2&{SIZE}&modalities=4&layout=modalities", 12),
}
# Frames in which the wheel turns a notch each, from the first slice on; their times, and the viewer's own.
TURN = """async (steps) => {
  const find = (node) => { for (const e of node.querySelectorAll("*")) {
    if (e.classList.contains("viewer")) return e;
    const deeper = e.shadowRoot && find(e.shadowRoot); if (deeper) return deeper; } };
  const surface = find(document).querySelector(".surface");
  const frame = () => new Promise(requestAnimationFrame);
  for (let at = 0; at < 200; at++) surface.dispatchEvent(new WheelEvent("wheel", { deltaY: -100, cancelable: true }));
  for (let at = 0; at < 4; at++) await frame();
  performance.clearMeasures("lightbox-paint");
  const times = [await frame()];
  for (let step = 0; step < steps; step++) {
    surface.dispatchEvent(new WheelEvent("wheel", { deltaY: 100, cancelable: true }));
    times.push(await frame());
  }
  await frame();
  const own = performance.getEntriesByName("lightbox-paint").map((entry) => entry.duration);
  return { between: times.slice(1).map((time, at) => time - times[at]), own };
}"""


def measured(browser: Browser, address: str, query: str, panes: int, drawing: str, runs: int) -> list[float]:
    """One line a run; the medians from paint to paint."""
    page: Page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(f"{address}?{query}&painter={drawing}")
    page.wait_for_function(
        "n => { const found = []; const seek = (node) => node.querySelectorAll('*').forEach((e) => {"
        " if (e.dataset?.pane) found.push(e.dataset.state); if (e.shadowRoot) seek(e.shadowRoot); });"
        " seek(document); return found.length === n && found.every((state) => state === 'ready'); }",
        arg=panes,
        timeout=240_000,
    )
    page.wait_for_timeout(1000)
    medians = []
    session, whole = page.context.new_cdp_session(page), browser.new_browser_cdp_session()
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    for run in range(runs):
        before = metrics(session)[1], composing(whole)
        found = page.evaluate(TURN, STEPS)
        after = metrics(session)[1], composing(whole)
        main, other = (1000 * (now - old) / STEPS for now, old in zip(after, before, strict=True))
        between, own = np.asarray(found["between"]), np.asarray(found["own"])
        medians.append(float(np.median(between)))
        sys.stdout.write(
            f"  {drawing} run {run + 1}: {len(own)} paints; paint to paint median {np.median(between):.1f} ms, "
            f"95 % {np.percentile(between, 95):.1f} ms; own median {np.median(own):.1f} ms, "
            f"95 % {np.percentile(own, 95):.1f} ms; processor {main:.1f} ms main thread, {other:.1f} ms composing; "
            f"load {os.getloadavg()[0]:.1f}\n"
        )
        sys.stdout.flush()
    page.close()
    return medians


def composing(session: CDPSession) -> float:
    """Processor seconds so far of the process that composes what is seen."""
    found = session.send("SystemInfo.getProcessInfo")["processInfo"]
    return float(sum(row["cpuTime"] for row in found if row["type"] == "GPU"))


def main(runs: int, drawings: list[str]) -> None:
    with (
        tempfile.TemporaryDirectory() as cache,
        serving("tests/browser/stage_volume.py", Path(cache)) as address,
        sync_playwright() as play,
    ):
        for drawing in drawings:
            browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS[drawing])
            for scene, (query, panes) in SCENES.items():
                sys.stdout.write(f"{scene}\n")
                medians = measured(browser, address, query, panes, drawing, runs)
                verdict = "within" if min(medians) <= BOUND_MS else "above"
                sys.stdout.write(f"  {drawing}: smallest median {min(medians):.1f} ms, {verdict} {BOUND_MS} ms\n")
            browser.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--drawings", nargs="+", choices=["2d", "webgl2"], default=["2d", "webgl2"])
    arguments = parser.parse_args()
    main(arguments.runs, arguments.drawings)
