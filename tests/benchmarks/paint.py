"""Milliseconds a step of the threshold takes to paint: ``python -m tests.benchmarks.paint`` (needs chromium).

Nine maps over a 16-bit film of 1024 x 1024 in a window of 1440 x 900, dragged through 40 steps; the viewer measures
itself ("lightbox-paint"). The bound is 33 ms for the median on two idle cores without a GPU: other work on the machine
only adds, so the smallest median of several runs is the figure. Beside it stands the processor time of the page's
main thread a frame (script alone, and everything: layout, style, input), which other work leaves nearly as it is.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from playwright.sync_api import CDPSession, Page, sync_playwright

from scripts.screenshot import QUIET
from tests.browser.conftest import serving

BOUND_MS = 33
STEPS = 40


def spent(page: Page, slider: str) -> list[float]:
    """Milliseconds of every frame while ``slider`` is dragged from one side to the other."""
    box = page.get_by_role("slider", name=slider, exact=True).bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.evaluate("() => performance.clearMeasures('lightbox-paint')")
    value = float(page.get_by_role("slider", name=slider, exact=True).input_value())
    page.mouse.move(box["x"] + box["width"] * min(max(value, 0.05), 0.95), middle)
    page.mouse.down()
    for step in range(STEPS):
        page.mouse.move(box["x"] + box["width"] * (0.05 + 0.9 * step / STEPS), middle)
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    page.mouse.up()
    found: list[float] = page.evaluate("() => performance.getEntriesByName('lightbox-paint').map((e) => e.duration)")
    return found


def main(maps: int, side: int, runs: int, slider: str, profile: bool) -> None:
    """One line a run, then the smallest median."""
    medians = []
    with (
        tempfile.TemporaryDirectory() as cache,
        serving("tests/browser/stage.py", Path(cache)) as address,
        sync_playwright() as play,
    ):
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=QUIET)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(f"{address}?maps={maps}&side={side}")
        for number in range(maps):
            page.wait_for_selector(f'[data-pane="map-{number}"][data-state="ready"]', timeout=240_000)
        page.wait_for_timeout(1000)
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        for run in range(runs):
            before = metrics(session)
            times = spent(page, slider)
            script, all_tasks = [
                1000 * (now - old) / len(times) for now, old in zip(metrics(session), before, strict=True)
            ]
            medians.append(float(np.median(times)))
            high = float(np.percentile(times, 95))
            sys.stdout.write(
                f"run {run + 1}: {len(times)} frames, median {medians[-1]:.1f} ms, 95 % {high:.1f} ms; "
                f"processor {script:.1f} ms script, {all_tasks:.1f} ms all\n"
            )
            sys.stdout.flush()
        if profile:
            sys.stdout.write(profiled(page, slider))
        browser.close()
    verdict = "within" if min(medians) <= BOUND_MS else "above"
    sys.stdout.write(f"smallest median {min(medians):.1f} ms, {verdict} the bound of {BOUND_MS} ms\n")


def metrics(session: CDPSession) -> tuple[float, float]:
    """Processor seconds of the page's main thread so far: in script, and in all tasks."""
    found = {row["name"]: row["value"] for row in session.send("Performance.getMetrics")["metrics"]}
    return found["ScriptDuration"], found["TaskDuration"]


def profiled(page: Page, slider: str) -> str:
    """Functions by their own milliseconds in one more drag."""
    session = page.context.new_cdp_session(page)
    session.send("Profiler.enable")
    session.send("Profiler.start")
    spent(page, slider)
    profile = session.send("Profiler.stop")["profile"]
    names = {node["id"]: node["callFrame"]["functionName"] or "(anonymous)" for node in profile["nodes"]}
    own: dict[str, float] = {}
    for node, delta in zip(profile["samples"], profile["timeDeltas"], strict=True):
        own[names[node]] = own.get(names[node], 0.0) + delta / 1000
    rows = sorted(own.items(), key=lambda row: -row[1])[:16]
    return "".join(f"{milliseconds:9.1f} ms  {name}\n" for name, milliseconds in rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--maps", type=int, default=9)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--slider", default="Threshold")
    parser.add_argument("--profile", action="store_true")
    arguments = parser.parse_args()
    main(arguments.maps, arguments.side, arguments.runs, arguments.slider, arguments.profile)
