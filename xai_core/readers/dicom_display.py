"""How a DICOM film asks to be shown: rescale or modality LUT, windows, VOI LUT or function, polarity, padding.

Sources: PS3.3 C.11.1 (modality LUT), C.11.2 (VOI LUT, windows, LINEAR and SIGMOID), C.7.5.1.1.2 (padding).
Windows and VOI LUTs are defined on values after rescale; here they are brought back to stored samples.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.case import Window
from xai_core.errors import ReadError
from xai_core.readers.dicom_facts import Tags

DISPLAY_KEYWORDS = (
    "PhotometricInterpretation", "PresentationLUTShape", "ModalityLUTSequence", "RescaleSlope", "RescaleIntercept",
    "RescaleType", "WindowCenter", "WindowWidth", "WindowCenterWidthExplanation", "VOILUTSequence", "VOILUTFunction",
    "PixelPaddingValue", "PixelPaddingRangeLimit",
)  # fmt: skip
LARGEST_TABLE = 1 << 16
Curve = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def display_facts(title: str, tags: Tags, grey: NDArray[Any]) -> tuple[NDArray[Any], dict[str, Any], tuple[str, ...]]:
    """Samples (changed only where the file has a modality LUT, which is a table), facts and notes.

    Raises :class:`ReadError` where the modality LUT contradicts itself: the values would be unknown.
    """
    notes: list[str] = []
    facts: dict[str, Any] = {"photometric": _photometric(tags, notes)}
    if modality_luts := tags.items("ModalityLUTSequence"):
        grey = _through_modality_lut(title, modality_luts[0], grey)
        slope, intercept, unit = 1.0, 0.0, modality_luts[0].text("ModalityLUTType")
        notes.append("The file's modality table has been applied to the samples.")
        bits = 8 * grey.dtype.itemsize
    else:
        slope, intercept, unit = _rescale(tags, notes)
        bits = tags.whole("BitsStored") or 8 * grey.dtype.itemsize
        if tags.text("PhotometricInterpretation").upper() == "PALETTE COLOR":
            bits = 8 * grey.dtype.itemsize
    facts |= {"bits": bits, "slope": slope, "intercept": intercept}
    if unit and unit != "US":  # US: unspecified
        facts["unit"] = unit
    facts["windows"] = _windows(tags, slope, intercept, notes)
    table = _voi_table(tags, grey, slope, intercept, notes)
    if table is not None:
        facts["voi_lut"] = table
    padding = tags.number("PixelPaddingValue")
    if padding is not None and not modality_luts:
        limit = tags.number("PixelPaddingRangeLimit")
        low, high = sorted((padding, padding if limit is None else limit))
        facts["padding"] = (low, high)
        notes.append(f"Samples of value {low:g}{'' if low == high else f' to {high:g}'} are padding, not patient.")
    return grey, facts, tuple(notes)


def _photometric(tags: Tags, notes: list[str]) -> str:
    named = tags.text("PhotometricInterpretation").upper()
    if not named:
        notes.append("The file does not say whether low samples are bright; they are taken as dark.")
    photometric = "MONOCHROME1" if named == "MONOCHROME1" else "MONOCHROME2"
    shape = tags.text("PresentationLUTShape").upper()
    # Written together, MONOCHROME1 and INVERSE mean one inversion, not two (PS3.3 C.8.11.3).
    if shape in {"INVERSE", "IDENTITY"} and (shape == "INVERSE") != (photometric == "MONOCHROME1"):
        notes.append(f"The file says {photometric} and also {shape}, which contradict; {photometric} is followed.")
    return photometric


def _rescale(tags: Tags, notes: list[str]) -> tuple[float, float, str]:
    slope, intercept = tags.number("RescaleSlope"), tags.number("RescaleIntercept")
    if slope == 0:
        notes.append("The file's rescale slope is 0 and is not used.")
        return 1.0, 0.0, ""
    if slope is not None and slope < 0:
        notes.append("The file's rescale slope is negative: low samples stand for high values.")
    return (1.0 if slope is None else slope), intercept or 0.0, tags.text("RescaleType")


def _windows(tags: Tags, slope: float, intercept: float, notes: list[str]) -> tuple[Window, ...]:
    """The file's windows with its own names and numbers, in units of stored samples."""
    centers, widths = tags.numbers("WindowCenter"), tags.numbers("WindowWidth")
    names = [str(part).strip()[:64] for part in tags.values("WindowCenterWidthExplanation")]
    if len(centers) != len(widths):
        notes.append("The file's windows are incomplete; those without a centre or a width are left out.")
    found = []
    for index, (center, width) in enumerate(zip(centers, widths, strict=False)):
        if width <= 0:
            notes.append(f"The file's window of width {width:g} is not used.")
            continue
        several = len(centers) > 1
        name = (names[index] if index < len(names) else "") or (f"File {index + 1}" if several else "File")
        found.append(Window(name, (center - intercept) / slope, width / abs(slope)))
    return tuple(found)


