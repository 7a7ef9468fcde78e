"""PNG, JPEG and WebP films, 8 and 16 bits, turned upright by their EXIF orientation; and rasters for masks.

Sources: PNG specification 1.2; EXIF 2.32 (orientation). Traps of Pillow met here: 16-bit colour and grey-with-alpha
PNG lose their low byte (OpenCV reads those instead), and an eXIf chunk after the pixels is known only after decoding.
"""

from __future__ import annotations

import io
import struct
import warnings
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xai_core.case import Case
from xai_core.errors import LightboxError, ReadError
from xai_core.readers.film import MOST_PIXELS, check_film_size, film_case, grey_of
from xai_core.readers.registry import reader
from xai_core.readers.source import Source

ORIENTATION = 0x0112
# A progressive JPEG has about ten scans; each one more costs a pass over the whole picture.
START_OF_SCAN, MOST_SCANS = b"\xff\xda", 100
KINDS = {"PNG": "PNG", "JPEG": "JPEG", "MPO": "JPEG", "WEBP": "WebP", "TIFF": "TIFF"}
SUFFIXES = {"PNG": (".png",), "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"), "WebP": (".webp",), "TIFF": (".tif", ".tiff")}
AGAIN = "Copy or export it again."

# Sizes are judged here before decoding; Pillow's warnings of them, and of odd EXIF blocks, would only be noise.
warnings.filterwarnings("ignore", module=r"PIL\..*")


@dataclass(frozen=True)
class Raster:
    """``samples`` (H, W) or (H, W, 3) upright, alpha and palette resolved; ``format`` and ``notes`` for the person."""

    samples: NDArray[Any]
    format: str
    bits: int
    photometric: str
    notes: tuple[str, ...]


def _is_raster(source: Source) -> bool:
    head = source.data[:12]
    return head.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")) or (head[:4] == b"RIFF" and head[8:] == b"WEBP")


@reader("raster", title="Picture", kind="film", suffixes=(".png", ".jpg", ".jpeg", ".webp"), recognises=_is_raster)
def read_raster(source: Source) -> Case:
    """A film of a PNG, JPEG or WebP; the samples are those of the file, turned upright."""
    return film_of_raster(source, decode_raster(source, film=True))


def film_of_raster(source: Source, raster: Raster) -> Case:
    """The film that ``raster`` is; raises :class:`ReadError` where it is coloured or blank."""
    grey, colour_notes = grey_of(source.title, raster.samples)
    facts = {
        "photometric": raster.photometric,
        "bits": raster.bits,
        "source": f"{raster.format}, {raster.bits} bit",
        "notes": raster.notes + colour_notes,
    }
    return film_case(source.title, grey, facts, patient={"file": source.name})


def decode_raster(source: Source, *, film: bool) -> Raster:
    """All pixels of one picture, upright. ``film``: refuse slivers before decoding.

    Raises :class:`ReadError` where it is animated, too large, in print colours, truncated or damaged.
    """
    try:
        return _decode(source, film)
    except LightboxError:
        raise
    except Image.DecompressionBombError as error:
        raise ReadError(
            f"{source.title} says it holds more than {MOST_PIXELS / 1e6:.0f} megapixels.",
            "Choose a single film, or save it at a lower resolution.",
        ) from error
    except Exception as error:
        raise _damaged(source) from error


def _damaged(source: Source) -> ReadError:
    precision = jpeg_precision(source.data)
    if precision not in (None, 8):
        return ReadError(
            f"{source.title} is a {precision}-bit JPEG, which no decoder here can read.",
            "Export it as 16-bit PNG or as uncompressed DICOM.",
        )
    return ReadError(f"{source.title} is truncated or damaged: its pixels cannot be decoded.", AGAIN)


def _decode(source: Source, film: bool) -> Raster:
    with Image.open(source.stream(), formats=("PNG", "JPEG", "WEBP")) as picture:
        name = KINDS[picture.format or ""]
        columns, rows = picture.size
        check_film_size(source.title, rows, columns, sliver=film)
        if name == "JPEG" and source.data.count(START_OF_SCAN) > MOST_SCANS:
            raise ReadError(f"{source.title} has more than {MOST_SCANS} scans, made to keep a decoder busy.", AGAIN)
        # MPO holds a second small picture (stereo, preview); the first one is the photograph.
        if picture.format != "MPO" and getattr(picture, "n_frames", 1) > 1:
            raise ReadError(f"{source.title} is an animated {name}, not a film.", "Save one frame of it as PNG.")
        notes = list(name_notes(source, name))
        wide = name == "PNG" and source.data[24] == 16 and source.data[25] != 0
        picture.load()
        samples, mode_notes = _from_opencv(source) if wide else pillow_samples(source.title, picture)
        notes += mode_notes
        try:
            orientation = int(picture.getexif().get(ORIENTATION, 1))
        except Exception:  # a damaged EXIF block says nothing, and the pixels are whole
            orientation = 1
    if 2 <= orientation <= 8:
        samples = upright(samples, orientation)
        notes.append("Turned upright as its EXIF orientation asks.")
    bits = 8 * samples.dtype.itemsize
    if name == "JPEG":
        notes.append("JPEG is lossy: fine detail may be lost.")
    return Raster(np.ascontiguousarray(samples), name, bits, "MONOCHROME2", tuple(notes))


