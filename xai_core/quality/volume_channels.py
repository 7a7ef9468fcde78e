"""Checks of a volume's channels: empty ones, few grey levels, cut ends, the same image twice, and names that do not fit the image."""

from __future__ import annotations

import itertools

from xai_core.quality.verdict import InputFinding
from xai_core.quality.volume import LOOKS, LOOKS_OF, SeenVolume, volume_check
from xai_core.quality.volume_measures import ENHANCING
from xai_core.readers.names import canonical

LEAST_COVER = 0.8
"""Share of the head that a channel fills; the volumes at hand have 0.99 and more."""
LEAST_LEVELS = 20.0
"""Different values in the head; the coarsest volume at hand has 36."""
MOST_AT_TOP = 0.01
"""Share of the head at the greatest value; the volumes at hand have 0.003 at most."""
LESS_ENHANCED = -0.15
"""How much T1post outshines T1, in medians; the eight volumes at hand have 0.29 to 0.99."""
NAME_THEM = "Give each file its own modality and open them again."


@volume_check
def every_channel_is_there(volume: SeenVolume) -> InputFinding | None:
    covers = {name: channel.cover for name, channel in volume.measured.channels.items()}
    name = min(covers, key=covers.__getitem__)
    if covers[name] >= LEAST_COVER:
        return None
    told = "is empty" if covers[name] < 0.01 else f"covers only {covers[name]:.0%} of the head"
    return InputFinding("bad", "channel missing", f"{name} {told}.", remedy="Choose a complete file for it.")


@volume_check
def no_image_stands_twice(volume: SeenVolume) -> InputFinding | None:
    if not volume.measured.alike:
        return None
    first, second = volume.measured.alike[0]
    return InputFinding("bad", "same image twice", f"{first} and {second} hold the same image.", remedy=NAME_THEM)


@volume_check
def channels_look_like_their_names(volume: SeenVolume) -> InputFinding | None:
    """Two that each look like the other's name are exchanged; one alone may also be a rare sequence."""
    may = {name: LOOKS_OF[canonical(name)] for name in volume.looks if canonical(name) in LOOKS_OF}
    wrong = [name for name, looks in may.items() if volume.looks[name] not in looks]
    for first, second in itertools.combinations(may, 2):
        fits = volume.looks[first] in may[second] and volume.looks[second] in may[first]
        if fits and {first, second} & set(wrong) and volume.looks[first] != volume.looks[second]:
            return InputFinding("bad", "exchanged", f"{first} and {second} look exchanged.", remedy=NAME_THEM)
    if not wrong:
        return None
    look = volume.looks[wrong[0]]
    return InputFinding(
        "caution",
        "other sequence",
        f"{wrong[0]} does not look like one: {LOOKS[look].words}, as on {look}.",
        remedy="Check that the file is of this modality.",
    )


@volume_check
def contrast_is_where_it_was_given(volume: SeenVolume) -> InputFinding | None:
    names = {canonical(name): name for name in volume.measured.channels}
    enhanced = volume.measured.enhanced
    if enhanced is None or enhanced > LESS_ENHANCED or channels_look_like_their_names(volume) is not None:
        return None
    first, second = (names[name] for name in ENHANCING)
    return InputFinding(
        "bad", "exchanged", f"{second} and {first} look exchanged: vessels are brighter on {second}.", remedy=NAME_THEM
    )


@volume_check
def has_grey_levels(volume: SeenVolume) -> InputFinding | None:
    levels = {name: channel.levels for name, channel in volume.measured.channels.items()}
    name = min(levels, key=levels.__getitem__)
    if levels[name] >= LEAST_LEVELS:
        return None
    return InputFinding(
        "caution",
        "few grey levels",
        f"{name} has only {levels[name]:.0f} grey levels in the head.",
        remedy="Open the original file: what was lost here cannot be seen by a model.",
    )


@volume_check
def keeps_its_bright_end(volume: SeenVolume) -> InputFinding | None:
    tops = {name: channel.top for name, channel in volume.measured.channels.items()}
    name = max(tops, key=tops.__getitem__)
    if tops[name] <= MOST_AT_TOP:
        return None
    return InputFinding(
        "caution",
        "clipped",
        f"{tops[name]:.0%} of the head has the greatest value of {name}, as when a narrow window was burned in.",
        remedy="Open the original file.",
    )