def _voi_table(
    tags: Tags, grey: NDArray[Any], slope: float, intercept: float, notes: list[str]
) -> tuple[int, NDArray[np.float32]] | None:
    """(first sample, display 0..1 of it and the following), before the inversion that ``Case.is_inverted`` asks for."""
    curve = _voi_curve(tags, notes, may_be_negative=slope < 0 or intercept < 0 or bool(grey.min() < 0))
    if curve is None or grey.dtype.kind not in "iu":
        return None
    low, high = int(grey.min()), int(grey.max())
    if high - low >= LARGEST_TABLE:
        notes.append("The file's VOI LUT is not used: the samples span too wide a range for it.")
        return None
    shown = curve(np.arange(low, high + 1, dtype=np.float64) * slope + intercept)
    if slope < 0:
        shown = 1.0 - shown
    table = shown.astype(np.float32)
    table.flags.writeable = False
    return low, table


def _voi_curve(tags: Tags, notes: list[str], *, may_be_negative: bool) -> Curve | None:
    if items := tags.items("VOILUTSequence"):
        try:
            first, entries, _ = lut_of(items[0], may_be_negative=may_be_negative)
        except ValueError as error:
            notes.append(f"The file's VOI LUT is damaged ({error}) and is not used.")
        else:
            return lambda value: entries[np.clip(np.rint(value) - first, 0, len(entries) - 1).astype(np.intp)]
    if tags.text("VOILUTFunction").upper() == "SIGMOID":
        center, width = tags.number("WindowCenter"), tags.number("WindowWidth")
        if center is not None and width is not None and width > 0:
            scale, middle = -4.0 / width, center
            return lambda value: 1.0 / (1.0 + np.exp(np.clip(scale * (value - middle), -700, 700)))
    return None


def lut_of(item: Tags, *, may_be_negative: bool = False) -> tuple[int, NDArray[np.float64], NDArray[np.uint16]]:
    """(first input, entries scaled to 0..1, entries as stored) of a LUT item.

    Raises ValueError where descriptor and data disagree. Entries that fill less than half of the announced bits
    are scaled by their greatest: several makers announce 16 bits and store 12.
    """
    descriptor = item.values("LUTDescriptor")
    if len(descriptor) != 3:
        raise ValueError("its descriptor does not hold three numbers")
    count, first, bits = (int(part) for part in descriptor)
    count = (count & 0xFFFF) or LARGEST_TABLE
    if may_be_negative and first >= 0x8000:
        first -= 0x10000
    bits &= 0xFF
    raw = item.value("LUTData")
    if isinstance(raw, (bytes, bytearray)):
        is_byte = bits <= 8 and len(raw) in (count, count + 1)
        stored = np.frombuffer(raw, np.uint8 if is_byte else "<u2").astype(np.uint16)
    else:
        stored = (np.asarray(item.values("LUTData"), dtype=np.int64) & 0xFFFF).astype(np.uint16)
        if bits <= 8 and len(stored) == math.ceil(count / 2):  # two entries a word
            stored = stored.view(np.uint8).astype(np.uint16)
    if len(stored) not in (count, count + 1):
        raise ValueError(f"{count} entries announced, {len(stored)} given")
    stored = stored[:count]
    greatest = int(stored.max())
    if greatest == 0:
        raise ValueError("all its entries are 0")
    scale = (1 << bits) - 1 if 8 <= bits <= 16 else 0
    if not scale / 2 <= greatest <= scale:
        scale = greatest
    return first, stored / float(scale), stored


def _through_modality_lut(title: str, item: Tags, grey: NDArray[Any]) -> NDArray[np.uint16]:
    try:
        first, _, stored = lut_of(item, may_be_negative=bool(grey.min() < 0))
    except (ValueError, TypeError) as error:
        raise ReadError(
            f"{title} has a modality LUT that contradicts itself ({error}).", "Export it again from the archive."
        ) from error
    return stored[np.clip(grey.astype(np.int64) - first, 0, len(stored) - 1)]
