"""NRRD volumes with their samples in the same file (3-D Slicer's .nrrd), raw, gzip or bzip2.

Source: the NRRD format (teem.sourceforge.net/nrrd/format.html: space, space directions, space origin, encoding). The
first axis runs fastest, so the same bytes read in C order are (D, H, W). Headers are parsed by pynrrd; samples are
unpacked here, because pynrrd unpacks without a limit and opens whatever file a header names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import nrrd
import numpy as np
from numpy.typing import NDArray

from xai_core.case import Case, Geometry
from xai_core.errors import ReadError
from xai_core.readers.inflate import AGAIN, bunzipped, gunzipped
from xai_core.readers.names import modality_of
from xai_core.readers.registry import reader
from xai_core.readers.source import Source
from xai_core.readers.volume import UNPLACED, check_volume_size, geometry_of, volume_case

# Signs that bring the file's world axes to LPS.
TO_LPS = {
    "left-posterior-superior": (1, 1, 1), "lps": (1, 1, 1),
    "right-anterior-superior": (-1, -1, 1), "ras": (-1, -1, 1),
    "left-anterior-superior": (1, -1, 1), "las": (1, -1, 1),
}  # fmt: skip
TYPES = {
    "i1": ("signed char", "int8", "int8_t"), "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"), "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": ("longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t"),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",), "f8": ("double",),
}  # fmt: skip
MM_PER_UNIT = {"mm": 1.0, "millimeter": 1.0, "cm": 10.0, "m": 1000.0, "um": 0.001, "": 1.0}
LONGEST_HEADER = 1 << 20


def _is_nrrd(source: Source) -> bool:
    return source.data.startswith(b"NRRD000")


@reader("nrrd", title="NRRD volume", kind="volume", suffixes=(".nrrd",), recognises=_is_nrrd, rank=2)
def read_nrrd(source: Source) -> Case:
    """A volume of one channel; the file's axes, last one first, are (D, H, W).

    Raises :class:`ReadError` where its samples are in another file (.nhdr), it is 4-D or in colour, packed in a way that
    is not read here, cut short, too large, or its voxels have no size.
    """
    header, start = _header(source)
    if any(key in header for key in ("data file", "datafile")):
        raise ReadError(
            f"{source.title} is an NRRD header (.nhdr) whose samples are in another file.",
            "Save the volume as one .nrrd file.",
        )
    dtype = _dtype(source.title, header)
    sizes = [int(size) for size in np.atleast_1d(header["sizes"])]
    kept = _space_axes(source.title, header, sizes)
    shape = check_volume_size(source.title, [sizes[axis] for axis in kept][::-1])
    samples = _samples(source, header, start, dtype, shape)
    notes: list[str] = []
    geometry = _geometry(source.title, header, kept, shape, notes)
    facts = {"source": f"NRRD, {dtype.name}", "notes": tuple(notes)}
    return volume_case(source.title, samples, geometry, facts, {"file": source.name}, modality_of(source.name))


def _header(source: Source) -> tuple[Mapping[str, Any], int]:
    stream = source.stream()
    at = min(
        (found for mark in (b"\n\n", b"\r\n\r\n") if (found := source.data.find(mark, 0, LONGEST_HEADER)) >= 0),
        default=-1,
    )
    if at < 0:
        raise ReadError(f"{source.title} has an NRRD header without an end.", AGAIN)
    try:
        header = nrrd.read_header(stream)
        header["sizes"], header["type"], header["encoding"]
    except Exception as error:  # pynrrd meets damaged headers with several kinds of exception
        raise ReadError(f"{source.title} has a damaged NRRD header.", AGAIN) from error
    return header, stream.tell()


def _dtype(title: str, header: Mapping[str, Any]) -> np.dtype[Any]:
    named = str(header["type"]).strip().lower()
    code = next((code for code, names in TYPES.items() if named in names), None)
    if code is None:
        raise ReadError(
            f"{title} stores samples of type '{named[:40]}', which is no number.", "Save it as short or float."
        )
    return np.dtype(code).newbyteorder(">" if str(header.get("endian", "little")).lower() == "big" else "<")


def _space_axes(title: str, header: Mapping[str, Any], sizes: list[int]) -> list[int]:
    """The axes that lie in space: those with a direction, or all; others must have one sample."""
    directions = header.get("space directions")
    if directions is None:
        return list(range(len(sizes)))
    rows = np.atleast_2d(np.asarray(directions, dtype=np.float64))
    others = [axis for axis in range(len(sizes)) if axis >= len(rows) or np.isnan(rows[axis]).any()]
    many = [axis for axis in others if sizes[axis] != 1]
    if many:
        raise ReadError(
            f"{title} holds {sizes[many[0]]} values a voxel (a series over time, colours or layers): 4-D where 3-D is expected.",
            "Save the one you want as a file of its own.",
        )
    return [axis for axis in range(len(sizes)) if axis not in others]


def _samples(
    source: Source, header: Mapping[str, Any], start: int, dtype: np.dtype[Any], shape: tuple[int, int, int]
) -> NDArray[Any]:
    if any(int(header.get(key, 0)) for key in ("line skip", "lineskip", "byte skip", "byteskip")):
        raise ReadError(
            f"{source.title} skips bytes before its samples, which is not read here.", "Save it as a plain .nrrd."
        )
    count = int(np.prod(shape))
    needed = count * dtype.itemsize
    encoding = str(header["encoding"]).lower()
    unpack = ENCODINGS.get(encoding)
    if unpack is None:
        raise ReadError(
            f"{source.title} is packed as '{encoding[:20]}', which is not read here.", "Save it as raw or gzip."
        )
    data = unpack(source.title, source.data[start:], needed)
    if len(data) < needed:
        raise ReadError(
            f"{source.title} is cut short: its header announces {needed:,} bytes and {len(data):,} are there.", AGAIN
        )
    return np.frombuffer(data, dtype, count).reshape(shape)


ENCODINGS = {
    "raw": lambda title, data, most: data[:most],
    "gzip": gunzipped, "gz": gunzipped, "bzip2": bunzipped, "bz2": bunzipped,
}  # fmt: skip


def _geometry(
    title: str, header: Mapping[str, Any], kept: list[int], shape: tuple[int, int, int], notes: list[str]
) -> Geometry:
    signs = TO_LPS.get(str(header.get("space", "")).strip().lower())
    directions = header.get("space directions")
    scale = _millimetres(header)
    if signs is None or directions is None or len(kept) != 3:
        notes.append(UNPLACED)
        spacing = _spacing(header, kept)
        if spacing is not None:
            geometry_of(title, np.diag([*spacing, 1.0]))
        return Geometry(spacing_mm=None if spacing is None else tuple(step * scale for step in spacing))
    affine = np.eye(4)
    affine[:3, :3] = np.asarray(directions, dtype=np.float64)[kept].T
    affine[:3, 3] = np.asarray(header.get("space origin", np.zeros(3)), dtype=np.float64)
    if "space origin" not in header:
        notes.append("The file gives directions but no origin: positions in millimetres start at its first voxel.")
    affine[:3] *= scale
    affine[:3] *= np.asarray(signs, dtype=np.float64)[:, None]
    return geometry_of(title, affine[:, [2, 1, 0, 3]])


def _millimetres(header: Mapping[str, Any]) -> float:
    units = np.atleast_1d(np.asarray(header.get("space units", "mm"), dtype=object))
    return MM_PER_UNIT.get(str(units[0]).strip('"').lower(), 1.0)


def _spacing(header: Mapping[str, Any], kept: list[int]) -> tuple[float, ...] | None:
    """Spacing of (D, H, W) where the header has one and no orientation."""
    if len(kept) != 3:
        return None
    directions, spacings = header.get("space directions"), header.get("spacings")
    if directions is not None:
        steps = np.linalg.norm(np.asarray(directions, dtype=np.float64)[kept], axis=1)
    elif spacings is not None and len(spacings) > max(kept):
        steps = np.abs(np.asarray(spacings, dtype=np.float64)[kept])
    else:
        return None
    return tuple(float(step) for step in steps[::-1]) if np.isfinite(steps).all() else None
