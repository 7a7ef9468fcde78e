"""The stored samples of DICOM frames: lengths checked before decoding, unused bits dropped, sign restored.

Sources: PS3.5 8.1.1 (bits allocated, stored, high bit), 8.2 (encapsulation), A.4; pydicom's pixel decoders. Compressed
frames are decoded in a process of their own (:mod:`xai_core.readers.decoder`): damaged ones hang or crash decoders.
"""

from __future__ import annotations

import itertools
import math
import struct
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.pixels import apply_color_lut, get_decoder
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from xai_core.errors import ReadError
from xai_core.readers.decoder import decode_frame
from xai_core.readers.dicom_facts import Tags
from xai_core.readers.raster import jpeg_frame

AGAIN = "Copy or export it again from the archive."
UNCOMPRESSED = "Export it uncompressed (explicit VR little endian), as JPEG 2000 lossless, or as 16-bit PNG."
JPEG_SYNTAXES = {f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 57, 70, 80, 81)}
J2K_SYNTAXES = {f"1.2.840.10008.1.2.4.{number}" for number in (90, 91, 201, 202, 203)}
OPTION_KEYWORDS = (
    "SamplesPerPixel", "PhotometricInterpretation", "Rows", "Columns", "NumberOfFrames", "BitsAllocated", "BitsStored",
    "HighBit", "PixelRepresentation", "PlanarConfiguration", "RedPaletteColorLookupTableDescriptor",
    "GreenPaletteColorLookupTableDescriptor", "BluePaletteColorLookupTableDescriptor", "RedPaletteColorLookupTableData",
    "GreenPaletteColorLookupTableData", "BluePaletteColorLookupTableData", "SegmentedRedPaletteColorLookupTableData",
    "SegmentedGreenPaletteColorLookupTableData", "SegmentedBluePaletteColorLookupTableData",
)  # fmt: skip
SHORT_NAMES = {
    "": "implicit little endian", ".1": "explicit little endian", ".2": "explicit big endian", ".1.99": "deflated",
    ".5": "RLE", ".4.50": "JPEG", ".4.51": "JPEG 12 bit", ".4.57": "JPEG lossless", ".4.70": "JPEG lossless",
    ".4.80": "JPEG-LS lossless", ".4.81": "JPEG-LS near lossless", ".4.90": "JPEG 2000 lossless", ".4.91": "JPEG 2000",
    ".4.201": "HTJ2K lossless", ".4.202": "HTJ2K lossless", ".4.203": "HTJ2K",
}  # fmt: skip
END_OF_IMAGE = b"\xff\xd9"
RLE_SYNTAX = "1.2.840.10008.1.2.5"
LOSSY_SYNTAXES = {f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 81, 91, 203)}
BY_FRAME_MARKER = {0xC0: "50", 0xC1: "51", 0xC3: "70", 0xF7: "80"}


def syntax_name(dataset: Dataset) -> str:
    """The transfer syntax in a word or three."""
    uid = _stated_syntax(dataset)
    return SHORT_NAMES.get(uid.removeprefix("1.2.840.10008.1.2"), str(uid.name))


