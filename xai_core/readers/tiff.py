"""TIFF films of 8, 12, 16 and 32 bits, whole or real numbers, as scanners and research tools write them.

Source: TIFF 6.0. tifffile gives the samples as stored (Pillow inverts MinIsWhite and clips 16 bits); Pillow decodes
the other compressions (LZW, JPEG, fax), which tifffile leaves to a further package.
"""

from __future__ import annotations

import logging
import zlib
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from xai_core.case import Case
from xai_core.errors import LightboxError, ReadError
from xai_core.readers.film import check_film_size
from xai_core.readers.raster import AGAIN, ORIENTATION, Raster, film_of_raster, name_notes, pillow_samples, upright
from xai_core.readers.registry import reader
from xai_core.readers.source import Source

# Damaged files are told to the person in one sentence, not to the log in many.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)

GREY_PHOTOMETRICS = {0: "MONOCHROME1", 1: "MONOCHROME2"}  # MinIsWhite, MinIsBlack
RGB, PALETTE = 2, 3
UNCOMPRESSED, PACKBITS, DEFLATES = 1, 32773, (8, 32946)


def _is_tiff(source: Source) -> bool:
    return source.data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


@reader("tiff", title="TIFF", kind="film", suffixes=(".tif", ".tiff"), recognises=_is_tiff)
def read_tiff(source: Source) -> Case:
    """A film of a TIFF; MinIsWhite is kept as MONOCHROME1 with the samples as stored."""
    return film_of_raster(source, decode_tiff(source, film=True))


def decode_tiff(source: Source, *, film: bool) -> Raster:
    """All pixels of the one full-size page, upright.

    Raises :class:`ReadError` where there are several pages, too many pixels, or a page is cut short or damaged.
    """
    try:
        with tifffile.TiffFile(source.stream()) as tiff:
            return _decode(source, tiff, film)
    except LightboxError:
        raise
    except Exception as error:
        raise ReadError(f"{source.title} is truncated or damaged: its pixels cannot be decoded.", AGAIN) from error


def _decode(source: Source, tiff: tifffile.TiffFile, film: bool) -> Raster:
    full = [page for page in _pages(tiff) if not page.is_reduced]
    if not full:
        raise ReadError(f"{source.title} is a TIFF without a picture; it may be cut short.", AGAIN)
    if len(full) > 1:
        raise ReadError(f"{source.title} is a TIFF of several pages, not one film.", "Save one page of it alone.")
    page = full[0]
    check_film_size(source.title, page.imagelength, page.imagewidth, max(page.imagedepth, 1), sliver=film)
    if page.samplesperpixel > 4 or page.imagedepth > 1:
        raise ReadError(f"{source.title} has {page.samplesperpixel} channels, not one.", "Save one of them alone.")
    ends = [start + count for start, count in zip(page.dataoffsets, page.databytecounts, strict=False)]
    if not ends or max(ends) > len(source.data) or min(page.databytecounts) == 0:
        raise ReadError(f"{source.title} is cut short: pixels it announces are missing.", AGAIN)
    photometric = int(page.photometric) if page.photometric is not None else 1
    samples, notes, is_upright = _samples(source, page, photometric)
    orientation = int(page.tags[ORIENTATION].value) if ORIENTATION in page.tags else 1
    if 2 <= orientation <= 8:
        samples = samples if is_upright else upright(samples, orientation)
        notes.append("Turned upright as its orientation tag asks.")
    kind = GREY_PHOTOMETRICS.get(photometric, "MONOCHROME2")
    return Raster(
        np.ascontiguousarray(samples), "TIFF", int(page.bitspersample), kind, (*name_notes(source, "TIFF"), *notes)
    )


def _pages(tiff: tifffile.TiffFile) -> list[Any]:
    """The first pages; three are enough to know that there are several."""
    pages = []
    for page in tiff.pages:
        pages.append(page.aspage())
        if len(pages) == 3:
            break
    return pages


def _samples(source: Source, page: Any, photometric: int) -> tuple[NDArray[Any], list[str], bool]:
    """Samples, notes, and whether they are upright already."""
    if photometric == PALETTE or page.bitspersample < 8:
        return _by_pillow(source, photometric)
    if photometric not in (*GREY_PHOTOMETRICS, RGB):
        name = getattr(page.photometric, "name", str(photometric))
        if photometric != 6:  # YCbCr is what JPEG inside TIFF uses for grey saved in colour
            raise ReadError(f"{source.title} is in print colours ({name}).", "Save the film in grey first.")
        return _by_pillow(source, photometric)
    compression = int(page.compression)
    if compression not in (UNCOMPRESSED, PACKBITS, *DEFLATES) or page.bitspersample % 8:
        return _by_pillow(source, photometric)
    if compression in DEFLATES:
        _check_inflated_size(source, page)
    samples = np.squeeze(page.asarray())
    if samples.ndim == 3 and samples.shape[0] == page.samplesperpixel and page.planarconfig == 2:
        samples = np.moveaxis(samples, 0, -1)
    notes: list[str] = []
    if samples.ndim == 3:
        colours = 3 if photometric == RGB else 1
        if samples.shape[2] > colours:
            notes.append("Transparency is ignored.")
        samples = samples[..., :colours]
        samples = samples[..., 0] if colours == 1 else samples
    if samples.dtype == np.bool_:
        samples = samples.astype(np.uint8) * np.uint8(255)
    return samples, notes, False


def _check_inflated_size(source: Source, page: Any) -> None:
    """Raises :class:`ReadError` where a strip or tile holds more than the header says: tifffile inflates without limit."""
    whole = page.imagelength * page.imagewidth * page.samplesperpixel * page.bitspersample // 8
    largest = max(whole, page.tilelength * page.tilewidth * page.samplesperpixel * page.bitspersample // 8)
    for start, count in zip(page.dataoffsets, page.databytecounts, strict=False):
        inflater = zlib.decompressobj()
        inflater.decompress(source.data[start : start + count], largest + 1)
        if inflater.unconsumed_tail:
            raise ReadError(f"{source.title} holds more pixels than its header says.", AGAIN)


def _by_pillow(source: Source, photometric: int) -> tuple[NDArray[Any], list[str], bool]:
    # Pillow turns a TIFF upright while loading.
    with Image.open(source.stream(), formats=("TIFF",)) as picture:
        mode = picture.mode
        picture.load()
        samples, notes = pillow_samples(source.title, picture)
    if photometric == 0 and mode in {"L", "1"}:
        samples = np.uint8(255) - samples  # Pillow inverts MinIsWhite for these modes; back to what is stored
    return samples, notes, True
