"""The registry of readers: each says which bytes are its own and turns them into a Case.

A new reader is a new module of this package with one decorated function; the package lists its own modules.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass

from xai_core.case import Case, Kind
from xai_core.errors import LightboxError, ReadError
from xai_core.readers.foreign import foreign_error
from xai_core.readers.source import Source


@dataclass(frozen=True)
class Reader:
    """One reader. ``recognises`` looks at content, never at the name; of several that do, the lowest ``rank`` reads.

    ``suffixes`` are the usual endings, for file choosers and documents.
    """

    name: str
    title: str
    kind: Kind
    suffixes: tuple[str, ...]
    recognises: Callable[[Source], bool]
    read: Callable[[Source], Case]
    rank: int = 10


_REGISTRY: dict[str, Reader] = {}


def reader(
    name: str,
    *,
    title: str,
    kind: Kind,
    suffixes: tuple[str, ...],
    recognises: Callable[[Source], bool],
    rank: int = 10,
) -> Callable[[Callable[[Source], Case]], Callable[[Source], Case]]:
    """Register the decorated ``read(source) -> Case``; a name is taken once."""

    def add(read: Callable[[Source], Case]) -> Callable[[Source], Case]:
        if name in _REGISTRY:
            raise ValueError(f"reader {name} is registered twice")
        _REGISTRY[name] = Reader(name, title, kind, suffixes, recognises, read, rank)
        return read

    return add


def readers() -> dict[str, Reader]:
    """All registered readers by name, in the order in which they are asked."""
    package = importlib.import_module("xai_core.readers")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"xai_core.readers.{module.name}")
    return dict(sorted(_REGISTRY.items(), key=lambda item: (item[1].rank, item[0])))


def read_source(source: Source, kind: Kind | None = None) -> Case:
    """The case of one file: a film, a volume, or whichever it is.

    Raises :class:`ReadError`: what the file is instead, or what is wrong with it.
    """
    try:
        for entry in readers().values():
            if kind in (None, entry.kind) and entry.recognises(source):
                return entry.read(source)
    except LightboxError:
        raise
    except MemoryError as error:
        raise ReadError(f"{source.title} needs more memory than this machine has.", "Choose a smaller one.") from error
    except Exception as error:
        raise ReadError(f"{source.title} is damaged and cannot be read.", "Copy or export it again.") from error
    raise foreign_error(source, kind or "film")
