"""Checks of what a volume is and how it lies: no brain MR at all, another size, axes that are not what the file says, skull, slices.

The first kind of ``VOLUME_KINDS`` that holds decides, so that one sentence is said and not five.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from xai_core.head import SCALINGS
from xai_core.quality.verdict import InputFinding
from xai_core.quality.volume import SeenVolume, volume_check
from xai_core.trust import Level

HOUNSFIELD = -500.0
"""A least value below this is air in Hounsfield units (-1000); MR magnitudes are not negative."""
HEADS = ("HEAD", "BRAIN", "SKULL", "CRANI", "NEURO", "KOPF", "SCHAEDEL")
RELATED = 0.5
"""Correlation of neighbouring voxels below which a volume is noise; the volumes at hand have 0.87 and more."""
FEWEST_LEVELS = 8
MOST_HEAD = 0.9
"""Share of the volume that the head fills; the volumes at hand have 0.69 at most."""
SIZES_ML = (600.0, 7000.0)
"""From half an adult's intracranial volume (1,100 to 1,900 ml) to a head with its neck."""
SIDES_MM = (100.0, 400.0)
BRAIN_ML = 2000.0
"""More than nearly any brain; whole heads at hand have 2,800 and 3,500 ml, stripped ones 1,100 to 1,500."""
RING = 0.75
"""A ring below the surface darker than this is skull: whole heads at hand have 0.50 and 0.64, stripped ones 0.84 and more."""
UNLIKE = -0.03
"""Overlap with the mirror image from side to side less that along another axis; the volumes at hand have 0.05 and more."""
LEAST_AIR = 0.2
"""Share of air set to one value, from which on a head without a ring is one without skull; stripped volumes at hand have 0.6."""
COARSE = 2.0
"""Times the model's spacing from which on detail between slices is missing."""
ASIDE = "Leave the findings and the maps aside, or open a brain MR."


@dataclass(frozen=True)
class VolumeKind:
    """What a volume is taken for where ``holds``."""

    word: str
    level: Level
    holds: Callable[[SeenVolume], bool]
    sentence: str
    remedy: str


def _is_other_modality(volume: SeenVolume) -> bool:
    return str(volume.case.facts.get("modality", "") or "MR") != "MR"


def _is_hounsfield(volume: SeenVolume) -> bool:
    return volume.measured.least < HOUNSFIELD


def _is_elsewhere(volume: SeenVolume) -> bool:
    part = str(volume.case.facts.get("body_part", "") or "")
    return bool(part) and not any(word in part.upper() for word in HEADS)


def _is_mask(volume: SeenVolume) -> bool:
    return any(channel.levels < FEWEST_LEVELS for channel in volume.measured.channels.values())


def _is_noise(volume: SeenVolume) -> bool:
    return any(channel.kinship < RELATED for channel in volume.measured.channels.values())


def _is_frameless(volume: SeenVolume) -> bool:
    return volume.measured.head_share > MOST_HEAD


def _is_of_another_size(volume: SeenVolume) -> bool:
    found = volume.measured
    return not (SIZES_ML[0] <= found.head_ml <= SIZES_ML[1] and SIDES_MM[0] <= found.side_mm <= SIDES_MM[1])


def _lies_wrong(volume: SeenVolume) -> bool:
    return volume.measured.likeness is not None and volume.measured.likeness < UNLIKE


def _is_unplaced(volume: SeenVolume) -> bool:
    return volume.case.geometry.affine is None


VOLUME_KINDS = (
    VolumeKind("no MR", "bad", _is_other_modality, "The file says that this is no MR; the models know brain MR only.", ASIDE),
    VolumeKind("no MR", "bad", _is_hounsfield, "The values go below -500, as those of CT do; the models know brain MR only.", ASIDE),
    VolumeKind("not a head", "bad", _is_elsewhere, "The file names another part of the body than the head.", ASIDE),
    VolumeKind("mask", "bad", _is_mask, "A channel has so few different values that it is a mask and no image.", "Open the image itself."),
    VolumeKind("noise", "bad", _is_noise, "A channel is noise: neighbouring voxels have little in common.", "Open another volume."),
    VolumeKind(
        "no air", "caution", _is_frameless, "Hardly any air lies around what is in this volume: it is a part of a head, or none.",
        "Open the volume as it came from the scanner.",
    ),
    VolumeKind(
        "size", "caution", _is_of_another_size, "What is in this volume has not the size of a head or a brain.",
        "Check the voxel sizes that the file states, and that the whole brain is in it.",
    ),
    VolumeKind(
        "lies wrong", "bad", _lies_wrong,
        "A head is like its mirror image from side to side; this one is so along another axis, so the directions in the file look wrong.",
        "Convert it again from DICOM with a program that keeps the position (dcm2niix, say).",
    ),
    VolumeKind(
        "directions unknown", "caution", _is_unplaced, "The file does not say how the head lies, so it may reach the model turned or mirrored.",
        "Convert it again from DICOM with a program that keeps the position (dcm2niix, say).",
    ),
)  # fmt: skip


@volume_check
def is_a_brain_mr(volume: SeenVolume) -> InputFinding | None:
    kind = next((kind for kind in VOLUME_KINDS if kind.holds(volume)), None)
    return None if kind is None else InputFinding(kind.level, kind.word, kind.sentence, remedy=kind.remedy)


@volume_check
def has_its_skull_as_the_model_knows_it(volume: SeenVolume) -> InputFinding | None:
    """A card that does not say is taken to mean stripped heads where its scale is (x - mean) / deviation within the head."""
    found = volume.measured
    knows = volume.card.skull or ("stripped" if volume.card.input.intensity in SCALINGS else "")
    has_ring = any(channel.dip < RING for channel in found.channels.values())
    is_on = found.head_ml > BRAIN_ML and has_ring
    is_stripped = found.head_ml < BRAIN_ML and not has_ring and found.air > LEAST_AIR
    if knows == "stripped" and is_on:
        return InputFinding(
            "caution", "skull on", "Skull and scalp are still there; the model knows brains without them.",
            remedy="Strip the skull first (HD-BET or SynthStrip, say).",
        )  # fmt: skip
    if knows == "on" and is_stripped:
        return InputFinding(
            "caution", "skull off", "Skull and scalp were taken away; the model knows whole heads.",
            remedy="Open the volume as it was before its skull was stripped.",
        )  # fmt: skip
    return None


@volume_check
def is_as_fine_as_the_model_needs(volume: SeenVolume) -> InputFinding | None:
    wanted, held = volume.card.input.spacing_mm, volume.case.geometry.spacing_mm
    if wanted is None or held is None or max(held) <= COARSE * max(wanted):
        return None
    return InputFinding(
        "caution",
        "thick slices",
        f"Its voxels are up to {max(held):.3g} mm long, and the model was taught on {max(wanted):.3g} mm: what lies between is guessed.",
        remedy="Open a thinner series of the same examination, or believe small findings less.",
    )
