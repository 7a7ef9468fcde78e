"""Where bytes come from: a path, bytes or an open file, with a name that is only ever shown, never opened.

Sources: the traps of upload names (path characters, NUL, control characters, thousands of letters).
"""

from __future__ import annotations

import functools
import io
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from xai_core.errors import ReadError

LARGEST_FILE_BYTES = 1 << 30
LONGEST_NAME = 80


@dataclass(frozen=True, eq=False)
class Source:
    """The bytes of one file. ``name`` is cleaned for showing; ``title`` is how a sentence calls the file."""

    name: str
    path: Path | None = None
    content: bytes | None = None

    @property
    def title(self) -> str:
        """The file as the subject of a sentence."""
        return f"'{self.name}'" if self.name else "The file"

    @property
    def suffix(self) -> str:
        """Lower-case ending of the shown name, with its dot ('' without one)."""
        return Path(self.name).suffix.lower()

    @functools.cached_property
    def data(self) -> bytes:
        """All bytes. Raises :class:`ReadError` where the system refuses."""
        if self.content is not None:
            return self.content
        assert self.path is not None
        try:
            return self.path.read_bytes()
        except (OSError, MemoryError) as error:
            raise ReadError(f"{self.title} cannot be opened.", "Check that it still exists and may be read.") from error

    def stream(self) -> io.BytesIO:
        """A fresh seekable stream over the bytes."""
        return io.BytesIO(self.data)


def open_source(given: Any, name: str | None = None) -> Source:
    """A :class:`Source` for a path, a str, bytes or an open binary file.

    Raises :class:`ReadError` where there is no such file, it is a folder, empty or larger than 1 GiB.
    """
    if isinstance(given, (bytes, bytearray, memoryview)):
        source = Source(shown_name(name), content=bytes(given))
    elif isinstance(given, str | os.PathLike):
        source = _from_path(given, name)
    elif hasattr(given, "read"):
        source = _from_stream(given, name)
    else:
        raise ReadError(
            f"A {type(given).__name__} cannot be read as an image.", "Give a path, bytes or an open binary file."
        )
    if not source.data:
        raise ReadError(f"{source.title} is empty (0 bytes).", "Copy or export it again.")
    return source


def shown_name(name: object) -> str:
    """``name`` fit for showing: last path part, no control characters, at most 80 characters."""
    last = re.split(r"[/\\]", str(name or ""))[-1]
    clean = "".join(letter for letter in last if letter.isprintable()).strip()
    if len(clean) > LONGEST_NAME:
        clean = f"{clean[: LONGEST_NAME - 20]}…{clean[-19:]}"
    return "" if clean in {".", ".."} else clean


def _too_large(title: str) -> ReadError:
    return ReadError(f"{title} is larger than 1 GiB, more than any film needs.", "Choose a single film.")


def _from_path(given: str | os.PathLike[str], name: str | None) -> Source:
    title = shown_name(name) or shown_name(os.fspath(given))
    quoted = f"'{title}'" if title else "The path"
    try:
        path = Path(given).expanduser()
        if path.is_dir():
            raise ReadError(f"{quoted} is a folder, not a file.", "Choose one film in it.")
        if not path.exists():
            raise ReadError(f"There is no file {quoted}.", "Check the path.")
        if not path.is_file():
            raise ReadError(f"{quoted} is not an ordinary file.", "Choose an image file.")
        size = path.stat().st_size
    except (OSError, ValueError, RuntimeError) as error:
        raise ReadError(f"{quoted} is not a path that can be opened.", "Check its spelling and permissions.") from error
    if size > LARGEST_FILE_BYTES:
        raise _too_large(quoted)
    return Source(title, path=path)


def _from_stream(given: IO[bytes], name: str | None) -> Source:
    title = shown_name(name if name is not None else getattr(given, "name", None))
    quoted = f"'{title}'" if title else "The file"
    try:
        if given.seekable():
            given.seek(0)
        content = given.read(LARGEST_FILE_BYTES + 1)
    except Exception as error:
        raise ReadError(f"{quoted} cannot be read to its end.", "Open or upload it again.") from error
    if not isinstance(content, (bytes, bytearray)):
        raise ReadError(f"{quoted} was opened as text.", "Open it in binary mode ('rb').")
    if len(content) > LARGEST_FILE_BYTES:
        raise _too_large(quoted)
    return Source(title, content=bytes(content))
