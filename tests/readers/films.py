"""Small films for reader tests: a textured picture, DICOM datasets around it, and files in several formats."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import dcmwrite
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

CR = ComputedRadiographyImageStorage


def texture(rows: int = 48, columns: int = 64, bits: int = 12, seed: int = 0) -> NDArray[np.uint16]:
    """Smooth ground with noise, over the whole range of ``bits``."""
    random = np.random.default_rng(seed)
    ground = np.add.outer(np.linspace(0, 1, rows), np.linspace(0, 1, columns)) / 2
    noisy = np.clip(ground + random.normal(0, 0.05, (rows, columns)), 0, 1)
    noisy.flat[0], noisy.flat[-1] = 0, 1
    return np.round(noisy * (2**bits - 1)).astype(np.uint16)


def film(pixels: NDArray[Any] | None = None, syntax: str = ExplicitVRLittleEndian, **tags: Any) -> FileDataset:
    """A computed radiograph of ``pixels`` (H, W); ``tags`` are set last, ``None`` deletes."""
    pixels = texture() if pixels is None else pixels
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = CR
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["film"])
    dataset = FileDataset(io.BytesIO(), Dataset(), preamble=b"\0" * 128, file_meta=meta)
    bits = 8 * pixels.dtype.itemsize
    given: dict[str, Any] = {
        "SOPClassUID": CR,
        "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
        "Modality": "CR",
        "PatientName": "Doe^Jane",
        "PatientID": "4711",
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": pixels.shape[0],
        "Columns": pixels.shape[1],
        "BitsAllocated": bits,
        "BitsStored": 12 if bits == 16 else bits,
        "HighBit": 11 if bits == 16 else bits - 1,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
        "PixelData": pixels.astype(pixels.dtype.newbyteorder("<")).tobytes(),
        **tags,
    }
    for keyword, value in given.items():
        if value is not None:
            setattr(dataset, keyword, value)
    if "PixelData" in dataset:
        dataset["PixelData"].VR = "OW"
    return dataset


def encapsulated(dataset: Dataset, frame: bytes, syntax: str) -> Dataset:
    """``dataset`` with its pixels replaced by one compressed ``frame``."""
    dataset.PixelData = encapsulate([frame])
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = syntax
    return dataset


def dicom_bytes(dataset: Dataset) -> bytes:
    """The dataset as a file in the transfer syntax that its meta names."""
    syntax = dataset.file_meta.TransferSyntaxUID
    stream = io.BytesIO()
    how = {"implicit_vr": syntax.is_implicit_VR, "little_endian": syntax.is_little_endian}
    dcmwrite(stream, dataset, enforce_file_format=True, **how)
    return stream.getvalue()


def picture_bytes(samples: NDArray[Any], form: str = "PNG", **how: Any) -> bytes:
    """Samples (H, W) or (H, W, C) as a picture file written by Pillow."""
    stream = io.BytesIO()
    Image.fromarray(samples).save(stream, form, **how)
    return stream.getvalue()
