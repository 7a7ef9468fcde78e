"""NIfTI-1 and NIfTI-2 volumes, plain or gzipped, as single files.

Sources: NIfTI-1 header (nifti1.h: pixdim, qform, sform, xyzt_units, scl_slope). The first array axis of the file runs
fastest, so the same bytes read in C order are (D, H, W) = (k, j, i). World axes of NIfTI are RAS, of a case LPS. The
sform is taken where it has a code, then the qform; without either nothing says where the volume lies.
"""

from __future__ import annotations

from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from xai_core.case import Case, Geometry
from xai_core.errors import ReadError
from xai_core.readers.inflate import AGAIN, GZIP, gunzipped, gunzipped_start
from xai_core.readers.names import modality_of
from xai_core.readers.registry import reader
from xai_core.readers.source import Source
from xai_core.readers.volume import UNPLACED, check_volume_size, geometry_of, volume_case

HEADER_BYTES = 544
# (header size, where its magic stands, magic of one file, magic of a header beside its samples, class)
KINDS = (
    (348, 344, b"n+1\0", b"ni1\0", nib.Nifti1Header),
    (540, 4, b"n+2\0\r\n\x1a\n", b"ni2\0\r\n\x1a\n", nib.Nifti2Header),
)
RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
# (d, h, w, 1) to NIfTI's (i, j, k, 1).
REVERSED = np.eye(4)[[2, 1, 0, 3]]
# Largest distance in mm at which sform and qform still say the same of a voxel.
FORMS_APART_MM = 0.5


def _head(source: Source) -> bytes:
    """The first bytes of the header, unpacked where they are gzipped; b'' where they cannot be."""
    if not source.data.startswith(GZIP):
        return source.data[:HEADER_BYTES]
    try:
        return gunzipped_start(source.title, source.data[: 4 * HEADER_BYTES], HEADER_BYTES)
    except ReadError:
        return b""


def _kind(head: bytes) -> tuple[Any, bool] | None:
    """(header class, whether the samples are in the same file), ``None`` where this is no NIfTI header."""
    for size, at, single, pair, header in KINDS:
        magic = head[at : at + len(single)]
        if magic in (single, pair) and size in (int.from_bytes(head[:4], order) for order in ("little", "big")):
            return header, magic == single
    return None


def _is_nifti(source: Source) -> bool:
    return _kind(_head(source)) is not None


@reader("nifti", title="NIfTI volume", kind="volume", suffixes=(".nii", ".nii.gz"), recognises=_is_nifti, rank=2)
def read_nifti(source: Source) -> Case:
    """A volume of one channel; its samples are those of the file, axes (k, j, i) of NIfTI as (D, H, W).

    Raises :class:`ReadError` where it is 4-D, in colour or complex, cut short, too large, or its voxels have no size.
    """
    kind = _kind(_head(source))
    assert kind is not None
    header_class, is_single = kind
    if not is_single:
        raise ReadError(
            f"{source.title} is the header of a NIfTI pair: its samples are in another file.",
            "Save the volume as one file (.nii or .nii.gz).",
        )
    header, order = _header(source, header_class)
    dtype = header.get_data_dtype()
    if dtype.kind not in "iufb" or dtype.fields is not None:
        raise ReadError(
            f"{source.title} is a NIfTI volume of colours or complex numbers.", "Save its magnitude as numbers."
        )
    shape = check_volume_size(source.title, header.get_data_shape()[::-1])
    samples = _samples(source, header, dtype, shape)
    notes: list[str] = []
    geometry = _geometry(source.title, header, notes)
    slope, intercept = _scale(header)
    facts = {
        "slope": slope,
        "intercept": intercept,
        "source": f"NIfTI-{1 if header_class is nib.Nifti1Header else 2}, {dtype.name}{', big endian' if order == '>' else ''}",
        "notes": tuple(notes),
    }
    return volume_case(source.title, samples, geometry, facts, {"file": source.name}, modality_of(source.name))


def _header(source: Source, header_class: Any) -> tuple[Any, str]:
    size = header_class.template_dtype.itemsize
    head = gunzipped_start(source.title, source.data, size) if source.data.startswith(GZIP) else source.data[:size]
    if len(head) < size:
        raise ReadError(f"{source.title} is cut short within its header.", AGAIN)
    try:
        header = header_class(head, check=False)
        header.get_data_dtype(), header.get_data_shape()
    except Exception as error:  # nibabel meets damaged headers with several kinds of exception
        raise ReadError(f"{source.title} has a damaged NIfTI header.", AGAIN) from error
    return header, header.endianness


def _samples(source: Source, header: Any, dtype: np.dtype[Any], shape: tuple[int, int, int]) -> NDArray[Any]:
    start = float(header["vox_offset"])
    if not header.template_dtype.itemsize <= start <= 1 << 24:
        raise ReadError(f"{source.title} has a damaged NIfTI header: its samples start at byte {start:g}.", AGAIN)
    end = int(start) + int(np.prod(shape)) * dtype.itemsize
    data = gunzipped(source.title, source.data, end) if source.data.startswith(GZIP) else source.data
    if len(data) < end:
        raise ReadError(
            f"{source.title} is cut short: its header announces {end:,} bytes and {len(data):,} are there.", AGAIN
        )
    return np.frombuffer(data, dtype, int(np.prod(shape)), int(start)).reshape(shape)


def _scale(header: Any) -> tuple[float, float]:
    """(slope, intercept); a slope of 0 or no number means that there is none."""
    slope, intercept = (float(header[key]) for key in ("scl_slope", "scl_inter"))
    if not np.isfinite(slope) or slope == 0:
        return 1.0, 0.0
    return slope, intercept if np.isfinite(intercept) else 0.0


def _geometry(title: str, header: Any, notes: list[str]) -> Geometry:
    codes = int(header["sform_code"]), int(header["qform_code"])
    unit = header["xyzt_units"] & 7
    scale = {1: 1000.0, 3: 0.001}.get(int(unit), 1.0)
    if not any(code > 0 for code in codes):
        notes.append(UNPLACED)
        spacing = np.abs(np.asarray(header["pixdim"][1:4], dtype=np.float64))[::-1] * scale
        geometry_of(title, np.diag([*spacing, 1.0]))
        return Geometry(spacing_mm=tuple(float(step) for step in spacing))
    try:
        affine = header.get_sform() if codes[0] > 0 else header.get_qform()
        other = header.get_qform() if min(codes) > 0 else affine
    except Exception as error:  # a damaged quaternion
        raise ReadError(f"{title} has a damaged orientation in its header.", AGAIN) from error
    corners = np.array([[i, j, k, 1.0] for i in (0, 1) for j in (0, 1) for k in (0, 1)]).T
    corners[:3] *= (np.asarray((*header.get_data_shape(), 1, 1)[:3]) - 1)[:, None]
    if np.abs((affine - other) @ corners).max() * scale > FORMS_APART_MM:
        notes.append("The file gives two positions (sform and qform) that differ; the sform is followed.")
    if scale != 1.0:
        notes.append("The file's lengths are not in millimetres and were converted.")
    turned = RAS_TO_LPS @ affine @ REVERSED
    turned[:3] *= scale
    return geometry_of(title, turned)