def name_notes(source: Source, found: str) -> tuple[str, ...]:
    """A note where the file's name says another format than its content."""
    named = source.suffix
    known = {".dcm", *(suffix for every in SUFFIXES.values() for suffix in every)}
    if named in known and named not in SUFFIXES[found]:
        return (f"The name ends in {named}, but the content is {found}; read as {found}.",)
    return ()


def pillow_samples(title: str, picture: Image.Image) -> tuple[NDArray[Any], list[str]]:
    """Samples (H, W) or (H, W, 3) of a loaded Pillow image, palette and alpha resolved, and notes."""
    notes: list[str] = []
    mode = picture.mode
    if mode in {"CMYK", "LAB", "HSV", "YCbCr"}:
        raise ReadError(f"{title} is in print colours ({mode}), not a radiograph.", "Save the film in grey first.")
    if mode == "1":
        return np.asarray(picture, dtype=np.uint8) * np.uint8(255), ["Black and white only: one bit a pixel."]
    if mode in {"P", "PA"}:
        picture = picture.convert("RGBA" if mode == "PA" or "transparency" in picture.info else "RGB")
        mode = picture.mode
        notes.append("Palette resolved.")
    samples = np.asarray(picture)
    if mode in {"LA", "RGBA", "La", "RGBa"}:
        return _without_alpha(samples, notes)
    if mode == "RGBX":
        return samples[..., :3], notes
    return samples, notes


def _without_alpha(samples: NDArray[Any], notes: list[str]) -> tuple[NDArray[Any], list[str]]:
    alpha = samples[..., -1]
    if alpha.min() < (np.iinfo(alpha.dtype).max if alpha.dtype.kind in "iu" else 1):
        notes.append("Transparency is ignored.")
    kept = samples[..., :-1]
    return (kept[..., 0] if kept.shape[2] == 1 else kept), notes


def _from_opencv(source: Source) -> tuple[NDArray[Any], list[str]]:
    """16-bit PNG with colour or alpha; OpenCV keeps both bytes and leaves the orientation alone."""
    flags = cv2.IMREAD_UNCHANGED
    samples = cv2.imdecode(np.frombuffer(source.data, np.uint8), flags)
    if samples is None:
        raise _damaged(source)
    if samples.ndim == 2:
        return samples, []
    if samples.shape[2] == 4:
        kept, notes = _without_alpha(samples, [])
        return kept[..., ::-1], notes
    return samples[..., ::-1], []


def upright(samples: NDArray[Any], orientation: int) -> NDArray[Any]:
    """``samples`` (H, W, ...) turned and mirrored from EXIF ``orientation`` 1..8 to upright."""
    if orientation in (5, 6, 7, 8):
        samples = samples.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    return samples


def jpeg_precision(data: bytes) -> int | None:
    """Bits a sample in a JPEG's first frame header, ``None`` where there is none."""
    size = jpeg_frame(data)
    return size[0] if size else None


def jpeg_frame(data: bytes) -> tuple[int, int, int, int, int] | None:
    """(precision, rows, columns, components, SOF marker) of the first frame header of a JPEG or JPEG-LS stream."""
    stream = io.BytesIO(data)
    if stream.read(2) != b"\xff\xd8":
        return None
    while (lead := stream.read(2)) and len(lead) == 2 and lead[0] == 0xFF:
        marker = lead[1]
        if marker == 0xFF:
            stream.seek(-1, io.SEEK_CUR)
            continue
        if marker in (0x01, *range(0xD0, 0xD8)):
            continue
        size = stream.read(2)
        if marker in (0xD9, 0xDA) or len(size) < 2:
            return None
        length = struct.unpack(">H", size)[0]
        if marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            body = stream.read(6)
            return (*struct.unpack(">BHHB", body), marker) if len(body) == 6 else None
        stream.seek(max(length - 2, 0), io.SEEK_CUR)
    return None
