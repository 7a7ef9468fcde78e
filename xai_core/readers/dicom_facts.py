"""What a DICOM header says beside the pixels: geometry, projection, the person's age and sex, and whose film it is.

Sources: PS3.3 10.7.1 (pixel spacing against imager pixel spacing), C.7.6.1.1.1 (patient orientation), C.8.11.5.1.1
(view). Side and letters are read, never guessed. Only :func:`patient_of` touches what names a person.
"""

from __future__ import annotations

import math
import re
from collections.abc import MutableSequence
from dataclasses import dataclass
from typing import Any

from pydicom.dataset import Dataset

from xai_core.case import Geometry

FACT_KEYWORDS = (
    "PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "EstimatedRadiographicMagnificationFactor",
    "PixelSpacingCalibrationDescription", "PixelSpacingCalibrationType", "PatientOrientation", "Modality",
    "ViewPosition", "ViewCodeSequence", "ImageLaterality", "Laterality", "BodyPartExamined", "PatientAge", "PatientSex",
    "LossyImageCompression", "ImageType", "DerivationDescription", "ImageComments", "Manufacturer",
    "BurnedInAnnotation", "PresentationIntentType",
)  # fmt: skip
PATIENT_KEYWORDS = ("PatientName", "PatientID", "PatientBirthDate", "StudyDate", "AccessionNumber")
OPPOSITE = {"L": "R", "R": "L", "A": "P", "P": "A", "H": "F", "F": "H"}
SMALLEST_MM, LARGEST_MM = 0.01, 10.0
YEARS_PER_UNIT = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0}
VIEW_WORDS = (
    ("postero-anterior", "PA"), ("posteroanterior", "PA"), ("antero-posterior", "AP"), ("anteroposterior", "AP"),
    ("left lateral", "LL"), ("right lateral", "RL"), ("lateral", "LATERAL"),
)  # fmt: skip


@dataclass(frozen=True)
class Tags:
    """Reads single attributes of a possibly damaged dataset: an unreadable one counts as absent."""

    dataset: Dataset

    def value(self, keyword: str) -> Any:
        try:
            return self.dataset.get(keyword)
        except Exception:  # pydicom converts on access and raises whatever the bytes lead to
            return None

    def values(self, keyword: str) -> list[Any]:
        given = self.value(keyword)
        if given is None or given == "":
            return []
        # a person's name is iterable too, letter by letter
        return list(given) if isinstance(given, MutableSequence | tuple) else [given]

    def text(self, keyword: str) -> str:
        """Printable text, several values joined by a backslash, '' where absent."""
        joined = "\\".join(str(part) for part in self.values(keyword))
        return "".join(letter for letter in joined if letter.isprintable()).strip()[:200]

    def numbers(self, keyword: str) -> list[float]:
        """All values that are finite numbers; [] where one is not."""
        found = []
        for part in self.values(keyword):
            try:
                number = float(part)
            except (TypeError, ValueError):
                return []
            if not math.isfinite(number):
                return []
            found.append(number)
        return found

    def number(self, keyword: str) -> float | None:
        found = self.numbers(keyword)
        return found[0] if found else None

    def whole(self, keyword: str) -> int | None:
        found = self.number(keyword)
        return None if found is None else int(found)

    def items(self, keyword: str) -> list[Tags]:
        """The items of a sequence."""
        return [Tags(item) for item in self.values(keyword) if isinstance(item, Dataset)]


def geometry_of(tags: Tags, shape: tuple[int, ...]) -> tuple[Geometry, dict[str, Any], tuple[str, ...]]:
    """Spacing and edge letters; facts ``spacing_kind`` ("patient" | "detector" | "scanner"); notes."""
    spacing, kind, notes = _spacing(tags)
    letters = _letters(tags)
    if not letters:
        notes = (*notes, "The file does not say which side of the picture is which of the patient.")
    facts = {"spacing_kind": kind} if spacing else {}
    return Geometry(spacing_mm=spacing, letters=letters), facts, notes


def _positive_pair(tags: Tags, keyword: str) -> tuple[float, float] | None:
    pair = tags.numbers(keyword)
    if len(pair) != 2 or not all(SMALLEST_MM <= part <= LARGEST_MM for part in pair):
        return None
    return pair[0], pair[1]


