"""Files to cases: ``read_case`` and ``read_region``, and the registry of readers behind them.

Content decides which reader is asked, never the name. Whatever the bytes are, the answer is a Case or a
:class:`~xai_core.errors.ReadError` of one sentence and one remedy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xai_core.case import Case
from xai_core.errors import LightboxError, ReadError
from xai_core.readers.foreign import VOLUME, foreign_error
from xai_core.readers.region import read_region
from xai_core.readers.registry import Reader, readers
from xai_core.readers.source import open_source

__all__ = ["Reader", "read_case", "read_region", "readers"]


def read_case(source: Any, *, name: str | None = None) -> Case:
    """The film in ``source``: a path (str or Path), bytes, an open binary file, or a list holding one of these.

    ``name`` is shown instead of the file's own name; it is never opened. Samples stay as stored; how they are to be
    shown is in ``Case.facts``, what names a person in ``Case.patient`` alone.

    Raises :class:`ReadError`: one sentence and one remedy for anything that is not one grey film.
    """
    if isinstance(source, Mapping):
        raise ReadError("A set of modalities is a volume, and volumes cannot be read yet.", VOLUME)
    if isinstance(source, Sequence) and not isinstance(source, (str, bytes, bytearray, memoryview, Path)):
        if len(source) != 1:
            raise ReadError(f"{len(source)} files are not one film.", "Choose one film; series have their own page.")
        source = source[0]
    opened = open_source(source, name)
    try:
        for reader in readers().values():
            if reader.recognises(opened):
                return reader.read(opened)
    except LightboxError:
        raise
    except MemoryError as error:
        raise ReadError(f"{opened.title} needs more memory than this machine has.", "Choose a smaller film.") from error
    except Exception as error:
        raise ReadError(f"{opened.title} is damaged and cannot be read.", "Copy or export it again.") from error
    raise foreign_error(opened)
