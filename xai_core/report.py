"""What leaves the program: a map as arrays, a picture and a JSON sidecar. No patient's name and no file's name goes along."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from xai_core.case import Case
from xai_core.explain import Explanation
from xai_core.render import Grey, MapSheet, Overlay, View, composite, map_on_screen, map_sheet, paint


def picture(case: Case, explanation: Explanation, overlay: Overlay | None = None) -> NDArray[np.uint8]:
    """The film with the map over it at one pixel a sample, (H, W, 3) RGB, as the viewer draws it."""
    height, width = case.space
    view = View((height, width), 1.0, (height - 1) / 2, (width - 1) / 2)
    return drawn(case, explanation, view, overlay or Overlay())


def miniature(case: Case, explanation: Explanation | None, side: int = 320) -> NDArray[np.uint8]:
    """The film, with the map over it where one is given, its longer side ``side`` pixels: (h, w, 3) RGB."""
    height, width = case.space
    scale = side / max(height, width)
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    return drawn(case, explanation, View(size, scale, (height - 1) / 2, (width - 1) / 2), Overlay())


def heat_map(case: Case, explanation: Explanation, overlay: Overlay, side: int = 320) -> NDArray[np.uint8]:
    """The map alone, its longer side ``side`` pixels, (h, w, 3) RGB: every cell in its colour, zero too, nothing of the film."""
    height, width = case.space
    scale = side / max(height, width)
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    mapped = _sheet(explanation)
    shares = map_on_screen(mapped, case.space, View(size, scale, (height - 1) / 2, (width - 1) / 2), overlay.smooth)
    colours, _ = paint(shares, mapped.sheet.scale, mapped.is_signed, overlay)
    return np.asarray(np.floor(colours + 0.5), dtype=np.uint8)


def sidecar(explanation: Explanation) -> dict[str, Any]:
    """Everything about a map but its samples, ready for JSON."""
    badge = explanation.badge
    return {
        "explainer": explanation.explainer,
        "target": explanation.target,
        "model": explanation.model,
        "case": explanation.case_digest,
        "unit": explanation.unit,
        "account": explanation.account,
        "badge": {"level": badge.level, "word": badge.word, "sentences": list(badge.sentences)},
        "seconds": explanation.seconds,
        "provenance": dict(explanation.provenance),
    }


def save(case: Case, explanation: Explanation, folder: Path) -> dict[str, Path]:
    """Write ``EXPLAINER-TARGET`` .npy (the map on the case's grid), .png and .json into ``folder``; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{explanation.explainer}-{explanation.target}".replace(" ", "-").replace("/", "-").lower()
    paths = {kind: folder / f"{stem}.{kind}" for kind in ("npy", "png", "json")}
    np.save(paths["npy"], explanation.map, allow_pickle=False)
    paths["json"].write_text(json.dumps(sidecar(explanation), indent=2) + "\n", encoding="utf-8")
    if case.kind == "film":
        cv2.imwrite(str(paths["png"]), picture(case, explanation)[..., ::-1])
    else:
        del paths["png"]
    return paths


def drawn(case: Case, explanation: Explanation | None, view: View, overlay: Overlay) -> NDArray[np.uint8]:
    """The film under ``view`` in its first window, with the map over it where one is given: (h, w, 3) RGB."""
    window = case.facts["windows"][0]
    grey = Grey(window.center, window.width)
    if explanation is None:
        return composite(case, view, grey)
    return composite(case, view, grey, _sheet(explanation), overlay)


def _sheet(explanation: Explanation) -> MapSheet:
    grid = explanation.grid
    return MapSheet(map_sheet(explanation.shown), tuple(grid.scale), tuple(grid.offset), explanation.is_signed)  # type: ignore[arg-type]
