"""From a case and panes to what the browser is given: JSON with addresses, each buffer sent once.

A buffer (samples, a map's float16 shares, a look-up table, an outline) is put among the server's media files, whose
address is the hash of its content: unchanged content, unchanged address, nothing fetched. Registered anew on every
run, it stays alive as long as the pane does. This module alone knows of Streamlit's media files.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from streamlit.runtime import get_instance

from components.viewer.outline import outline
from components.viewer.pane import Pane
from xai_core.case import Case, Region
from xai_core.render import Sheet, case_sheet, map_sheet

Send = Callable[[bytes, str], str]


def payload(
    case: Case, panes: Sequence[Pane], key: str, settings: dict[str, Any], contours: Sequence[Region]
) -> dict[str, Any]:
    """The component's data. Lengths and places are of the stored samples; values are what stands beside the picture."""

    def send(blob: bytes, place: str) -> str:
        return get_instance().media_file_mgr.add(blob, "application/octet-stream", f"viewer {key} {place}")

    return {
        "key": key,
        "case": _case(case, send),
        "panes": [_pane(case, pane, send) for pane in panes],
        "contours": [_contour(region, send) for region in contours],
        "settings": settings,
    }


def _case(case: Case, send: Send) -> dict[str, Any]:
    packed = _once(case.pixels, "samples", lambda: _packed(case_sheet(case)))
    facts = case.facts
    voi = facts.get("voi_lut")
    return {
        "digest": case.digest,
        "shape": list(case.space[-2:]),
        "samples": {"url": send(packed.blob, "film"), "type": packed.type_name},
        "base": packed.base,
        "step": packed.step,
        "isInverted": case.is_inverted,
        "windows": [{"name": w.name, "center": w.center, "width": w.width} for w in facts.get("windows", ())],
        "voi": None
        if voi is None
        else {"first": float(voi[0]), "url": send(np.asarray(voi[1], np.float32).tobytes(), "voi")},
        "slope": float(facts.get("slope", 1.0)),
        "intercept": float(facts.get("intercept", 0.0)),
        "unit": str(facts.get("unit", "")),
        "letters": list(case.geometry.letters),
        "spacing": None if case.geometry.spacing_mm is None else list(case.geometry.spacing_mm[-2:]),
        "spacingKind": str(facts.get("spacing_kind", "")),
        "title": " ".join(str(facts[name]) for name in ("modality", "view") if facts.get(name)),
        "isSimulated": bool(facts.get("simulated", False)),
    }


def _pane(case: Case, pane: Pane, send: Send) -> dict[str, Any]:
    plain: dict[str, Any] = {
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
        "map": None,
    }
    if pane.map is not None and plain["caseDigest"] == case.digest:
        values = pane.map
        packed = _once(values, "map", lambda: _packed(map_sheet(np.asarray(values).reshape(values.shape[-2:]))))
        plain["map"] = {
            "url": send(packed.blob, f"map {pane.id}"),
            "shape": list(values.shape[-2:]),
            "scale": packed.scale,
            "gridScale": [float(step) for step in pane.grid_scale[-2:]],
            "gridOffset": [float(start) for start in pane.grid_offset[-2:]],
        }
    return plain


def _contour(region: Region, send: Send) -> dict[str, str]:
    lines = _once(region.mask, "outline", lambda: outline(region.mask).tobytes())
    return {"name": region.name, "url": send(lines, f"contour {region.name}")}


@dataclass(frozen=True)
class _Packed:
    """A sheet without its array: what is kept must not hold on to what it was made of."""

    blob: bytes
    type_name: str
    base: float
    step: float
    scale: float


def _packed(sheet: Sheet) -> _Packed:
    return _Packed(sheet.codes.tobytes(), sheet.codes.dtype.name, sheet.base, sheet.step, sheet.scale)


# What was made of an array is kept as long as the array itself: reruns then cost nothing.
_MADE: dict[tuple[int, str], Any] = {}


def _once(array: NDArray[Any], what: str, make: Callable[[], Any]) -> Any:
    name = (id(array), what)
    if name not in _MADE:
        made = make()
        weakref.finalize(array, _MADE.pop, name, None)
        _MADE[name] = made
    return _MADE[name]
