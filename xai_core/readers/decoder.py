"""Decodes compressed DICOM frames in a process of their own, with a limit of time and memory.

Why: with random bytes changed, libjpeg ran for minutes or took all memory, CharLS hung and the RLE decoder panicked;
in the server's process each of these would end every reader's session. The process starts with the first compressed
film, stays for the next ones and is replaced when it dies.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from xai_core.errors import ReadError
from xai_core.readers import decoder_child
from xai_core.readers.decoder_child import read_message, write_message

UNCOMPRESSED = "Export it uncompressed (explicit VR little endian), as JPEG 2000 lossless, or as 16-bit PNG."
BASE_SECONDS = 15.0
SECONDS_PER_MEGAPIXEL = 1.0


class FrameDecoder:
    """One child process, used by one thread at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0

    def decode(self, head: dict[str, Any], frame: bytes, seconds: float) -> tuple[dict[str, Any], bytes] | None:
        """The child's answer; ``None`` where it died or ran out of time."""
        with self._lock:
            process = self._started()
            requests, answers = cast(BinaryIO, process.stdin), cast(BinaryIO, process.stdout)
            limit = threading.Timer(seconds, process.kill)
            limit.start()
            try:
                write_message(requests, head, frame)
                answer = read_message(answers)
            except (OSError, ValueError):
                answer = None
            finally:
                limit.cancel()
            if answer is None:
                self._stop()
            return answer

    def _started(self) -> subprocess.Popen[bytes]:
        # a fork of this process must not share the parent's pipes
        if self._process is None or self._process.poll() is not None or self._owner != os.getpid():
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(Path(decoder_child.__file__))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            self._owner = os.getpid()
        return self._process

    def _stop(self) -> None:
        if self._process is not None and self._owner == os.getpid():
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):  # what was still to be written goes nowhere now
                        pipe.close()
        self._process = None

    def close(self) -> None:
        """End the child."""
        with self._lock:
            self._stop()


_DECODER = FrameDecoder()
atexit.register(_DECODER.close)


def decode_frame(title: str, syntax: str, frame: bytes, options: dict[str, Any]) -> NDArray[Any]:
    """Samples (H, W) or (H, W, 3) of one compressed ``frame``; ``options`` are pydicom's image pixel options.

    Raises :class:`ReadError` where no decoder reads it, or the time or memory it may take is used up.
    """
    seconds = BASE_SECONDS + SECONDS_PER_MEGAPIXEL * options["rows"] * options["columns"] / 1e6
    answer = _DECODER.decode({"transfer_syntax_uid": str(syntax), **options}, frame, seconds)
    name = getattr(syntax, "name", str(syntax))
    if answer is None:
        raise ReadError(f"{title} has damaged pixels: decoding them ({name}) did not come to an end.", UNCOMPRESSED)
    head, body = answer
    if "error" in head:
        raise ReadError(
            f"{title} has pixels ({name}) that cannot be decoded: damaged, or of a kind no decoder here reads.",
            UNCOMPRESSED,
        )
    samples = np.frombuffer(body, dtype=head["dtype"]).reshape(head["shape"])
    wanted = (options["rows"], options["columns"])
    if samples.shape[:2] != wanted:
        raise ReadError(f"{title} has damaged pixels: {samples.shape} decoded, {wanted} announced.", UNCOMPRESSED)
    return samples
