"""Checks of how the film was taken and stored: grey levels, cut ends, sharpness, marks on it.

Limits are those of the films that the models were taught on; see the card ``film-quality``.
"""

from __future__ import annotations

from xai_core.quality.film import Seen, check
from xai_core.quality.verdict import InputFinding


@check
def has_grey_levels(film: Seen) -> InputFinding | None:
    if film.pixels.levels >= film.limits["levels"][0]:
        return None
    return InputFinding(
        "caution",
        "few grey levels",
        f"The film has only {film.pixels.levels:.0f} grey levels, as when it is underexposed or stored with too few bits.",
        remedy="Open the original file: what was lost here cannot be seen by a model.",
    )


@check
def keeps_both_ends(film: Seen) -> InputFinding | None:
    ends = {"dark": "black", "bright": "white"}
    cut = {
        word: getattr(film.pixels, name)
        for name, word in ends.items()
        if getattr(film.pixels, name) > film.limits[name][1]
    }
    if not cut:
        return None
    told = " and ".join(f"{share:.0%} of it {word}" for word, share in cut.items())
    return InputFinding(
        "caution",
        "clipped",
        f"The grey values around the lungs are cut off, {told}, as when a narrow window was burned in.",
        remedy="Open the original file.",
    )


@check
def is_fine_enough(film: Seen) -> InputFinding | None:
    if film.pixels.side < film.limits["side"][0]:
        found = f"The lungs span only {film.pixels.side:.0f} pixels, fewer than on the films that taught the models."
    elif film.pixels.sharpness < film.limits["sharpness"][0]:
        found = "The film is more blurred than those that taught the models, as when it was enlarged from a small copy."
    else:
        return None
    return InputFinding("caution", "low resolution", found, remedy="Open the original file.")


@check
def bears_marks(film: Seen) -> InputFinding | None:
    """Most films bear a letter or a wire; only more than usual is worth a word of warning."""
    count = int(film.pixels.marks)
    if count == 0:
        return None
    told = f"{count} bright mark{'s' * (count > 1)} like letters, wires or clips lie around the lungs; a model may read them."
    if count <= film.limits["marks"][1]:
        return InputFinding("good", "", told)
    return InputFinding("caution", "marks", told, remedy="See whether a map lies on them.")
