"""From a case and panes to what the browser is given: JSON with addresses, each buffer sent once.

A buffer (samples, a map's float16 shares, a look-up table, an outline) is put among the server's media files, whose
address is the hash of its content: unchanged content, unchanged address, nothing fetched. Registered anew on every
run, it stays alive as long as the pane does. This module alone knows of Streamlit's media files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from streamlit.runtime import get_instance

from components.viewer.outline import outline
from components.viewer.packing import Send, once, packed
from components.viewer.pane import Pane
from components.viewer.volume import volume_parts
from xai_core.case import Case, Region
from xai_core.render import case_sheet, map_sheet

# The case's own part, each pane's map, the contours.
Parts = tuple[dict[str, Any], list[dict[str, Any] | None], list[dict[str, Any]]]


def payload(
    case: Case, panes: Sequence[Pane], key: str, settings: dict[str, Any], contours: Sequence[Region]
) -> dict[str, Any]:
    """The component's data. Lengths and places are of the stored samples; values are what stands beside the picture."""

    def send(blob: bytes, place: str) -> str:
        return get_instance().media_file_mgr.add(blob, "application/octet-stream", f"viewer {key} {place}")

    own, maps, outlined = _PARTS[case.kind](case, panes, contours, send)
    return {
        "key": key,
        "case": _case(case) | own,
        "panes": [_pane(case, pane) | {"map": sent} for pane, sent in zip(panes, maps, strict=True)],
        "contours": outlined,
        "settings": settings,
    }


def _case(case: Case) -> dict[str, Any]:
    facts = case.facts
    return {
        "kind": case.kind,
        "digest": case.digest,
        "isInverted": case.is_inverted,
        "slope": float(facts.get("slope", 1.0)),
        "intercept": float(facts.get("intercept", 0.0)),
        "unit": str(facts.get("unit", "")),
        "spacingKind": str(facts.get("spacing_kind", "")),
        "title": " ".join(str(facts[name]) for name in ("modality", "view") if facts.get(name)),
        "isSimulated": bool(facts.get("simulated", False)),
    }


def _pane(case: Case, pane: Pane) -> dict[str, Any]:
    return {
        "id": pane.id,
        "title": pane.title,
        "lines": list(pane.lines),
        "state": pane.state,
        "share": round(float(pane.share), 4),
        "message": pane.message,
        "isSigned": pane.is_signed,
        "unit": pane.unit,
        "badge": {"level": pane.badge_level, "word": pane.badge_word, "sentences": list(pane.badge_sentences)},
        "previous": pane.previous,
        "caseDigest": pane.case_digest or case.digest,
    }


def _film_parts(case: Case, panes: Sequence[Pane], contours: Sequence[Region], send: Send) -> Parts:
    sheet = once(case.pixels, "samples", lambda: packed(case_sheet(case)))
    facts = case.facts
    voi = facts.get("voi_lut")
    own = {
        "shape": list(case.space[-2:]),
        "samples": {"url": send(sheet.blob, "film"), "type": sheet.type_name},
        "base": sheet.base,
        "step": sheet.step,
        "windows": [{"name": w.name, "center": w.center, "width": w.width} for w in facts.get("windows", ())],
        "voi": None
        if voi is None
        else {"first": float(voi[0]), "url": send(np.asarray(voi[1], np.float32).tobytes(), "voi")},
        "letters": list(case.geometry.letters),
        "spacing": None if case.geometry.spacing_mm is None else list(case.geometry.spacing_mm[-2:]),
    }
    return own, [_film_map(case, pane, send) for pane in panes], [_contour(region, send) for region in contours]


def _film_map(case: Case, pane: Pane, send: Send) -> dict[str, Any] | None:
    values = pane.map
    if values is None or (pane.case_digest or case.digest) != case.digest:
        return None
    sheet = once(values, "map", lambda: packed(map_sheet(np.asarray(values).reshape(values.shape[-2:]))))
    return {
        "url": send(sheet.blob, f"map {pane.id}"),
        "shape": list(values.shape[-2:]),
        "scale": sheet.scale,
        "gridScale": [float(step) for step in pane.grid_scale[-2:]],
        "gridOffset": [float(start) for start in pane.grid_offset[-2:]],
    }


def _contour(region: Region, send: Send) -> dict[str, Any]:
    lines = once(region.mask, "outline", lambda: outline(region.mask).tobytes())
    return {"name": region.name, "url": send(lines, f"contour {region.name}")}


_PARTS: dict[str, Callable[[Case, Sequence[Pane], Sequence[Region], Send], Parts]] = {
    "film": _film_parts,
    "volume": volume_parts,
}
