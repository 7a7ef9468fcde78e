"""Checks of what the picture is: a blank, noise, something that is no upright frontal chest film, or one that lies wrong.

The first kind of ``KINDS`` that holds decides, so that one sentence is said and not five.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from xai_core.quality.film import Seen, check
from xai_core.quality.verdict import InputFinding
from xai_core.trust import Level

SURE = 0.9
"""Share of the likeliest pose from which on it is believed of a film that lies near the known ones."""
FEWEST_LEVELS = 4
RELATED = 0.5
"""Correlation of neighbouring pixels below which a picture is noise; that of films is above 0.9."""
LATERAL = ("LL", "RL", "LATERAL", "LLD", "RLD", "LLO", "RLO")
CHEST = ("CHEST", "THORAX", "LUNG", "RIB")
ASIDE = "Leave the findings and the maps aside, or open an upright frontal chest film."
UPRIGHT = (
    "Turn it upright in the program it comes from and open it again; if it stands upright, it is no frontal chest film."
)


@dataclass(frozen=True)
class Kind:
    """What a picture is taken for where ``holds``."""

    word: str
    level: Level
    holds: Callable[[Seen], bool]
    sentence: str
    remedy: str


def _is_blank(film: Seen) -> bool:
    return film.pixels.levels <= FEWEST_LEVELS


def _is_noise(film: Seen) -> bool:
    return film.pixels.kinship < RELATED


def _is_lateral(film: Seen) -> bool:
    return str(film.case.facts.get("view", "")) in LATERAL


def _is_elsewhere(film: Seen) -> bool:
    part = str(film.case.facts.get("body_part", ""))
    return bool(part) and not any(word in part for word in CHEST)


def _lies(turn: str, is_inverted: bool) -> Callable[[Seen], bool]:
    def holds(film: Seen) -> bool:
        judged = film.judged
        is_believed = judged.is_posed if judged.distance > 1 else judged.pose_share > SURE
        return judged.pose == (turn, is_inverted) and is_believed

    return holds


def _is_unlike(film: Seen) -> bool:
    return film.judged.is_far


def _is_without_lungs(film: Seen) -> bool:
    return film.lungs is None


def _is_unusual(film: Seen) -> bool:
    return film.judged.distance > 1


KINDS = (
    Kind("blank", "bad", _is_blank, "The picture is blank, or nearly so.", "Open another film."),
    Kind("noise", "bad", _is_noise, "The picture is noise: neighbouring pixels have little in common.", "Open another film."),
    Kind("lateral", "bad", _is_lateral, "The file says that this is a lateral film; the models know frontal films only.", ASIDE),
    Kind("not a chest", "bad", _is_elsewhere, "The file names another part of the body than the chest.", ASIDE),
    Kind(
        "inverted", "bad", _lies("upright", True), "The grey values look turned over: bone is dark, air is bright.",
        "Invert it in the program it comes from or open the original DICOM file; if bone is bright, it is no frontal chest film.",
    ),
    Kind("turned", "bad", _lies("a quarter", False), "The film looks turned by a quarter.", UPRIGHT),
    Kind("upside down", "bad", _lies("upside down", False), "The film looks upside down.", UPRIGHT),
    Kind("turned and inverted", "bad", _lies("a quarter", True), "The film looks turned by a quarter, its grey values turned over.", UPRIGHT),
    Kind("upside down and inverted", "bad", _lies("upside down", True), "The film looks upside down, its grey values turned over.", UPRIGHT),
    Kind("no chest film", "bad", _is_unlike, "This does not look like an upright frontal chest film, the only kind that the models know.", ASIDE),
    Kind(
        "no lungs", "bad", _is_without_lungs, "No lungs were found on this film, so the whole film was given to the network.",
        "Believe its findings and maps only with good reason.",
    ),
    Kind(
        "unusual", "caution", _is_unusual,
        "This film is unusual: of a hundred films that the models were taught on, about two lie as far from the others.",
        "Check that it is an upright frontal chest film, and believe less.",
    ),
)  # fmt: skip


@check
def is_a_frontal_chest_film(film: Seen) -> InputFinding | None:
    kind = next((kind for kind in KINDS if kind.holds(film)), None)
    return None if kind is None else InputFinding(kind.level, kind.word, kind.sentence, remedy=kind.remedy)