def samples_of(title: str, dataset: Dataset, tags: Tags) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Samples (H, W), or (H, W, 3) as RGB, of the only frame, in the smallest type of the file's bits; and notes.

    Raises :class:`ReadError` where header and pixels disagree, pixels are missing, or no decoder reads them.
    """
    notes: list[str] = []
    samples = next(frames_of(title, dataset, tags, 1, notes))
    if tags.text("PhotometricInterpretation").upper() == "PALETTE COLOR":
        try:
            return apply_color_lut(samples, dataset), ("Palette resolved.",)
        except Exception as error:
            raise ReadError(f"{title} has a palette that contradicts itself.", AGAIN) from error
    return samples, tuple(notes)


def frames_of(title: str, dataset: Dataset, tags: Tags, count: int, notes: list[str]) -> Iterator[NDArray[Any]]:
    """The samples of ``count`` frames one after another, each (H, W) or (H, W, 3); ``notes`` are added to.

    Raises as :func:`samples_of`, before or between frames.
    """
    keyword = next(word for word in ("PixelData", "FloatPixelData", "DoubleFloatPixelData") if word in dataset)
    element = dataset[keyword]
    content = bytes(element.value or b"")
    options = _pixel_options(title, tags, keyword)
    has_stored_bits = keyword == "PixelData" and options["samples_per_pixel"] == 1
    has_stored_bits &= options["photometric_interpretation"] != "PALETTE COLOR"
    decoded: Iterable[tuple[NDArray[Any], UID]]
    if element.is_undefined_length or _stated_syntax(dataset).is_encapsulated:
        decoded = (_encapsulated(title, dataset, frame, options) for frame in _compressed_frames(title, content, count))
    else:
        syntax = ExplicitVRBigEndian if not _is_little_endian(dataset) else ImplicitVRLittleEndian
        pieces = _native_frames(title, content, count, options, notes)
        decoded = ((_native(syntax, piece, element.VR, options), syntax) for piece in pieces)
    for samples, syntax in decoded:
        yield _stored_bits(samples, tags, options, clip=syntax in LOSSY_SYNTAXES) if has_stored_bits else samples


def _stated_syntax(dataset: Dataset) -> UID:
    meta = getattr(dataset, "file_meta", None)
    uid = UID(Tags(meta).text("TransferSyntaxUID") if meta is not None else "")
    return uid if uid.is_transfer_syntax else UID("1.2.840.10008.1.2")


def _is_little_endian(dataset: Dataset) -> bool:
    implicit_and_little = getattr(dataset, "original_encoding", (None, None))
    return implicit_and_little[1] is not False


def _pixel_options(title: str, tags: Tags, keyword: str) -> dict[str, Any]:
    """The image pixel attributes under pydicom's names, checked for sense."""
    allocated = tags.whole("BitsAllocated") or {"FloatPixelData": 32, "DoubleFloatPixelData": 64}.get(keyword, 0)
    allocated = allocated or 8 * math.ceil((tags.whole("BitsStored") or 0) / 8)
    stored = tags.whole("BitsStored") or allocated
    channels = tags.whole("SamplesPerPixel") or 1
    if allocated not in ((8, 16, 32) if keyword == "PixelData" else (32, 64)) or not 0 < stored <= allocated:
        raise ReadError(
            f"{title} stores {stored} of {allocated} bits a pixel, which is not possible for a film.", UNCOMPRESSED
        )
    if channels not in (1, 3):
        raise ReadError(f"{title} has {channels} channels, not one.", "Choose a grey film.")
    photometric = tags.text("PhotometricInterpretation").upper() or ("RGB" if channels == 3 else "MONOCHROME2")
    if channels == 1 and photometric not in {"MONOCHROME1", "MONOCHROME2", "PALETTE COLOR"}:
        photometric = "MONOCHROME2"
    return {
        "rows": tags.whole("Rows"),
        "columns": tags.whole("Columns"),
        "number_of_frames": 1,
        "samples_per_pixel": channels,
        "bits_allocated": allocated,
        "bits_stored": stored,
        "pixel_representation": 1 if tags.whole("PixelRepresentation") == 1 else 0,
        "photometric_interpretation": photometric,
        "planar_configuration": 1 if tags.whole("PlanarConfiguration") == 1 else 0,
        "pixel_keyword": keyword,
    }


def _native_frames(
    title: str, content: bytes, count: int, options: dict[str, Any], notes: list[str]
) -> Iterator[bytes]:
    """The bytes of each uncompressed frame, after their number was checked."""
    pixels = options["rows"] * options["columns"] * options["samples_per_pixel"]
    length = pixels * options["bits_allocated"] // 8
    if options["photometric_interpretation"] == "YBR_FULL_422":
        length = length * 2 // 3
    expected = length * count
    size = f"{f'{count} frames of ' if count > 1 else ''}{options['columns']} x {options['rows']} pixels"
    if len(content) < expected:
        raise ReadError(f"{title} is cut short: {size} need {expected:,} bytes and {len(content):,} are there.", AGAIN)
    # A pad byte is normal and a tail of zeros harmless; anything else means that rows or columns are wrong.
    tail = content[expected:]
    if len(tail) > 1 and tail.strip(b"\0"):
        raise ReadError(
            f"{title} contradicts itself: {size} need {expected:,} bytes and {len(content):,} are there.", AGAIN
        )
    if len(tail) > 1:
        notes.append(f"{len(tail):,} bytes of padding after the pixels are ignored.")
    return (content[number * length : (number + 1) * length] for number in range(count))


def _native(syntax: UID, content: bytes, representation: str, options: dict[str, Any]) -> NDArray[Any]:
    # All allocated bits are taken as they are: which of them count is decided by _stored_bits.
    every = {**options, "bits_stored": options["bits_allocated"], "pixel_vr": representation}
    decoder = get_decoder(ExplicitVRLittleEndian if syntax == ImplicitVRLittleEndian else syntax)
    samples, _ = decoder.as_array(content, raw=options["samples_per_pixel"] == 1, **every)
    return np.asarray(samples)


