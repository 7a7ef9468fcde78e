"""Results kept on disk: arrays in safetensors files, their facts in one SQLite table (WAL), within a limit of bytes.

Nothing here can run code when it is read back (no pickle), and nothing here names a patient: a result is kept
under the digest of what made it. Whatever is damaged (a truncated file, a flipped bit, a broken database) is
dropped and computed again; whatever cannot be written (a full or read-only disk) is let go with a line in the log.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sqlite3
import threading
import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

log = logging.getLogger(__name__)

Arrays = Mapping[str, NDArray[Any]]

_TABLE = """
CREATE TABLE IF NOT EXISTS results (
    key TEXT PRIMARY KEY, bytes INTEGER NOT NULL, checksum INTEGER NOT NULL, facts TEXT NOT NULL, used REAL NOT NULL
)"""


def cache_folder() -> Path:
    """Where results are kept: ``$LIGHTBOX_CACHE``, else the user's cache folder of the operating system."""
    chosen = os.environ.get("LIGHTBOX_CACHE", "").strip()
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("lightbox", appauthor=False))


class ResultStore:
    """Results by key on disk, the least recently used dropped beyond ``limit_bytes``. Safe between threads.

    Never raises for the state of the disk: where the folder cannot be used, nothing is found and nothing kept.
    """

    def __init__(self, folder: Path | None = None, limit_bytes: int = 2 << 30) -> None:
        self.folder = folder if folder is not None else cache_folder()
        self.limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = None
        try:
            self._blobs.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._database = self._open()
        except (OSError, sqlite3.Error) as error:
            log.warning("results are not kept on disk: %s", type(error).__name__)

    @property
    def is_usable(self) -> bool:
        """Whether results outlive the process."""
        return self._database is not None

    @property
    def size_bytes(self) -> int:
        """Bytes of all results kept."""
        with self._lock:
            rows = self._ask("SELECT COALESCE(SUM(bytes), 0) FROM results")
        return int(rows[0][0]) if rows else 0

    def get(self, key: str) -> tuple[dict[str, NDArray[Any]], dict[str, Any]] | None:
        """Arrays and facts under ``key``, or ``None``; a damaged entry is dropped and counts as absent."""
        with self._lock:
            rows = self._ask("SELECT checksum, facts FROM results WHERE key = ?", key)
            if not rows:
                return None
            try:
                content = self._blob(key).read_bytes()
                if zlib.crc32(content) != rows[0][0]:
                    raise ValueError("checksum")
                arrays, facts = load_tensors(content), json.loads(rows[0][1])
            except (OSError, ValueError, SafetensorError) as error:
                log.warning("a damaged result was dropped: %s", type(error).__name__)
                self._drop(key)
                return None
            self._ask("UPDATE results SET used = ? WHERE key = ?", time.time(), key)
        return arrays, facts

    def put(self, key: str, arrays: Arrays, facts: Mapping[str, Any]) -> None:
        """Keep ``arrays`` (numeric) and ``facts`` (plain JSON) under ``key``; larger than the limit: not kept."""
        content = save_tensors({name: np.ascontiguousarray(array) for name, array in arrays.items()})
        text = json.dumps(facts)
        if len(content) > self.limit_bytes or self._database is None:
            return
        target = self._blob(key)
        part = target.with_suffix(f".{os.getpid()}-{threading.get_ident()}.part")
        with self._lock:
            try:
                target.parent.mkdir(exist_ok=True, mode=0o700)
                part.write_bytes(content)
                part.replace(target)
            except OSError as error:
                log.warning("a result was not kept on disk: %s", type(error).__name__)
                part.unlink(missing_ok=True)
                return
            self._ask(
                "INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, ?)",
                key,
                len(content),
                zlib.crc32(content),
                text,
                time.time(),
            )
            self._shrink()

    def drop(self, key: str) -> None:
        """Forget one result."""
        with self._lock:
            self._drop(key)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            for (key,) in self._ask("SELECT key FROM results"):
                self._drop(key)

    def close(self) -> None:
        """Let go of the database; later calls find nothing."""
        with self._lock:
            if self._database is not None:
                self._database.close()
            self._database = None

    @property
    def _blobs(self) -> Path:
        return self.folder / "results"

    def _blob(self, key: str) -> Path:
        if not key.isalnum():
            raise ValueError("a key is a hexadecimal digest")
        return self._blobs / key[:2] / f"{key}.safetensors"

    def _open(self) -> sqlite3.Connection:
        """The database, made anew (and all blobs with it) where the old one is damaged."""
        path = self.folder / "results.sqlite"
        try:
            return _connected(path)
        except sqlite3.DatabaseError:
            log.warning("the index of kept results was damaged and is made anew")
            for old in [path, *self.folder.glob("results.sqlite-*"), *self._blobs.glob("*/*.safetensors")]:
                old.unlink(missing_ok=True)
            return _connected(path)

    def _ask(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        if self._database is None:
            return []
        try:
            with self._database:
                return self._database.execute(statement, values).fetchall()
        except sqlite3.DatabaseError as error:
            log.warning("kept results cannot be reached: %s", type(error).__name__)
            if not isinstance(error, sqlite3.OperationalError):
                self._rebuild()
            return []

    def _rebuild(self) -> None:
        if self._database is not None:
            self._database.close()
        self._database = None
        with contextlib.suppress(OSError, sqlite3.Error):
            self._database = self._open()

    def _drop(self, key: str) -> None:
        with contextlib.suppress(OSError):
            self._blob(key).unlink(missing_ok=True)
        self._ask("DELETE FROM results WHERE key = ?", key)

    def _shrink(self) -> None:
        excess = sum(row[0] for row in self._ask("SELECT SUM(bytes) FROM results") if row[0]) - self.limit_bytes
        if excess <= 0:
            return
        for key, size in self._ask("SELECT key, bytes FROM results ORDER BY used"):
            self._drop(key)
            excess -= size
            if excess <= 0:
                return


def _connected(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=5.0, check_same_thread=False)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute(_TABLE)
        database.commit()
        os.chmod(path, 0o600)  # noqa: PTH101
    except (sqlite3.Error, OSError):
        database.close()
        raise
    return database
