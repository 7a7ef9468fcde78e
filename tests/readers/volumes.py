"""Phantoms for volume tests: a head with one lesion at a known place in the patient, on any grid, in several formats.

Written with nibabel, pynrrd and pydicom alone, so that nothing of ours decides where the lesion lies.
"""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import nrrd
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid
from scipy.spatial.transform import Rotation

from .films import dicom_bytes

LESION_LPS = np.array([17.0, -26.0, 21.0])
TO_RAS = np.array([-1.0, -1.0, 1.0])
HEAD_MM = np.array([58.0, 72.0, 54.0])
FIELD_MM = np.array([144.0, 176.0, 136.0])
BRAIN, LESION = 100, 900


def _steps(order: Sequence[int], signs: Sequence[int], spacing: Sequence[float]) -> NDArray[np.float64]:
    steps = np.zeros((3, 3))
    for axis, (towards, sign, step) in enumerate(zip(order, signs, spacing, strict=True)):
        steps[towards, axis] = sign * step
    return steps


TILT = Rotation.from_euler("xyz", [18, -11, 25], degrees=True).as_matrix()
SHEAR = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.25], [0.0, 0.0, 1.0]])
# Steps (3, 3) in RAS mm of one voxel along (i, j, k).
GRIDS: Mapping[str, NDArray[np.float64]] = {
    "RAS": _steps((0, 1, 2), (1, 1, 1), (4, 4, 4)),
    "LPS": _steps((0, 1, 2), (-1, -1, 1), (4, 4, 4)),
    "LIA": _steps((0, 2, 1), (-1, -1, 1), (4, 4, 4)),
    "PSR": _steps((1, 2, 0), (-1, 1, 1), (3, 4, 5)),
    "anisotropic": _steps((0, 1, 2), (-1, 1, 1), (2, 3, 6)),
    "oblique": TILT @ _steps((0, 1, 2), (1, -1, 1), (3, 3, 5)),
    "oblique and flipped": TILT @ _steps((2, 0, 1), (-1, -1, -1), (4, 3, 3)),
    "sheared": SHEAR @ _steps((0, 1, 2), (1, 1, 1), (3, 3, 4)),
}


def affine_of(grid: str) -> tuple[NDArray[np.float64], tuple[int, int, int]]:
    """RAS affine (4, 4) and shape (i, j, k) of a grid that covers the head, its middle near the origin."""
    steps = GRIDS[grid]
    shape = tuple(int(np.ceil(float(np.abs(np.linalg.inv(steps)[axis]) @ FIELD_MM))) for axis in range(3))
    affine = np.eye(4)
    affine[:3, :3] = steps
    affine[:3, 3] = np.array([0.7, -1.3, 2.1]) - steps @ ((np.asarray(shape) - 1) / 2)
    return affine, (shape[0], shape[1], shape[2])


def phantom(grid: str, scale: float = 1.0) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    """(i, j, k) int16 samples and their RAS affine: air 0, a head of about 100 with a lesion of 900 at ``LESION_LPS``."""
    affine, shape = affine_of(grid)
    places = nib.affines.apply_affine(affine, np.moveaxis(np.indices(shape), 0, -1))
    inside = ((places / HEAD_MM) ** 2).sum(axis=-1) < 1
    apart = np.linalg.norm(places - LESION_LPS * TO_RAS, axis=-1)
    texture = np.random.default_rng(0).integers(0, 12, shape)
    values = np.where(inside, BRAIN + texture, 0) + LESION * np.exp(-0.5 * (apart / 6.0) ** 2) * inside
    return np.round(values * scale).astype(np.int16), affine


def centre_lps(weights: NDArray[Any], affine_ras: NDArray[np.float64]) -> NDArray[np.float64]:
    """LPS mm of the centre of mass of what exceeds half of the maximum, (i, j, k) with its RAS affine."""
    peak = np.where(weights > weights.max() / 2, weights, 0).astype(np.float64)
    index = np.array([(peak * axis).sum() for axis in np.indices(peak.shape)]) / peak.sum()
    return np.asarray(nib.affines.apply_affine(affine_ras, index) * TO_RAS)


def nifti_bytes(
    samples: NDArray[Any], affine: NDArray[np.float64], header: Any = None, *, kind: Any = nib.Nifti1Image
) -> bytes:
    """One NIfTI file."""
    image = kind(samples, affine, header)
    image.header.set_xyzt_units("mm")
    return bytes(image.to_bytes())


def nrrd_bytes(samples: NDArray[Any], affine: NDArray[np.float64], **header: Any) -> bytes:
    """One NRRD file in LPS; entries of ``header`` that are None are left out."""
    fields: dict[str, Any] = {
        "space": "left-posterior-superior",
        "space directions": (affine[:3, :3] * TO_RAS[:, None]).T,
        "space origin": affine[:3, 3] * TO_RAS,
        "encoding": "gzip",
        **header,
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.nrrd"
        nrrd.write(str(path), samples, {key: value for key, value in fields.items() if value is not None})
        return path.read_bytes()


def series(samples: NDArray[Any], affine: NDArray[np.float64], **tags: Any) -> list[FileDataset]:
    """The slices along k of (i, j, k) samples as MR images, i along rows and j down columns."""
    steps, origin = affine[:3, :3] * TO_RAS[:, None], affine[:3, 3] * TO_RAS
    lengths = np.linalg.norm(steps, axis=0)
    ids = {name: generate_uid(entropy_srcs=[name]) for name in ("study", "series", "frame of reference")}
    slices = []
    for number in range(samples.shape[2]):
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID = MRImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["slice", str(number), str(tags)])
        dataset = FileDataset(io.BytesIO(), Dataset(), preamble=b"\0" * 128, file_meta=meta)
        plane = np.ascontiguousarray(samples[:, :, number].T.astype("<u2"))
        given: dict[str, Any] = {
            "SOPClassUID": MRImageStorage, "SOPInstanceUID": meta.MediaStorageSOPInstanceUID, "Modality": "MR",
            "PatientName": "Doe^Jane", "PatientID": "4711", "PatientSex": "F", "StudyInstanceUID": ids["study"],
            "SeriesInstanceUID": ids["series"], "FrameOfReferenceUID": ids["frame of reference"],
            "SeriesDescription": "ax t2 flair", "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2",
            "Rows": plane.shape[0], "Columns": plane.shape[1], "BitsAllocated": 16, "BitsStored": 16, "HighBit": 15,
            "PixelRepresentation": 0, "PixelData": plane.tobytes(), "PixelSpacing": [lengths[1], lengths[0]],
            "ImageOrientationPatient": [round(float(part), 10) for axis in (0, 1) for part in steps[:, axis] / lengths[axis]],
            "ImagePositionPatient": [round(float(part), 6) for part in origin + steps[:, 2] * number],
            "SliceThickness": lengths[2], "InstanceNumber": number + 1, **tags,
        }  # fmt: skip
        for keyword, value in given.items():
            if value is not None:
                setattr(dataset, keyword, value)
        slices.append(dataset)
    return slices


def series_bytes(slices: Sequence[FileDataset]) -> list[bytes]:
    """Each slice as a file."""
    return [dicom_bytes(part) for part in slices]


def zipped(files: Mapping[str, bytes]) -> bytes:
    """A ZIP archive of ``files`` by name."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()
