"""Several files given at once, a folder, or a zip: what is in them, to stated limits, and the one case they make.

Sources: the traps of archives (CWE-22 path traversal, CWE-409 data amplification). Nothing is ever written to disk; names
inside an archive are only read for the modality they tell.
"""

from __future__ import annotations

import io
import os
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from xai_core.case import Case
from xai_core.errors import ReadError
from xai_core.readers.dicom_file import is_dicom
from xai_core.readers.dicom_volume import by_series, read_series
from xai_core.readers.layouts import case_of_modalities, sorted_out
from xai_core.readers.names import MODALITIES
from xai_core.readers.registry import readers
from xai_core.readers.source import LARGEST_FILE_BYTES, Source, open_source, shown_name
from xai_core.readers.volume import stacked

MOST_FILES = 4096
MOST_BYTES = 2 << 30
ZIP = b"PK\x03\x04"
ONE_EXAMINATION = "Choose the files of one examination."


def is_folder(given: Any) -> bool:
    """Whether ``given`` is the path of a folder."""
    try:
        return isinstance(given, str | os.PathLike) and Path(given).expanduser().is_dir()
    except (OSError, ValueError, RuntimeError):
        return False


def is_zip(source: Source) -> bool:
    """Whether the bytes are a ZIP archive."""
    return source.data.startswith(ZIP)


def files_of_folder(folder: Path) -> list[Source]:
    """The files below ``folder``, hidden ones left out; links out of it are not followed."""
    paths = []
    for path in sorted(folder.expanduser().rglob("*")):
        if _is_wanted(path.relative_to(folder.expanduser()).as_posix()) and path.is_file() and not path.is_symlink():
            paths.append(path)
            _check_count(f"The folder '{shown_name(folder)}'", len(paths))
    _check_bytes(f"The folder '{shown_name(folder)}'", sum(path.stat().st_size for path in paths))
    return [open_source(path) for path in paths if path.stat().st_size]


def files_of_zip(source: Source) -> list[Source]:
    """The files inside an archive, unpacked in memory, each to the length that the archive announces at most.

    Raises :class:`ReadError` where it is damaged or encrypted, holds names that lead out of it, more than 4,096 files or
    more than 2 GiB.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(source.data))
        members = [member for member in archive.infolist() if not member.is_dir()]
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, EOFError) as error:
        raise ReadError(f"{source.title} is a damaged archive.", "Copy or pack it again.") from error
    for member in members:
        path = PurePosixPath(member.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or (path.parts and path.parts[0].endswith(":")):
            raise ReadError(
                f"{source.title} holds names that lead out of the archive.", "Pack the files again by yourself."
            )
    members = [member for member in members if member.file_size and _is_wanted(member.filename.replace("\\", "/"))]
    _check_count(source.title, len(members))
    _check_bytes(source.title, sum(member.file_size for member in members))
    return [Source(shown_name(member.filename), content=_unpacked(source, archive, member)) for member in members]


def _unpacked(source: Source, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    if member.flag_bits & 1:
        raise ReadError(f"{source.title} is locked with a password.", "Unpack it and choose the files inside.")
    if member.file_size > LARGEST_FILE_BYTES:
        raise ReadError(f"{source.title} holds a file of more than 1 GiB.", "Choose a smaller volume.")
    try:
        with archive.open(member) as stream:
            return stream.read(member.file_size)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, ValueError, RuntimeError) as error:
        raise ReadError(f"{source.title} holds a damaged file.", "Copy or pack it again.") from error


def _is_wanted(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return bool(parts) and not any(part.startswith(".") or part == "__MACOSX" for part in parts)


def _check_count(title: str, count: int) -> None:
    if count > MOST_FILES:
        raise ReadError(f"{title} holds more than {MOST_FILES:,} files.", ONE_EXAMINATION)


def _check_bytes(title: str, size: int) -> None:
    if size > MOST_BYTES:
        raise ReadError(f"{title} unpacks to more than {MOST_BYTES >> 30} GiB.", ONE_EXAMINATION)


def case_of_files(files: Sequence[Source], title: str, reference: str | None = None) -> Case:
    """The one volume that ``files`` make: a DICOM series, or series or files of one modality each (their descriptions and
    names tell which).

    Raises :class:`ReadError` where they are none, or of several kinds.
    """
    dicom = [file for file in files if is_dicom(file) and file.name.upper() != "DICOMDIR"]
    others = [file for file in files if not is_dicom(file) and is_volume(file)]
    if dicom and others:
        raise ReadError(f"{title} mixes DICOM with other volumes.", "Choose the files of one kind.")
    if dicom:
        return _case_of_dicom(dicom, title, reference)
    if not others:
        raise ReadError(f"{title} holds no volume among {len(files)} file(s).", "Choose NIfTI, NRRD or DICOM files.")
    return case_of_modalities(sorted_out(others, title), title, reference)


def _case_of_dicom(files: Sequence[Source], title: str, reference: str | None) -> Case:
    series = by_series(files)
    named = dict(series)
    if 1 < len(series) == len(named) and set(named) <= set(MODALITIES):
        ordered = [name for name in MODALITIES if name in named]
        return stacked({name: read_series(named[name], f"{name} of {title}") for name in ordered}, reference)
    return read_series(files, title)


def is_volume(file: Source) -> bool:
    """Whether a reader of volumes knows the bytes."""
    return any(entry.kind == "volume" and entry.recognises(file) for entry in readers().values())
