"""Where models lie: the shelf of the checkout, and the folders of the person who uses it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import platformdirs

SHELF = Path(__file__).resolve().parents[2] / "weights"
"""The shipped weights, their manifest and cards."""


def data_folder() -> Path:
    """The person's own data of this program: ``$LIGHTBOX_DATA``, else where the operating system keeps such."""
    chosen = os.environ.get("LIGHTBOX_DATA", "").strip()
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_data_dir("lightbox", appauthor=False))


def models_folder() -> Path:
    """Folders of one's own models, one each: ``$LIGHTBOX_MODELS``, else ``models`` in :func:`data_folder`."""
    chosen = os.environ.get("LIGHTBOX_MODELS", "").strip()
    return Path(chosen).expanduser() if chosen else data_folder() / "models"


def downloads_folder() -> Path:
    """Files as their publishers name them, fetched or put there by hand: ``downloads`` in :func:`data_folder`."""
    return data_folder() / "downloads"


def safe_name(text: str) -> str:
    """``text`` as the name of a model and of its folder: small letters, digits and '-'; never a path, never empty."""
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:48].strip("-")
    return plain or "model"
