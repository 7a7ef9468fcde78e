"""DICOM radiographs (CR, DX, secondary capture) as films: samples as stored, everything else as facts.

Sources: PS3.3 C.7.6.3 (image pixel), C.8.11 (DX), 10.7 (pixel spacings), C.11.6 (presentation LUT shape). Where
Photometric Interpretation and Presentation LUT Shape disagree the former decides, as in most viewers, with a note.
"""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.uid import UID, EncapsulatedPDFStorage, MediaStorageDirectoryStorage

from xai_core.case import Case
from xai_core.errors import LightboxError, ReadError
from xai_core.readers.dicom_display import DISPLAY_KEYWORDS, display_facts
from xai_core.readers.dicom_facts import FACT_KEYWORDS, PATIENT_KEYWORDS, Tags, geometry_of, patient_of, plain_facts
from xai_core.readers.dicom_file import AGAIN, PIXEL_KEYWORDS, dataset_of, is_dicom, sop_class
from xai_core.readers.dicom_samples import OPTION_KEYWORDS, samples_of, syntax_name
from xai_core.readers.film import check_film_size, film_case, grey_of
from xai_core.readers.foreign import FILMS
from xai_core.readers.registry import reader
from xai_core.readers.source import Source

VOLUMES = "Choose a chest film (CR or DX); series and volumes have their own page."
FILM_MODALITIES = {"CR", "DX", "DR", "RG", "RF", "XA", "MG", "PX", "IO", "OT", "SC", "XC", "HC", ""}
MODALITIES = {
    "CT": "a CT slice", "MR": "an MR slice", "PT": "a PET slice", "NM": "a nuclear medicine picture",
    "US": "an ultrasound picture", "SEG": "a segmentation", "RTDOSE": "a radiotherapy dose", "ECG": "an ECG",
    "ES": "an endoscopy picture", "GM": "a microscopy picture", "SM": "a slide microscopy picture",
    "OP": "an eye photograph", "OPT": "an eye scan", "IVUS": "an ultrasound picture", "RTIMAGE": "a radiotherapy image",
}  # fmt: skip
# Only these are kept while parsing: a header of millions of other elements costs no memory, and no more is known
# of the patient than is shown. Overlay rows tell that there are overlays.
WANTED: tuple[str | int, ...] = (
    *PIXEL_KEYWORDS, *FACT_KEYWORDS, *PATIENT_KEYWORDS, *DISPLAY_KEYWORDS, *OPTION_KEYWORDS,
    "SpecificCharacterSet", "SOPClassUID", "DirectoryRecordSequence", "EncapsulatedDocument",
    *(group << 16 | 0x0010 for group in range(0x6000, 0x6020, 2)),
)  # fmt: skip


@reader("dicom-film", title="DICOM radiograph", kind="film", suffixes=(".dcm", ".dicom"), recognises=is_dicom, rank=1)
def read_dicom_film(source: Source) -> Case:
    """A film of a DICOM radiograph or secondary capture.

    Raises :class:`ReadError` where the file holds no pixels, several frames, another modality, colours, more than
    100 megapixels, pixels that no decoder reads, or a header that contradicts them.
    """
    try:
        return _read(source)
    except LightboxError:
        raise
    except Exception as error:  # pydicom meets damaged headers with every kind of exception
        raise ReadError(f"{source.title} is a DICOM file with a damaged header.", AGAIN) from error


def _read(source: Source) -> Case:
    dataset = dataset_of(source, WANTED)
    tags = Tags(dataset)
    _check_is_film(source.title, dataset, tags)
    samples, sample_notes = samples_of(source.title, dataset, tags)
    grey, colour_notes = grey_of(source.title, samples)
    grey, facts, display_notes = display_facts(source.title, tags, grey)
    geometry, geometry_facts, geometry_notes = geometry_of(tags, grey.shape)
    plain, plain_notes = plain_facts(dataset, tags)
    notes = (*sample_notes, *colour_notes, *display_notes, *geometry_notes, *plain_notes)
    facts |= plain | geometry_facts | {"source": f"DICOM, {syntax_name(dataset)}", "notes": notes}
    return film_case(source.title, grey, facts, geometry, {**patient_of(tags), "file": source.name})


def _check_is_film(title: str, dataset: Dataset, tags: Tags) -> None:
    sop = sop_class(dataset, tags)
    if sop == MediaStorageDirectoryStorage or "DirectoryRecordSequence" in dataset:
        raise ReadError(
            f"{title} is a DICOMDIR, the index of a disc, and holds no picture.",
            "Choose one of the image files beside it.",
        )
    if sop == EncapsulatedPDFStorage or "EncapsulatedDocument" in dataset:
        raise ReadError(f"{title} is a document wrapped in DICOM, not a film.", FILMS)
    modality = tags.text("Modality").upper()
    if not any(keyword in dataset for keyword in PIXEL_KEYWORDS):
        raise _no_pixels(title, dataset, sop, modality)
    rows, columns = tags.whole("Rows"), tags.whole("Columns")
    frames = tags.whole("NumberOfFrames") or 1
    if rows is None or columns is None:
        raise ReadError(f"{title} does not say how many rows and columns it has.", AGAIN)
    check_film_size(title, rows, columns, frames, sliver=False)
    what = MODALITIES.get(modality, f"a picture of modality {modality}")
    if frames > 1:
        of_what = f" ({what.split(' ', 1)[1]}s)" if modality in MODALITIES else ""
        raise ReadError(f"{title} holds {frames} frames{of_what}, not one film.", VOLUMES)
    if modality not in FILM_MODALITIES:
        raise ReadError(f"{title} is {what}, not a radiograph.", VOLUMES)
    if "CT Image" in sop.name or "MR Image" in sop.name:
        raise ReadError(f"{title} is stored as {sop.name.removesuffix(' Storage')}, not as a radiograph.", VOLUMES)
    check_film_size(title, rows, columns)


def _no_pixels(title: str, dataset: Dataset, sop: UID, modality: str) -> ReadError:
    named = sop.name.removesuffix(" Storage") if sop and sop.name != sop else ""
    # pydicom drops a last element that is cut off, and with it often the attributes before
    if "Rows" in dataset or "Image" in named or (not named and not modality):
        return ReadError(f"{title} holds no pixels{f' ({named})' if named else ''}; it may be cut short.", AGAIN)
    what = named or f"of modality {modality}"
    return ReadError(f"{title} is a DICOM object without pixels ({what}), not a film.", FILMS)