def _spacing(tags: Tags) -> tuple[tuple[float, float] | None, str, tuple[str, ...]]:
    pixel, imager = _positive_pair(tags, "PixelSpacing"), _positive_pair(tags, "ImagerPixelSpacing")
    scanner = _positive_pair(tags, "NominalScannedPixelSpacing")
    zoom = tags.number("EstimatedRadiographicMagnificationFactor")
    if pixel and (imager is None or not _alike(pixel, imager)):
        how = tags.text("PixelSpacingCalibrationDescription") or tags.text("PixelSpacingCalibrationType").lower()
        return pixel, "patient", (f"Lengths use the file's calibrated pixel spacing{f' ({how})' if how else ''}.",)
    if imager and zoom and 1.0 < zoom < 10.0:
        at_patient = imager[0] / zoom, imager[1] / zoom
        return at_patient, "patient", (f"Lengths are detector lengths divided by the magnification {zoom:g}.",)
    if imager:
        return imager, "detector", ("Lengths are those on the detector; in the patient they are smaller.",)
    if scanner:
        return scanner, "scanner", ("Lengths are those on the scanned sheet of film.",)
    named = any(tags.values(keyword) for keyword in ("PixelSpacing", "ImagerPixelSpacing"))
    if named:
        return None, "", ("The pixel spacing in the file is not a possible length and is not used.",)
    return None, "", ("The file gives no pixel spacing: lengths in millimetres are unknown.",)


def _alike(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return all(math.isclose(a, b, rel_tol=1e-4) for a, b in zip(one, other, strict=True))


def _letters(tags: Tags) -> tuple[str, ...]:
    """(left, right, top, bottom) edges. Patient Orientation names where rows and where columns lead."""
    pair = [str(part).strip().upper() for part in tags.values("PatientOrientation")]
    if len(pair) != 2 or not all(set(part) <= set(OPPOSITE) for part in pair) or not any(pair):
        return ()
    right, bottom = pair
    left, top = ("".join(OPPOSITE[letter] for letter in part) for part in pair)
    return left, right, top, bottom


def plain_facts(dataset: Dataset, tags: Tags) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Facts that name nobody (modality, view, side, age, sex, body part, simulated, credit), and notes."""
    notes: list[str] = []
    modality = tags.text("Modality").upper()
    facts: dict[str, Any] = {
        "modality": modality,
        "view": _view(tags),
        "laterality": (tags.text("ImageLaterality") or tags.text("Laterality")).upper(),
        "body_part": tags.text("BodyPartExamined").upper(),
        "age_years": _age_years(tags),
        "sex": tags.text("PatientSex").upper() if tags.text("PatientSex").upper() in {"M", "F", "O"} else "",
        "lossy": tags.text("LossyImageCompression") == "01",
    }
    told = " ".join(tags.text(word) for word in ("ImageType", "DerivationDescription", "ImageComments", "Manufacturer"))
    if "simulated" in told.lower():
        facts["simulated"] = True
        notes.append("Simulated film: rendered, not taken of a patient.")
    if facts["lossy"]:
        notes.append("Lossy compression: fine detail may be lost.")
    if tags.text("BurnedInAnnotation").upper() == "YES":
        notes.append("The file says that text is burned into the picture; it may name the patient.")
    if any(0x6000 <= element.group < 0x6100 and element.group % 2 == 0 for element in list(dataset._dict)):
        notes.append("Overlays of the file (drawings, text) are not shown.")
    if tags.text("PresentationIntentType").upper() == "FOR PROCESSING":
        notes.append("Raw detector data ('for processing'): they look unlike the films that models were trained on.")
    if not modality or modality in {"OT", "SC"}:
        notes.append("Secondary capture: the file does not say what kind of picture it is.")
    return {key: value for key, value in facts.items() if value not in ("", None, False)}, tuple(notes)


def _view(tags: Tags) -> str:
    named = tags.text("ViewPosition").upper()
    if named:
        return named
    for item in tags.items("ViewCodeSequence"):
        meaning = item.text("CodeMeaning").lower()
        for word, view in VIEW_WORDS:
            if word in meaning:
                return view
    return ""


def _age_years(tags: Tags) -> float | None:
    """Age from Patient's Age ("081Y", "006M", or a bare number of years), else from birth and study dates."""
    match = re.fullmatch(r"(\d{1,3})([DWMY]?)", tags.text("PatientAge").upper())
    if match:
        return round(int(match[1]) * YEARS_PER_UNIT[match[2] or "Y"], 2)
    birth, study = tags.text("PatientBirthDate"), tags.text("StudyDate")
    if re.fullmatch(r"\d{8}", birth) and re.fullmatch(r"\d{8}", study):
        years = int(study[:4]) - int(birth[:4]) - (study[4:] < birth[4:])
        return float(years) if 0 <= years <= 130 else None
    return None


def patient_of(tags: Tags) -> dict[str, str]:
    """What names a person; shown in the viewer's corner only."""
    return {
        "name": " ".join(tags.text("PatientName").split("=")[0].replace("^", " ").split()),
        "id": tags.text("PatientID"),
        "birth_date": tags.text("PatientBirthDate"),
        "study_date": tags.text("StudyDate"),
        "accession": tags.text("AccessionNumber"),
    }
