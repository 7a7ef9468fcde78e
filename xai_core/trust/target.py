"""Checks of the target: whether the map is its own, and whether the network still answers to small changes there."""

from __future__ import annotations

import numpy as np

from xai_core.trust.badge import Evidence, Finding, check
from xai_core.trust.drawing import NEXT_TO_NOTHING

CERTAIN = float(np.finfo(np.float32).eps)
"""Nearer to 0 or 1 than this, a probability is there to float precision."""


@check
def speaks_for_the_target(evidence: Evidence) -> Finding | None:
    if not evidence.info.target_dependent:
        return Finding("caution", "not of this target", "This method shows the same map for every target.")
    if evidence.explained < 0 and evidence.info.is_signed:
        return Finding(
            "good", "absent", "The model says no to this target: warm colours speak for it, cold ones against it."
        )
    return None


@check
def not_saturated(evidence: Evidence) -> Finding | None:
    """A logit never saturates; what a change does to the probability does."""
    probability = evidence.probability
    if probability is None or min(probability, 1 - probability) >= CERTAIN:
        return None
    told = f"The probability is {round(probability)} to the last digit"
    if evidence.unit == "probability":
        return Finding(
            "caution",
            "saturated",
            f"{told}: hiding parts hardly moves it, and this map counts just that. Choose the logit as the score.",
        )
    return Finding("good", "", f"{told}: the map tells what moves the logit, the probability would not follow.")


@check
def answers_to_the_image(evidence: Evidence) -> Finding | None:
    """The first-order bound: sum |d logit / d x| times the range of x."""
    reach = evidence.gradient_reach
    if reach is None or reach >= NEXT_TO_NOTHING * max(1.0, abs(evidence.explained)):
        return None
    return Finding(
        "caution",
        "vanishing gradient",
        f"The gradient is all but zero here: by it, the logit of {evidence.explained:.3g} would move by at most {reach:.2g} "
        "if every pixel ran through its whole range. What is built on it says little; compare with occlusion.",
    )
