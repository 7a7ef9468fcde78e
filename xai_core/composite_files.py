"""Composites as data files: a table from place to rule that a researcher writes in five lines of TOML and picks in the page.

    name = "lrp-soft"
    title = "Soft"
    rows = [["first", "flat"], ["convolution", "gamma", {gamma = 0.1}], ["any", "epsilon"]]

A row is a place, a rule by name (``xai_core.rules.named``), and, where wanted, its parameters; the first row that fits decides.
Places: "first", "convolution", "fully-connected", "norm", "sum", "name:PATTERN" on the module path (fnmatch), and "any", the last.
``summary``, ``source`` and ``needs_positive`` may be given. A ``box`` without ``low`` and ``high`` takes the model card's range.

Files lie in the folder named by ``LIGHTBOX_COMPOSITES`` and in ``lightbox/composites`` of the user's configuration; they
are read when explainers are listed, again when they change, and a broken one costs a line in the log, never another file.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import platformdirs

from xai_core.composites import COMPOSITES, HIGH, LOW, PLACES, Composite, Rows
from xai_core.errors import CompositeError, LightboxError
from xai_core.rules.linear import Box, LinearRule
from xai_core.rules.named import rule_named

log = logging.getLogger(__name__)

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_NEEDED = ("name", "title", "rows")
_KEYS = (*_NEEDED, "summary", "source", "needs_positive")
_LARGEST_BYTES = 1 << 20


@dataclass(frozen=True)
class _Seen:
    """A file as it was when last read: the composite it held (None: it was broken); ``stays``: asked for by name."""

    stamp: tuple[int, int]
    made: Composite | None
    stays: bool = False


_SEEN: dict[Path, _Seen] = {}


def load_file(path: Path, taken: Collection[str] = ()) -> str:
    """Put the composite in ``path`` among the registered ones; returns its name. ``taken``: names it may not have.

    Raises :class:`CompositeError`; then what the file held before stays as it was.
    """
    file = path.expanduser().resolve()
    before = _SEEN.get(file)
    made = composite_of(file)
    _register(file, made, before, taken)
    _SEEN[file] = _Seen(_stamp(file), made, stays=True)
    return made.name


def composite_folders() -> Iterator[Path]:
    """Where files are looked for: ``$LIGHTBOX_COMPOSITES``, then the user's configuration."""
    chosen = os.environ.get("LIGHTBOX_COMPOSITES")
    if chosen:
        yield Path(chosen).expanduser()
    yield Path(platformdirs.user_config_dir("lightbox", appauthor=False)) / "composites"


def refresh_files(taken: Collection[str] = ()) -> None:
    """Bring the registered composites in line with the folders: new and changed files are read, those that are gone forgotten."""
    present = list(dict.fromkeys(file for folder in composite_folders() for file in _files(folder)))
    gone = [file for file, seen in _SEEN.items() if file not in present and not seen.stays]
    for file in gone:
        _forget(_SEEN.pop(file))
    if gone:  # a name may have become free
        for file in [file for file, seen in _SEEN.items() if seen.made is None]:
            del _SEEN[file]
    for file in present:
        stamp, before = _stamp(file), _SEEN.get(file)
        if before is not None and before.stamp == stamp:
            continue
        made = None
        try:
            made = composite_of(file)
            _register(file, made, before, taken)
        except LightboxError as problem:
            log.warning("A composite is left out. %s", problem)
            _forget(before)
            made = None
        _SEEN[file] = _Seen(stamp, made, before is not None and before.stays)


def composite_of(file: Path) -> Composite:
    """The composite written in ``file``; raises :class:`CompositeError` naming the file and what is wrong in it."""
    try:
        if file.stat().st_size > _LARGEST_BYTES:
            raise CompositeError(f"{file.name} is too large for a composite.", "Keep it to its rows.")
        text = file.read_bytes()
        table = tomllib.loads(text.decode("utf-8"))
    except OSError as problem:
        raise CompositeError(f"{file.name} cannot be read ({problem.strerror}).", "Check the path.") from problem
    except UnicodeDecodeError as problem:
        raise CompositeError(f"{file.name} is not a text file.", "Save it as UTF-8.") from problem
    except tomllib.TOMLDecodeError as problem:
        raise CompositeError(f"{file.name} is not TOML: {problem}.", "Compare it with CONTRIBUTING.md.") from problem
    try:
        return _composite(table, file.name, hashlib.sha256(text).hexdigest())
    except CompositeError as problem:
        raise CompositeError(f"{file.name}: {problem.sentence}", problem.remedy) from None


