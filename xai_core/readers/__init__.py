"""Files to cases: ``read_case`` and ``read_region``, and the registry of readers behind them.

Content decides which reader is asked, never the name. Whatever the bytes are, the answer is a Case or a
:class:`~xai_core.errors.ReadError` of one sentence and one remedy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xai_core.case import Case, Kind
from xai_core.errors import ReadError
from xai_core.readers.bundle import case_of_files, files_of_folder, files_of_zip, is_folder, is_zip
from xai_core.readers.foreign import FILMS, VOLUMES
from xai_core.readers.region import read_region
from xai_core.readers.registry import Reader, read_source, readers
from xai_core.readers.source import open_source, shown_name
from xai_core.readers.volume import stacked

__all__ = ["Reader", "read_case", "read_region", "readers"]


def read_case(source: Any, *, name: str | None = None, kind: Kind | None = None, reference: str | None = None) -> Case:
    """The film or volume in ``source``: a path (str or Path), bytes, an open binary file, or a list holding one of these.

    Volumes come also as a folder, a zip or several files: the slices of one DICOM series, or one file a modality in the
    names of ISLES 2017, ISLES 2022 or BraTS; and as ``{"FLAIR": source, "T1": source, ...}``, up to six modalities. Those on
    other grids are resampled to the grid of ``reference`` (default: the first modality), with a message in the facts.
    ``kind``: "film" or "volume" where only that will do. ``name`` is shown instead of the file's own name; it is never
    opened. Samples stay as stored; how they are to be shown is in ``Case.facts``, what names a person in ``Case.patient``
    alone.

    Raises :class:`ReadError`: one sentence and one remedy for anything that is not one grey film or one volume.
    """
    if isinstance(source, Mapping):
        case = _of_modalities(source, reference)
    elif isinstance(source, Sequence) and not isinstance(source, (str, bytes, bytearray, memoryview, Path)):
        case = _of_files(source, name, kind, reference)
    elif is_folder(source) and kind != "film":
        title = f"The folder {_title(name or Path(source).expanduser().resolve().name, '')}".strip()
        case = case_of_files(files_of_folder(Path(source)), title, reference)
    else:
        opened = open_source(source, name)
        if is_zip(opened) and kind != "film":
            case = case_of_files(files_of_zip(opened), opened.title, reference)
        else:
            case = read_source(opened, kind)
    if kind is not None and case.kind != kind:
        raise ReadError(f"This is a {case.kind}, not a {kind}.", {"film": FILMS, "volume": VOLUMES}[kind])
    if reference is not None and reference not in case.channels:
        raise ReadError(
            f"There is no modality '{reference}' to take the grid from.", f"Choose one of: {', '.join(case.channels)}."
        )
    return case


def _of_modalities(given: Mapping[Any, Any], reference: str | None) -> Case:
    if not given:
        raise ReadError("No modality was given.", 'Give at least one: {"FLAIR": path}.')
    absent = [str(name) for name, source in given.items() if source is None]
    cases: dict[str, Case] = {}
    for name, source in given.items():
        if source is None:
            continue
        case = read_case(source, kind="volume")
        if len(case.channels) != 1:
            raise ReadError(
                f"{name} holds {len(case.channels)} modalities ({', '.join(case.channels)}), not one.",
                "Give one file a modality.",
            )
        cases[str(name)] = case
    return stacked(cases, reference, missing=absent)


def _of_files(given: Sequence[Any], name: str | None, kind: Kind | None, reference: str | None) -> Case:
    if len(given) == 1:
        return read_case(given[0], name=name, kind=kind, reference=reference)
    if not given or kind == "film":
        raise ReadError(f"{len(given)} files are not one film.", "Choose one film; series have their own page.")
    files = [open_source(one) for one in given]
    return case_of_files(files, _title(name, f"The choice of {len(files)} files"), reference)


def _title(name: str | None, otherwise: str) -> str:
    shown = shown_name(name)
    return f"'{shown}'" if shown else otherwise
