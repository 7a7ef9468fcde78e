"""What several tests share: the reference data beside the checkout, a browser, the packaged cases.

A test that needs something this machine lacks skips and says why; where ``CI=true`` such a skip is a failure,
so that a green run there has really run everything.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parents[1]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def absent(reason: str) -> NoReturn:
    """Skip with ``reason``; under ``CI=true`` fail with it."""
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"{reason} Under CI=true this is a failure, not a skip.", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """``shared/data`` beside the checkout (or the folder named by ``LIGHTBOX_SHARED``)."""
    folder = Path(os.environ.get("LIGHTBOX_SHARED") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        absent("The reference data (../shared/data, or the folder in LIGHTBOX_SHARED) are not here.")
    return folder


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium for browser tests (or the program named by ``LIGHTBOX_CHROMIUM``)."""
    named = os.environ.get("LIGHTBOX_CHROMIUM")
    found = next((path for name in ([named] if named else BROWSERS) if (path := shutil.which(name))), None)
    if found is None:
        absent("No chromium is installed (or named by LIGHTBOX_CHROMIUM).")
    return found