def _composite(table: Mapping[str, Any], file_name: str, digest: str) -> Composite:
    unknown = next((key for key in table if key not in _KEYS), None)
    if unknown is not None:
        raise CompositeError(f"a composite has no '{unknown}'.", f"It may say: {', '.join(_KEYS)}.")
    missing = next((key for key in _NEEDED if key not in table), None)
    if missing is not None:
        raise CompositeError(f"'{missing}' is missing.", f"Give {', '.join(_NEEDED)}.")
    texts = {"summary": f"A table of one's own, from {file_name}.", "source": file_name}
    texts |= {key: table[key] for key in ("name", "title", "summary", "source") if key in table}
    for key, text in texts.items():
        if not isinstance(text, str) or not text.strip():
            raise CompositeError(f"'{key}' is not a text.", f'Write {key} = "...".')
    if not _NAME.fullmatch(texts["name"]):
        raise CompositeError(f"the name '{texts['name']}' is not possible.", "Use small letters, digits and hyphens.")
    if not isinstance(table.get("needs_positive", False), bool):
        raise CompositeError("'needs_positive' is neither true nor false.", "Write needs_positive = true.")
    rows = _rows(table["rows"])
    has_open_box = any(isinstance(rule, Box) and None in (rule.low, rule.high) for _, rule in rows)

    def chosen(parameters: Mapping[str, Any]) -> Rows:
        return tuple((place, _bounded(rule, parameters)) for place, rule in rows)

    return Composite(
        **texts,
        rows=chosen,
        parameters=(LOW, HIGH) if has_open_box else (),
        needs_positive=table.get("needs_positive", False),
        cost=5.0,
        revision=digest,
    )


def _rows(rows: Any) -> Rows:
    if not isinstance(rows, list) or not rows:
        raise CompositeError(
            "'rows' is not a list of rows.", 'Write rows = [["convolution", "plus"], ["any", "epsilon"]].'
        )
    made = tuple(_row(number, row) for number, row in enumerate(rows, 1))
    places = [place for place, _ in made]
    if places[-1] != "any" or places.count("any") > 1:
        raise CompositeError('the last row, and it alone, is for "any" place.', 'End the rows with ["any", "plus"].')
    return made


def _row(number: int, row: Any) -> tuple[str, LinearRule]:
    if not isinstance(row, list) or len(row) not in (2, 3) or not all(isinstance(part, str) for part in row[:2]):
        raise CompositeError(
            f"row {number} is not a place and a rule.", 'Write it like ["convolution", "gamma", {gamma = 0.1}].'
        )
    place, name = row[:2]
    given = row[2] if len(row) == 3 else {}
    if not isinstance(given, dict):
        raise CompositeError(f"the parameters of row {number} have no names.", "Write them like {gamma = 0.1}.")
    if place not in PLACES and not (place.startswith("name:") and len(place) > len("name:")):
        raise CompositeError(
            f"row {number} has a place '{place}' that does not exist.",
            f"The places: {', '.join(PLACES)}, name:PATTERN.",
        )
    try:
        return place, rule_named(name, given)
    except LightboxError as problem:
        raise CompositeError(f"row {number}: {problem.sentence}", problem.remedy) from None


def _bounded(rule: LinearRule, parameters: Mapping[str, Any]) -> LinearRule:
    """A box without bounds of its own takes those of the request."""
    if not isinstance(rule, Box):
        return rule
    return replace(
        rule,
        low=parameters.get("low") if rule.low is None else rule.low,
        high=parameters.get("high") if rule.high is None else rule.high,
    )


def _register(file: Path, made: Composite, before: _Seen | None, taken: Collection[str]) -> None:
    held = COMPOSITES.get(made.name)
    is_own = held is not None and before is not None and held is before.made
    if made.name in taken or (held is not None and not is_own):
        raise CompositeError(f"{file.name}: the name '{made.name}' is taken.", "Give the composite another name.")
    _forget(before)
    COMPOSITES[made.name] = made


def _forget(seen: _Seen | None) -> None:
    made = seen.made if seen is not None else None
    if made is not None and COMPOSITES.get(made.name) is made:
        del COMPOSITES[made.name]


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(file.resolve() for file in folder.glob("*.toml") if file.is_file())
    except OSError as problem:
        log.warning("the folder of composites '%s' cannot be read (%s)", folder.name, problem.strerror)
        return []


def _stamp(file: Path) -> tuple[int, int]:
    try:
        facts = file.stat()
    except OSError:
        return (0, 0)
    return facts.st_mtime_ns, facts.st_size