def _compressed_frames(title: str, content: bytes, count: int) -> Iterator[bytes]:
    """Each compressed frame; raises :class:`ReadError` where there are fewer than ``count``."""
    try:
        frames = list(itertools.islice(generate_frames(content, number_of_frames=count), count))
    except Exception as error:
        raise ReadError(f"{title} is cut short: its compressed pixels are missing.", AGAIN) from error
    if len(frames) < count:
        raise ReadError(f"{title} is cut short: {len(frames)} of its {count} compressed frames are there.", AGAIN)
    return iter(frames)


def _encapsulated(title: str, dataset: Dataset, frame: bytes, options: dict[str, Any]) -> tuple[NDArray[Any], UID]:
    stated = _stated_syntax(dataset)
    syntax = stated if stated.is_encapsulated else _guessed_syntax(frame)
    size = _stream_size(frame, syntax)
    rows, columns = options["rows"], options["columns"]
    if syntax in JPEG_SYNTAXES | J2K_SYNTAXES and size is None:
        raise ReadError(f"{title} is damaged: its pixels are no {syntax.name} stream.", AGAIN)
    if size is not None and size != (rows, columns, options["samples_per_pixel"]):
        raise ReadError(
            f"{title} contradicts itself: its header says {columns} x {rows} pixels of {options['samples_per_pixel']} "
            f"channel(s), its compressed pixels {size[1]} x {size[0]} of {size[2]}.",
            AGAIN,
        )
    if syntax in JPEG_SYNTAXES and END_OF_IMAGE not in frame[-64:]:
        # the decoders fill what is missing with grey and say nothing
        raise ReadError(f"{title} is cut short: its compressed pixels have no end.", AGAIN)
    head = jpeg_frame(frame) if syntax in JPEG_SYNTAXES else None
    if head is not None and head[0] <= 8 < options["bits_allocated"]:
        # 8-bit streams in a file that allocates 16 bits: decoders want to be told the stream's own size
        options = {**options, "bits_allocated": 8, "bits_stored": min(options["bits_stored"], 8)}
    return decode_frame(title, syntax, frame, options), syntax


def _guessed_syntax(frame: bytes) -> UID:
    """The transfer syntax of a frame whose file states none or an uncompressed one."""
    if frame.startswith((b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP")):
        return UID("1.2.840.10008.1.2.4.90")
    head = jpeg_frame(frame)
    if head is not None and head[4] in BY_FRAME_MARKER:
        return UID(f"1.2.840.10008.1.2.4.{BY_FRAME_MARKER[head[4]]}")
    return UID(RLE_SYNTAX)


def _stream_size(frame: bytes, syntax: UID) -> tuple[int, int, int] | None:
    """(rows, columns, components) that the compressed stream itself states; ``None`` where it states none."""
    if syntax in J2K_SYNTAXES:
        at = frame.find(b"\xff\x4f\xff\x51", 0, 4096)
        if at < 0 or len(frame) < at + 42:
            return None
        right, bottom, left, top = struct.unpack_from(">IIII", frame, at + 8)
        return bottom - top, right - left, struct.unpack_from(">H", frame, at + 40)[0]
    if syntax in JPEG_SYNTAXES:
        head = jpeg_frame(frame)
        return (head[1], head[2], head[3]) if head else None
    return None


def _stored_bits(samples: NDArray[Any], tags: Tags, options: dict[str, Any], *, clip: bool) -> NDArray[Any]:
    """``samples`` with the bits that are not stored dropped and the sign restored, in a type of the allocated bits.

    ``clip``: lossy decoders overshoot, and a sample just above the range must not wrap round to 0.
    """
    allocated, stored = options["bits_allocated"], options["bits_stored"]
    is_signed = options["pixel_representation"] == 1
    dtype = np.dtype(f"{'i' if is_signed else 'u'}{allocated // 8}")
    high_bit = tags.whole("HighBit")
    shift = high_bit + 1 - stored if high_bit is not None and stored <= high_bit + 1 <= allocated else 0
    if clip:
        low, high = (-(1 << stored - 1), (1 << stored - 1) - 1) if is_signed else (0, (1 << stored) - 1)
        clipped: NDArray[Any] = np.clip(samples, low, high) if stored < 32 else samples
        return clipped.astype(dtype)
    if stored == allocated:
        return samples.astype(dtype, copy=False)
    raw: NDArray[Any] = samples.astype(dtype, copy=False).view(f"u{allocated // 8}")
    if shift and samples.dtype.itemsize * 8 == allocated:
        raw = np.right_shift(raw, shift)
    raw = np.bitwise_and(raw, raw.dtype.type((1 << stored) - 1))
    if is_signed:
        unused = allocated - stored
        raw = np.right_shift(np.left_shift(raw, unused).view(dtype), unused)
    return raw
