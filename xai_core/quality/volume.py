"""The judge of brain volumes: is this a brain MR, do its channels hold what their names say, does it lie as its file says.

Limits come from all volumes with their own modalities that the shared data hold: three patients with multiple sclerosis and five with
glioma (FLAIR, T1, T1post, T2, skull-stripped), one with stroke (DWI, ADC), one T2 and one T1 of a whole head. Each lies between what
these show and what they show when laid or named wrong, so on these eleven nothing is said of any; how it goes when they are
degraded, and what is caught, is in ``weights/cards/volume-quality.md``. Eleven volumes do not tell how often a limit is wrong.

White matter lies among the brightest on T1, in the middle on FLAIR and among the darkest on T2; fluid is dark on T1 and
FLAIR and bright on T2 (any textbook of neuroradiology).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from xai_core.case import Case
from xai_core.models import Model
from xai_core.models.card import Card
from xai_core.quality.verdict import InputFinding, Quality, findings_of, judge
from xai_core.quality.volume_measures import Channel, Measured, measured
from xai_core.readers.names import canonical

UNSEEN = (
    "Only that the head lies side to side as the file says is checked: whether left and right, front and back, or top and bottom "
    "are exchanged, cannot be told."
)


@dataclass(frozen=True)
class Look:
    """How a kind of image looks: whether fluid is bright, between which shares of the middle of the head white matter lies, and
    ``words`` for it."""

    is_fluid_bright: bool
    white: tuple[float, float]
    words: str


LOOKS: Mapping[str, Look] = {
    "T1": Look(False, (0.60, 1.0), "fluid is dark and white matter bright"),
    "FLAIR": Look(False, (0.40, 0.575), "fluid is dark and white matter no brighter than the rest"),
    "T2": Look(True, (0.0, 0.37), "fluid is bright and white matter dark"),
}
"""Shares measured: T1 and T1post 0.62 to 0.83, FLAIR and DWI 0.42 to 0.57, T2 and ADC 0.14 to 0.36; between them nothing is said."""
LOOKS_OF: Mapping[str, tuple[str, ...]] = {
    "T1": ("T1",),
    "T1post": ("T1", "FLAIR"),
    "FLAIR": ("FLAIR",),
    "DWI": ("FLAIR", "T1"),
    "T2": ("T2",),
    "ADC": ("T2",),
}
"""The looks that each modality may have, its own first: contrast and noise take white matter's lead on T1post from it."""
DARK, BRIGHT = 0.15, 0.9
"""Share of the middle darker than fluid, where fluid is dark (measured: at most 0.09) and where it is bright (at least 0.97)."""


@dataclass(frozen=True)
class SeenVolume:
    """What the checks may look at: the ``case``, the ``card`` of the model to be asked, what was ``measured`` of those of its
    channels that the model reads (all where it reads none), and ``looks``: the look of each such channel where it has a clear one."""

    case: Case
    card: Card
    measured: Measured
    looks: Mapping[str, str]


VolumeCheck = Callable[[SeenVolume], InputFinding | None]
VOLUME_CHECKS: list[VolumeCheck] = []


def volume_check(function: VolumeCheck) -> VolumeCheck:
    """Register a check; its name marks what it finds."""
    VOLUME_CHECKS.append(function)
    return function


@judge("MR")
def judge_volume(case: Case, model: Model) -> Quality | None:
    """Judge a volume by what is known of brain MR, and by what the card says of the heads that ``model`` knows; None for an image that
    is no volume."""
    if case.kind != "volume":
        return None
    volume = seen_volume(case, model.card)
    return Quality(findings_of(VOLUME_CHECKS, volume), None, (UNSEEN,), _numbers(volume))


def seen_volume(case: Case, card: Card) -> SeenVolume:
    """All that is known of a volume, for the checks."""
    wanted = {canonical(name) for name in card.channels}
    names = [name for name in case.channels if canonical(name) in wanted] or list(case.channels)
    found = measured(case, names)
    looks = {name: look for name, channel in found.channels.items() if (look := look_of(channel)) is not None}
    return SeenVolume(case, card, found, looks)


def look_of(channel: Channel) -> str | None:
    """The kind of image that a channel clearly looks like, or None."""
    is_bright, is_dark = channel.fluid >= BRIGHT, channel.fluid <= DARK
    return next(
        (
            name
            for name, look in LOOKS.items()
            if (is_bright if look.is_fluid_bright else is_dark) and look.white[0] <= channel.white <= look.white[1]
        ),
        None,
    )


def _numbers(volume: SeenVolume) -> dict[str, float | str]:
    """What was measured, by name; of channels as "T1: white"."""
    found = volume.measured
    numbers: dict[str, float | str] = {
        "head_ml": found.head_ml,
        "head_share": found.head_share,
        "air": found.air,
        "side_mm": found.side_mm,
        "likeness": "not known" if found.likeness is None else found.likeness,
    }
    for name, channel in found.channels.items():
        numbers[f"{name}: look"] = volume.looks.get(name, "not clear")
        for measure in ("fluid", "white", "levels", "top", "cover", "dip"):
            numbers[f"{name}: {measure}"] = float(getattr(channel, measure))
    return numbers
