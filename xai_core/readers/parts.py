"""What was chosen for one examination, part by part: which modality each file or series seems to be, before anything is read.

A person sees the guesses and may correct them; then one case is made of the parts, on the grid of the first modality. A
mask among them (by its name, or a DICOM SEG) is a region of that case, not a modality.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xai_core.case import Case, Region
from xai_core.errors import ReadError
from xai_core.readers.bundle import files_of_zip, is_volume, is_zip
from xai_core.readers.dicom_facts import Tags
from xai_core.readers.dicom_file import dataset_of, is_dicom
from xai_core.readers.dicom_volume import by_series, read_series
from xai_core.readers.layouts import missing_of, ordered
from xai_core.readers.names import MODALITIES, UNNAMED, is_mask_name, is_series_over_time, modality_of
from xai_core.readers.region import read_region
from xai_core.readers.registry import read_source
from xai_core.readers.source import Source, open_source
from xai_core.readers.volume import stacked

MASK, ASIDE = "mask", "leave out"
SEVERAL = "Choose the files of one examination, each modality once."


@dataclass(frozen=True)
class Part:
    """One file or the slices of one DICOM series. ``title`` as shown; ``role``: a modality's name, ``MASK``, ``ASIDE``, or
    ``UNNAMED`` where nothing tells."""

    title: str
    role: str
    files: tuple[Source, ...]

    @property
    def is_series(self) -> bool:
        """Whether it is read as DICOM slices."""
        return is_dicom(self.files[0])


@dataclass(frozen=True)
class Opened:
    """A case, the region of its mask (None without one), and the bytes of the DICOM series whose grid it has (() for others)."""

    case: Case
    truth: Region | None = None
    series: tuple[bytes, ...] = ()


def parts_of(given: Mapping[str, bytes]) -> list[Part]:
    """The parts of what was chosen (bytes by name; zips are unpacked in memory), each with a guess of what it is.

    Raises :class:`ReadError` where there is nothing to read.
    """
    files = []
    for name, content in given.items():
        source = open_source(content, name)
        files.extend(files_of_zip(source) if is_zip(source) else [source])
    dicom = [file for file in files if is_dicom(file) and file.name.upper() != "DICOMDIR"]
    others = [file for file in files if not is_dicom(file) and is_volume(file)]
    parts = [_series(name, tuple(slices)) for name, slices in by_series(dicom)]
    parts += [Part(file.name, _role(file.name), (file,)) for file in others]
    if not parts:
        raise ReadError(
            f"There is no volume among {len(files)} file(s).", "Choose NIfTI, NRRD or DICOM files, or a zip of them."
        )
    return parts


def is_clear(parts: Sequence[Part]) -> bool:
    """Whether every part says what it is and no two say the same; a single volume needs no name only where it has one."""
    roles = [part.role for part in parts if part.role not in (MASK, ASIDE)]
    return all(role in MODALITIES for role in roles) and len(set(roles)) == len(roles)


def opened(parts: Sequence[Part], roles: Sequence[str]) -> Opened:
    """The case of ``parts``, each as what ``roles`` says it is. Raises :class:`ReadError` or :class:`RegionError`."""
    images = {role: part for part, role in zip(parts, roles, strict=True) if role not in (MASK, ASIDE)}
    count = sum(role not in (MASK, ASIDE) for role in roles)
    if not count:
        raise ReadError("There is no image left to read.", "Name the modality of at least one file.")
    if count != len(images):
        twice = next(role for role in images if list(roles).count(role) > 1)
        raise ReadError(f"Two files are said to be {twice}.", SEVERAL)
    names = ordered(images)
    cases = {name: _read(images[name]) for name in names}
    for name, case in cases.items():
        if len(case.channels) != 1:
            raise ReadError(f"{name} holds {len(case.channels)} modalities, not one.", "Give one file a modality.")
    case = stacked(cases, missing=missing_of(names) if len(names) > 1 else ())
    masks = [part for part, role in zip(parts, roles, strict=True) if role == MASK]
    truth = read_region(masks[0].files[0].data, case, "given region") if masks else None
    first = images[names[0]]
    return Opened(case, truth, tuple(file.data for file in first.files) if first.is_series else ())


def _read(part: Part) -> Case:
    return read_series(part.files, part.title) if part.is_series else read_source(part.files[0], "volume")


def _series(name: str, slices: tuple[Source, ...]) -> Part:
    tags = _tags(slices[0])
    is_mask = tags is not None and tags.text("Modality").upper() == "SEG"
    more = f" and {len(slices) - 1} more" if len(slices) > 1 else ""
    return Part(f"{slices[0].name}{more}", MASK if is_mask else name if name in MODALITIES else UNNAMED, slices)


def _tags(source: Source) -> Tags | None:
    try:
        return Tags(dataset_of(source, ["Modality"]))
    except Exception:  # whatever pydicom raises, the reader of the series tells it
        return None


def _role(name: str) -> str:
    if is_mask_name(name):
        return MASK
    return ASIDE if is_series_over_time(name) else modality_of(name)
