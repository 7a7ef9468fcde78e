"""A DICOM file told from others and parsed, whatever it holds: only wanted attributes, deflated ones to a limit.

Sources: PS3.10 7.1 (preamble and file meta), PS3.5 A.5 (deflated).
"""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Sequence

import pydicom
from pydicom.dataset import Dataset, FileDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import _read_file_meta_info, read_dataset, read_preamble
from pydicom.tag import Tag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from xai_core.errors import ReadError
from xai_core.readers.dicom_facts import Tags
from xai_core.readers.source import LARGEST_FILE_BYTES, Source

AGAIN = "Copy or export it again from the archive."
PIXEL_KEYWORDS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")

# pydicom warns of every odd value, with the value in the text: that may name a patient and helps nobody here.
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
warnings.filterwarnings("ignore", module=r"pydicom\..*")


def is_dicom(source: Source) -> bool:
    """Whether the bytes are a DICOM file, with or without preamble."""
    head = source.data[:132]
    if head[128:132] == b"DICM":
        return True
    # without preamble: a first element of group 0002 or 0008 with a known representation or a short length
    little, big = head[:4], head[1:2] + head[:1] + head[3:4] + head[2:3]
    for lead in (little, big):
        if len(head) > 8 and lead[:2] in (b"\x02\x00", b"\x08\x00") and lead[3:4] == b"\x00":
            is_explicit = head[4:6].isalpha() and head[4:6].isupper()
            return is_explicit or int.from_bytes(head[4:8], "little") < 1024
    return False


def dataset_of(source: Source, wanted: Sequence[str | int]) -> FileDataset:
    """The parsed file with its ``wanted`` attributes; a deflated one is inflated to at most 1 GiB first (pydicom inflates without a limit)."""
    stream = source.stream()
    try:
        read_preamble(stream, force=False)
        meta = _read_file_meta_info(stream)
        is_deflated = meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian
    except Exception:  # no preamble or a damaged one: then nothing says that it is deflated
        is_deflated = False
    if not is_deflated:
        return pydicom.dcmread(source.stream(), force=True, specific_tags=list(wanted))
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    plain = inflater.decompress(source.data[stream.tell() :], LARGEST_FILE_BYTES)
    if inflater.unconsumed_tail:
        raise ReadError(f"{source.title} unpacks to more than 1 GiB.", "Choose a single film.")
    if not inflater.eof:
        raise ReadError(f"{source.title} is truncated.", AGAIN)
    body = read_dataset(
        DicomBytesIO(plain), is_implicit_VR=False, is_little_endian=True, specific_tags=[Tag(word) for word in wanted]
    )
    return FileDataset(source.stream(), body, file_meta=meta, is_implicit_VR=False, is_little_endian=True)


def sop_class(dataset: Dataset, tags: Tags) -> UID:
    """The SOP class that the dataset or its file meta names, or an empty one."""
    meta = getattr(dataset, "file_meta", None)
    named = tags.text("SOPClassUID") or (Tags(meta).text("MediaStorageSOPClassUID") if meta is not None else "")
    return UID(named)
