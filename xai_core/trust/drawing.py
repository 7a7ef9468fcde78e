"""Checks of the map as it is drawn: holds numbers, holds anything, holds more than one pixel, and lies on the lungs or the head."""

from __future__ import annotations

import numpy as np

from xai_core.trust.badge import Evidence, Finding, check

MOST = 0.5
"""From this share of a map's mass on, one pixel holds most of it."""
FEWEST_PIXELS = 64
"""Inputs of fewer samples are no pictures: there one of them may well hold most."""
FLAT = 1e-3
"""Greatest difference, as a share of the greatest value, of a map that is the same everywhere."""
NEXT_TO_NOTHING = 0.01
"""Logits (or this share of a greater logit): less moves a probability by less than a quarter of a percent."""


@check
def finite(evidence: Evidence) -> Finding | None:
    if np.isfinite(evidence.raw).all():
        return None
    return Finding("bad", "not finite", "The map holds NaN or infinite values and must not be read.")


@check
def not_empty(evidence: Evidence) -> Finding | None:
    if np.any(evidence.raw != 0):
        return None
    return Finding("bad", "empty", "The map is zero everywhere: this method found nothing for this target.")


@check
def more_than_a_trace(evidence: Evidence) -> Finding | None:
    """Class activation maps from gradients add up, over the layer's own grid, to logits."""
    info = evidence.info
    reads_gradient = info.family == "CAM" and "linearisation" in info.taxonomy and info.reduce == "mean"
    if not reads_gradient or "grid" not in evidence.facts or not np.any(evidence.raw != 0):
        return None
    cells = np.prod([int(size) for size in str(evidence.facts["grid"]).split(" x ")])
    whole = float(np.abs(evidence.shown.astype(np.float64)).mean() * cells)
    if whole >= NEXT_TO_NOTHING * max(1.0, abs(evidence.explained)):
        return None
    return Finding(
        "caution",
        "a trace",
        f"All that the map shows adds up to {whole:.2g}, of a logit of {evidence.explained:.3g}: "
        "its colours are stretched over next to nothing.",
    )


@check
def no_spike(evidence: Evidence) -> Finding | None:
    size = np.abs(evidence.shown.astype(np.float64))
    whole = float(size.sum())
    if size.size < FEWEST_PIXELS or not 0 < whole < np.inf or float(size.max()) <= MOST * whole:
        return None
    return Finding(
        "caution",
        "a spike",
        f"One pixel holds {float(size.max()) / whole:.0%} of the map; beside it everything else is drawn as if it were nothing.",
    )


@check
def not_flat(evidence: Evidence) -> Finding | None:
    shown = evidence.shown
    if shown.size < FEWEST_PIXELS or "modalities" in evidence.facts or not np.isfinite(shown).all():
        return None
    greatest = float(np.abs(shown).max())
    if greatest == 0 or float(shown.max()) - float(shown.min()) > FLAT * greatest:
        return None
    return Finding("caution", "flat", "The map has the same value everywhere: it does not say where.")


@check
def lies_on_the_lungs(evidence: Evidence) -> Finding | None:
    inside = evidence.facts.get("mass_inside_lungs")
    if not isinstance(inside, float) or inside != inside:
        return None
    if inside < 0.5:
        return Finding(
            "caution",
            "outside lungs",
            f"{1 - inside:.0%} of what speaks for the target lies outside the lungs: the model may have used the frame.",
        )
    return Finding("good", "on the lungs", f"{inside:.0%} of what speaks for the target lies within the lungs.")


@check
def lies_on_the_head(evidence: Evidence) -> Finding | None:
    inside, share = evidence.facts.get("mass_inside_head"), evidence.facts.get("head_share")
    if not isinstance(inside, float) or not isinstance(share, float) or inside != inside:
        return None
    told = f"{1 - inside:.0%} of what speaks for the target lies outside the head, on the {1 - share:.0%} of the image around it"
    if inside < share:
        return Finding(
            "caution", "outside the head", f"{told}: no less than chance would put there; the frame may have been read."
        )
    return Finding("good", "", f"{told}.")
