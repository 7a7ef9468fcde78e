"""DICOM volumes: a series of slices, a single slice, or an enhanced multi-frame image (MR, CT, PET).

Sources: PS3.3 C.7.6.2 (image plane), C.7.6.16 (multi-frame functional groups), C.11.1 (rescale). Samples are as stored;
where the slices have different rescales they are the values.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import ParametricMapStorage

from xai_core.case import Case
from xai_core.errors import LightboxError, ReadError
from xai_core.readers.dicom_facts import FACT_KEYWORDS, PATIENT_KEYWORDS, Tags, patient_of, plain_facts
from xai_core.readers.dicom_file import AGAIN, PIXEL_KEYWORDS, dataset_of, is_dicom
from xai_core.readers.dicom_samples import OPTION_KEYWORDS, frames_of, syntax_name
from xai_core.readers.dicom_slices import SERIES, Slice, slice_of, volume_of
from xai_core.readers.names import UNNAMED, modality_of
from xai_core.readers.registry import reader
from xai_core.readers.source import Source
from xai_core.readers.volume import check_volume_size, volume_case

VOLUME_MODALITIES = ("MR", "CT", "PT")
PLANE_KEYWORDS = (
    "ImagePositionPatient", "ImageOrientationPatient", "SliceThickness", "SpacingBetweenSlices", "RescaleSlope",
    "RescaleIntercept", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
)  # fmt: skip
NAMING_KEYWORDS = ("Modality", "SeriesDescription", "ProtocolName", "ContrastBolusAgent")
WANTED: tuple[str, ...] = (
    *PIXEL_KEYWORDS, *FACT_KEYWORDS, *PATIENT_KEYWORDS, *OPTION_KEYWORDS, *PLANE_KEYWORDS, "SpecificCharacterSet",
    "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", *NAMING_KEYWORDS,
)  # fmt: skip
GROUPS = (
    "PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence", "PixelValueTransformationSequence",
)  # fmt: skip


def _is_dicom_volume(source: Source) -> bool:
    if not is_dicom(source):
        return False
    try:
        dataset = dataset_of(source, ["Modality", "SOPClassUID"])
        tags = Tags(dataset)
    except Exception:  # whatever pydicom raises, the film reader tells it
        return False
    return _is_of_volume(tags)


def _is_of_volume(tags: Tags) -> bool:
    return tags.text("Modality").upper() in VOLUME_MODALITIES or tags.text("SOPClassUID") == ParametricMapStorage


@reader(
    "dicom-volume",
    title="DICOM volume",
    kind="volume",
    suffixes=(".dcm", ".dicom"),
    recognises=_is_dicom_volume,
    rank=0,
)
def read_dicom_volume(source: Source) -> Case:
    """The volume of an enhanced multi-frame image, or of a single slice."""
    return read_series([source], source.title)


def read_series(sources: Sequence[Source], title: str) -> Case:
    """The volume of the slices in ``sources``, ordered by their places.

    Raises :class:`ReadError` where they are of several series, not all MR, CT or PET, or do not make one even stack
    (gaps, two slices at one place, planes of another size or orientation), or hold damaged pixels.
    """
    try:
        return _read(sources, title)
    except LightboxError:
        raise
    except Exception as error:  # pydicom meets damaged headers with every kind of exception
        raise ReadError(f"{title} is a DICOM file with a damaged header.", AGAIN) from error


def by_series(sources: Sequence[Source]) -> list[tuple[str, list[Source]]]:
    """The files of each series with the modality that its description names (or its DICOM code), in the order given."""
    groups: dict[str, tuple[str, list[Source]]] = {}
    for source in sources:
        try:
            tags = Tags(dataset_of(source, ["SeriesInstanceUID", *NAMING_KEYWORDS]))
            uid = tags.text("SeriesInstanceUID")
        except Exception:  # whatever pydicom raises, the reader of the series tells it
            uid, tags = "", Tags(Dataset())
        groups.setdefault(uid, (_channel(tags, ""), []))[1].append(source)
    return list(groups.values())


def _read(sources: Sequence[Source], title: str) -> Case:
    datasets = [dataset_of(source, WANTED) for source in sources]
    tags = [Tags(dataset) for dataset in datasets]
    _check_one_series(title, tags)
    notes: list[str] = []
    slices = [
        part for source, dataset in zip(sources, datasets, strict=True) for part in _slices(source, dataset, notes)
    ]
    ordered, geometry = volume_of(title, slices, notes)
    samples, slope, intercept = _stack(title, ordered)
    first = datasets[0]
    plain, plain_notes = plain_facts(first, tags[0])
    facts = plain | {
        "slope": slope,
        "intercept": intercept,
        "photometric": "MONOCHROME1"
        if tags[0].text("PhotometricInterpretation").upper() == "MONOCHROME1"
        else "MONOCHROME2",
        "bits": tags[0].whole("BitsStored") or 8 * samples.dtype.itemsize,
        "source": f"DICOM, {syntax_name(first)}",
        "notes": (*dict.fromkeys(notes), *plain_notes),
    }
    name = sources[0].name if len(sources) == 1 else title.strip("'")
    return volume_case(title, samples, geometry, facts, {**patient_of(tags[0]), "file": name}, _channel(tags[0], name))


def _check_one_series(title: str, tags: Sequence[Tags]) -> None:
    series = {part.text("SeriesInstanceUID") for part in tags}
    if len(series) > 1:
        told = sorted({part.text("SeriesDescription")[:32] for part in tags} - {""})
        named = f" ({', '.join(told[:6])})" if len(told) > 1 else ""
        raise ReadError(
            f"{title} holds {len(series)} series{named}, not one.",
            "Choose the files of one series, or give several as modalities by name.",
        )
    other = sorted({part.text("Modality").upper() or "unknown" for part in tags if not _is_of_volume(part)})
    if other:
        raise ReadError(f"{title} holds images of modality {', '.join(other[:3])}, not slices of a volume.", SERIES)


def _slices(source: Source, dataset: Dataset, notes: list[str]) -> Iterator[Slice]:
    tags = Tags(dataset)
    rows, columns, frames = tags.whole("Rows"), tags.whole("Columns"), tags.whole("NumberOfFrames") or 1
    if not any(keyword in dataset for keyword in PIXEL_KEYWORDS):
        raise ReadError(f"{source.title} holds no pixels; it may be cut short.", AGAIN)
    if rows is None or columns is None:
        raise ReadError(f"{source.title} does not say how many rows and columns it has.", AGAIN)
    if (tags.whole("SamplesPerPixel") or 1) != 1:
        raise ReadError(f"{source.title} is a colour picture, not a slice.", SERIES)
    check_volume_size(source.title, (frames, rows, columns))
    shared = _groups(tags.items("SharedFunctionalGroupsSequence")[:1])
    own = tags.items("PerFrameFunctionalGroupsSequence")
    decoded = _Frames(source.title, dataset, tags, frames, notes)
    uid = tags.text("SOPInstanceUID")
    for number in range(frames):
        groups = (*_groups(own[number : number + 1]), *shared, tags)
        shape = (rows, columns)
        yield slice_of(
            source.title, f"{uid}/{number}" if uid else "", shape, groups, functools.partial(decoded.at, number)
        )


def _groups(items: Sequence[Tags]) -> tuple[Tags, ...]:
    return tuple(inner for item in items for keyword in GROUPS for inner in item.items(keyword)[:1])


class _Frames:
    """The frames of one file, decoded together when the first is asked for."""

    def __init__(self, title: str, dataset: Dataset, tags: Tags, count: int, notes: list[str]) -> None:
        self._given = (title, dataset, tags, count, notes)

    @functools.cached_property
    def _all(self) -> list[NDArray[Any]]:
        return list(frames_of(*self._given))

    def at(self, number: int) -> NDArray[Any]:
        return self._all[number]


def _stack(title: str, slices: Sequence[Slice]) -> tuple[NDArray[Any], float, float]:
    """(D, H, W) samples with their one slope and intercept; values in float32 where the slices differ in these."""
    scales = {(part.slope, part.intercept) for part in slices}
    planes = [part.samples() for part in slices]
    if any(plane.shape != (slices[0].rows, slices[0].columns) for plane in planes):
        raise ReadError(f"{title} holds colour pictures, not slices.", SERIES)
    if len(scales) == 1:
        return np.stack(planes), *scales.pop()
    values = [
        plane.astype(np.float32) * part.slope + part.intercept for plane, part in zip(planes, slices, strict=True)
    ]
    return np.stack(values, dtype=np.float32), 1.0, 0.0


def _channel(tags: Tags, name: str) -> str:
    """The modality that the series' description names, else its file or folder, else the DICOM code."""
    told = (tags.text("SeriesDescription"), tags.text("ProtocolName"), name)
    found = next((found for text in told if (found := modality_of(text)) != UNNAMED), tags.text("Modality").upper())
    return "T1post" if found == "T1" and tags.text("ContrastBolusAgent") else found
