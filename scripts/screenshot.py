"""Take the picture at the top of the README: the landing page of a fresh server, its four maps there.

python scripts/screenshot.py [--out docs/screenshot.webp]     (needs chromium)
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import cv2
import numpy as np
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answering(port: int, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2):
                return
        except OSError:
            time.sleep(0.3)
    raise TimeoutError("the server did not start")


def take(out: Path, width: int, height: int, scheme: str) -> None:
    """One picture of the landing page, as WebP of at most 300 kB."""
    port = free_port()
    with tempfile.TemporaryDirectory() as cache:
        environment = {
            **os.environ,
            "LIGHTBOX_CACHE": cache,
            "STREAMLIT_SERVER_HEADLESS": "true",
            "STREAMLIT_SERVER_PORT": str(port),
        }
        server = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "app.py"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL
        )
        try:
            answering(port, 60)
            with sync_playwright() as play:
                browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=QUIET)
                page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
                page.goto(f"http://127.0.0.1:{port}/")
                page.wait_for_function(
                    "() => { const s = []; const seek = (n) => { n.querySelectorAll('*').forEach((e) => {"
                    " if (e.dataset?.pane) s.push(e.dataset.state); if (e.shadowRoot) seek(e.shadowRoot); }); };"
                    " seek(document); return s.length > 4 && s.every((x) => x === 'ready'); }",
                    timeout=180_000,
                    polling=400,
                )
                page.wait_for_timeout(800)
                shot = page.screenshot()
                browser.close()
        finally:
            server.terminate()
            server.wait(20)
    picture = cv2.imdecode(np.frombuffer(shot, np.uint8), cv2.IMREAD_COLOR)
    out.parent.mkdir(parents=True, exist_ok=True)
    for quality in (85, 75, 65, 55):
        cv2.imwrite(str(out), picture, [cv2.IMWRITE_WEBP_QUALITY, quality])
        if out.stat().st_size <= 300_000:
            return


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "screenshot.webp")
    parser.add_argument("--width", type=int, default=1440)
    parser.add_argument("--height", type=int, default=900)
    parser.add_argument("--scheme", choices=("dark", "light"), default="dark")
    arguments = parser.parse_args()
    take(arguments.out, arguments.width, arguments.height, arguments.scheme)
