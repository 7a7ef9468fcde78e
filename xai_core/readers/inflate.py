"""Packed bytes unpacked to at most a stated length, so that a bomb costs no more than an honest file."""

from __future__ import annotations

import bz2
import io
import zlib

from xai_core.errors import ReadError

AGAIN = "Copy or export it again."
GZIP = b"\x1f\x8b"
# Zeros after the samples are harmless padding, as long as they are few.
MOST_SURPLUS = 1 << 16


def gunzipped(title: str, packed: bytes, length: int) -> bytes:
    """The ``length`` bytes inside a gzip file.

    Raises :class:`ReadError` where it is damaged, or holds less or more; of a surplus no more than 64 KiB are unpacked.
    """
    plain = gunzipped_start(title, packed, length + MOST_SURPLUS)
    if plain[length:].strip(b"\0") or len(plain) == length + MOST_SURPLUS:
        raise ReadError(
            f"{title} contradicts itself: it unpacks to more than the {length:,} bytes of its header.", AGAIN
        )
    return _at_least(title, plain[:length], length)


def gunzipped_start(title: str, packed: bytes, most: int) -> bytes:
    """At most the first ``most`` bytes inside a gzip file; what follows stays packed.

    Raises :class:`ReadError` where what is unpacked is damaged.
    """
    plain = io.BytesIO()
    rest = packed
    try:
        # files written in pieces are several members one after another
        while rest.startswith(GZIP) and plain.tell() < most:
            inflater = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
            plain.write(inflater.decompress(rest, most - plain.tell()))
            rest = inflater.unused_data
    except zlib.error as error:
        raise _damaged(title) from error
    return plain.getvalue()


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
