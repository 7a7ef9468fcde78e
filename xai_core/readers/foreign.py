"""Files people bring by mistake, told by their first bytes: what each is, and what to do about it."""

from __future__ import annotations

from xai_core.case import Kind
from xai_core.errors import ReadError
from xai_core.readers.source import Source

FILMS = "Choose a film as DICOM, PNG, JPEG, WebP or TIFF."
VOLUME = "Volumes have their own page; choose a single film here."

# (offset, first bytes, what it is, remedy)
KNOWN: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"%PDF", "a PDF document", "Export the film itself as DICOM or PNG."),
    (0, b"PK\x03\x04", "a ZIP archive", "Unpack it and choose the film inside."),
    (0, b"Rar!", "a RAR archive", "Unpack it and choose the film inside."),
    (0, b"7z\xbc\xaf", "a 7-Zip archive", "Unpack it and choose the film inside."),
    (344, b"n+1\0", "a NIfTI volume", VOLUME),
    (344, b"ni1\0", "a NIfTI header", VOLUME),
    (4, b"n+2\0", "a NIfTI volume", VOLUME),
    (0, b"NRRD", "an NRRD volume", VOLUME),
    (0, b"ObjectType", "a MetaImage volume", VOLUME),
    (0, b"\x1f\x8b", "a gzip archive", "Unpack it and choose the film inside."),
    (0, b"\xfd7zXZ", "an xz archive", "Unpack it and choose the film inside."),
    (0, b"GIF8", "a GIF picture", "Save it as PNG."),
    (0, b"BM", "a BMP picture", "Save it as PNG."),
    (0, b"\0\0\0\x0cjP  ", "a JPEG 2000 picture", "Save it as PNG, or as DICOM."),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 stream", "Save it as PNG, or as DICOM."),
    (0, b"\xff\x0a", "a JPEG XL picture", "Save it as PNG."),
    (0, b"\0\0\0\x0cJXL ", "a JPEG XL picture", "Save it as PNG."),
    (4, b"ftypavif", "an AVIF picture", "Save it as PNG."),
    (4, b"ftyphei", "a HEIC photograph", "Save it as PNG."),
    (4, b"ftypmif1", "a HEIC photograph", "Save it as PNG."),
    (4, b"ftyp", "a video", FILMS),
    (0, b"8BPS", "a Photoshop document", "Save it as PNG."),
    (0, b"\x93NUMPY", "a NumPy array", FILMS),
    (0, b"\x89HDF", "an HDF5 file", FILMS),
    (0, b"<svg", "an SVG drawing", FILMS),
    (0, b"<?xml", "an XML document", FILMS),
    (0, b"<!DOCTYPE", "a web page", "Download the film itself, not the page around it."),
    (0, b"<html", "a web page", "Download the film itself, not the page around it."),
    (0, b"{", "a text file", FILMS),
)
# What films are, where a volume is wanted.
PICTURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG", "a PNG picture"),
    (0, b"\xff\xd8\xff", "a JPEG picture"),
    (0, b"II*\0", "a TIFF picture"),
    (0, b"MM\0*", "a TIFF picture"),
    (8, b"WEBP", "a WebP picture"),
    (128, b"DICM", "a DICOM film or document"),
)
VOLUMES = "Choose a volume as NIfTI, NRRD or a DICOM series."
NIFTI_SUFFIXES = (".nii", ".nii.gz")


def foreign_error(source: Source, kind: Kind = "film") -> ReadError:
    """The :class:`ReadError` for bytes that no reader of this ``kind`` recognises."""
    if kind == "volume":
        return _no_volume(source)
    if source.name.lower().endswith(NIFTI_SUFFIXES):
        return ReadError(f"{source.title} is a NIfTI volume, not a film.", VOLUME)
    data = source.data
    for offset, magic, what, remedy in KNOWN:
        if data[offset : offset + len(magic)].lower() == magic.lower():
            return ReadError(f"{source.title} is {what}, which cannot be read as a film.", remedy)
    head = data[:512]
    if head and all(byte in b"\t\n\r\f" or byte >= 32 for byte in head):
        return ReadError(f"{source.title} is text, not an image.", FILMS)
    return ReadError(f"{source.title} is not an image that can be read.", FILMS)


def _no_volume(source: Source) -> ReadError:
    kinds = (*PICTURES, *(entry[:3] for entry in KNOWN))
    what = next((what for offset, magic, what in kinds if source.data[offset : offset + len(magic)] == magic), "")
    return ReadError(
        f"{source.title} is {what}, not a volume." if what else f"{source.title} is no volume that can be read.",
        VOLUMES,
    )
