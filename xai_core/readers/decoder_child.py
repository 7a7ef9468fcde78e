"""A process that decodes compressed DICOM frames, so that a frame that hangs or crashes a decoder costs only it.

Run by path, not imported by anybody: reads (length, JSON, length, frame) from its input and answers in the same form.
It imports nothing of the project and holds no patient data: only pixel attributes and the compressed frame.
"""

from __future__ import annotations

import json
import struct
import sys
from typing import BinaryIO

MOST_MEMORY_BYTES = 6 << 30


def read_message(stream: BinaryIO) -> tuple[dict[str, object], bytes] | None:
    """The next (head, body), ``None`` at the end of the stream."""
    lengths = stream.read(12)
    if len(lengths) < 12:
        return None
    head_length, body_length = struct.unpack(">IQ", lengths)
    head, body = stream.read(head_length), stream.read(body_length)
    if len(head) < head_length or len(body) < body_length:
        return None
    return json.loads(head), body


def write_message(stream: BinaryIO, head: dict[str, object], body: bytes = b"") -> None:
    """One (head, body)."""
    encoded = json.dumps(head).encode()
    stream.write(struct.pack(">IQ", len(encoded), len(body)) + encoded)
    stream.write(body)
    stream.flush()


def main() -> None:
    """Answer requests until the input ends."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY_BYTES, MOST_MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, ValueError, OSError):  # Windows has no such limits; the time limit stands
        pass
    import numpy as np
    from pydicom.encaps import encapsulate
    from pydicom.pixels import get_decoder

    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    while (message := read_message(requests)) is not None:
        head, frame = message
        syntax = str(head.pop("transfer_syntax_uid"))
        try:
            raw = head["samples_per_pixel"] == 1
            decoder = get_decoder(syntax)
            samples, _ = decoder.as_array(encapsulate([frame]), raw=raw, **head)  # type: ignore[arg-type]
            samples = np.ascontiguousarray(samples, dtype=samples.dtype.newbyteorder("<"))
            write_message(answers, {"shape": samples.shape, "dtype": samples.dtype.str}, samples.tobytes())
        except BaseException as error:  # a Rust decoder panics with an exception outside Exception
            write_message(answers, {"error": f"{type(error).__name__}: {error}"[:2000]})


if __name__ == "__main__":
    main()
