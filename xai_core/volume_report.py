"""One page about a volume and its maps: the case without its patient, the model, what it found in ml, key slices, badges.

HTML that needs nothing beside it: pictures are inside, no script, no other host. Text that came from files is escaped.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jinja2 import Environment

from xai_core.case import Case, Region
from xai_core.explain import Explanation
from xai_core.hung import Hung, hung
from xai_core.modalities import shares
from xai_core.mosaic import Picture, key_slices, mosaic, plane_named, png_of
from xai_core.sentences import MEANING, PURPOSE
from xai_core.volume_findings import VolumeFinding

if TYPE_CHECKING:
    from xai_core.models.card import Card

TEMPLATE = Path(__file__).with_name("volume_report.html")
SLICES = 4


def volume_report(
    case: Case,
    card: Card,
    findings: Sequence[VolumeFinding],
    explanations: Sequence[Explanation],
    target: str,
    truth: Region | None = None,
) -> str:
    """The report as one HTML page. ``findings`` of the model ``card``, ``explanations`` of its label ``target``."""
    found = next((one for one in findings if one.label == target), None)
    predicted = found.region if found is not None and found.parts else None
    regions = [region for region in (predicted, truth) if region is not None]
    cut = plane_named(case)
    numbers = key_slices(case, cut, regions[0].mask if regions else None, SLICES)
    maps = []
    for explanation in explanations:
        placed = hung(explanation, case, card.channels)
        channel = _strongest(placed)
        drawn = mosaic(case, cut, numbers, channel, placed, explanation.is_signed, regions)
        badge = explanation.badge
        maps.append(
            {
                "explainer": explanation.explainer,
                "where": ", ".join(part for part in (explanation.target, explanation.region) if part),
                "seconds": f"{explanation.seconds:.1f}",
                "unit": explanation.unit,
                "modality": case.channels[channel],
                "shares": _shares(case, placed),
                "level": badge.level,
                "word": badge.word,
                "sentences": badge.sentences,
                "picture": _embedded(drawn),
            }
        )
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(TEMPLATE.read_text("utf-8")).render(
        purpose=PURPOSE,
        meaning=MEANING,
        facts=_facts(case),
        card=card,
        target=target,
        findings=[one for one in findings if one.parts] or findings,
        maps=maps,
        image=_embedded(mosaic(case, cut, numbers, 0, None, True, regions)),
        outlines=[("predicted", "#56b4e9")] * (predicted is not None)
        + [("given", "#e69f00" if predicted is not None else "#56b4e9")] * (truth is not None),
        modality=case.channels[0],
        weights=next((str(one.provenance.get("weights", ""))[:16] for one in explanations), ""),
        versions=next((one.provenance.get("versions", {}) for one in explanations), {}),
    )


def _facts(case: Case) -> list[tuple[str, str]]:
    """What is known of the case and of no person."""
    geometry = case.geometry
    spacing = "not stated" if geometry.spacing_mm is None else " x ".join(f"{s:.3g}" for s in geometry.spacing_mm[::-1])
    return [
        ("Modalities", ", ".join(case.channels)),
        ("Voxels (i x j x k)", " x ".join(str(size) for size in case.space[::-1])),
        ("Spacing, mm", spacing),
        ("Axes grow towards", ", ".join(geometry.letters[::-1]) or "not stated"),
        ("Digest", case.digest[:16]),
        *(("Read with", str(line)) for line in case.facts.get("messages", ())),
    ]


def _strongest(placed: Hung) -> int:
    """The modality that holds most of the map; the first where all share one."""
    return 0 if placed.values.ndim == 3 else int(np.nan_to_num(shares(placed.values)).argmax())


def _shares(case: Case, placed: Hung) -> str:
    if placed.values.ndim == 3:
        return ""
    return ", ".join(f"{name} {share:.0%}" for name, share in zip(case.channels, shares(placed.values), strict=True))


def _embedded(picture: Picture) -> str:
    return f"data:image/png;base64,{base64.b64encode(png_of(picture)).decode()}"
