"""Packed bytes unpacked to at most a stated length, so that a bomb costs no more than an honest file."""

from __future__ import annotations

import bz2
import io
import zlib

from xai_core.errors import ReadError

AGAIN = "Copy or export it again."
GZIP, BZIP2 = b"\x1f\x8b", b"BZh"


def gunzipped(title: str, packed: bytes, most: int, *, least: int | None = None) -> bytes:
    """The first ``most`` bytes inside a gzip file; what follows stays packed.

    Raises :class:`ReadError` where it is damaged, or ends before ``least`` (default ``most``) bytes.
    """
    plain = io.BytesIO()
    rest = packed
    try:
        # files written in pieces are several members one after another
        while rest.startswith(GZIP) and plain.tell() < most:
            inflater = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
            plain.write(inflater.decompress(rest, most - plain.tell()))
            if not inflater.eof:
                inflater.decompress(inflater.unconsumed_tail, 1)  # reads the checksum that stands at the end
            rest = inflater.unused_data
    except zlib.error as error:
        raise _damaged(title) from error
    return _at_least(title, plain.getvalue(), most if least is None else least)


def bunzipped(title: str, packed: bytes, most: int) -> bytes:
    """The first ``most`` bytes inside a bzip2 file; raises :class:`ReadError` where it is damaged or ends before."""
    try:
        plain = bz2.BZ2Decompressor().decompress(packed, most)
    except (OSError, EOFError, ValueError) as error:
        raise _damaged(title) from error
    return _at_least(title, plain, most)


def _damaged(title: str) -> ReadError:
    return ReadError(f"{title} is damaged: it cannot be unpacked.", AGAIN)


def _at_least(title: str, plain: bytes, least: int) -> bytes:
    if len(plain) < least:
        raise ReadError(
            f"{title} is cut short: its header announces {least:,} bytes and {len(plain):,} are there.", AGAIN
        )
    return plain
