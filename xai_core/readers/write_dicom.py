"""Maps and masks of a case written as DICOM Parametric Map and Segmentation that reference the series they were made from.

Sources: PS3.3 A.75 (Parametric Map), A.51 (Segmentation), written by highdicom. Both take study and frame of reference from
the series itself, as the standard asks. What names the patient is left empty unless it is asked for: an archive that files
by patient needs it, nobody else does. The identifiers of study and series still lead whoever holds the series back to it.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from xai_core.case import Case
from xai_core.errors import LightboxError
from xai_core.readers.bundle import files_of_folder, files_of_zip, is_folder, is_zip
from xai_core.readers.dicom_file import dataset_of, is_dicom
from xai_core.readers.source import Source, open_source

# highdicom warns of odd names of patients, with the name in the text.
warnings.filterwarnings("ignore", module=r"highdicom\..*")
MAKER = "Lightbox"
SERIES_NUMBER = 900
PERSONAL = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyID", "StudyDate", "StudyTime", "AccessionNumber",
    "ReferringPhysicianName",
)  # fmt: skip
# What a source image must hold so that it can be referenced; pixels are not needed.
REFERENCE_GROUPS = (
    "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "PatientID", "PatientName",
    "PatientBirthDate", "PatientSex", "StudyID", "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName",
    "Modality", "Rows", "Columns", "NumberOfFrames", "PixelSpacing", "SliceThickness", "SpacingBetweenSlices",
    "ImagePositionPatient", "ImageOrientationPatient", "PositionReferenceIndicator", "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence", "DimensionIndexSequence", "DimensionOrganizationSequence", "SeriesNumber",
    "InstanceNumber", "Manufacturer", "ImageType", "SpecificCharacterSet",
)  # fmt: skip


def write_segmentation(
    path: str | Path,
    mask: NDArray[np.bool_],
    case: Case,
    series: Any,
    label: str = "Lesion",
    *,
    names_patient: bool = False,
) -> Path:
    """Write ``mask`` (D, H, W) bool on the grid of ``case`` as a DICOM SEG of one binary segment ``label``.

    ``series``: what the case was read from (folder, zip, one file or several); ``names_patient``: whether the file takes over
    who it is. Raises :class:`LightboxError` where it is no
    DICOM, of another place, or the mask is empty or of another shape.
    """
    import highdicom
    from pydicom.sr.codedict import codes

    if not np.any(mask):
        raise LightboxError("The mask is empty: a segmentation needs a voxel inside.", "Draw or choose another region.")
    images = _images(series, names_patient)
    segment = highdicom.seg.SegmentDescription(
        segment_number=1,
        segment_label=label[:64],
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Lesion,
        algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            MAKER, codes.DCM.ArtificialIntelligence, _version()
        ),
    )
    made = highdicom.seg.Segmentation(
        images,
        _volume(np.asarray(mask, dtype=np.uint8), case, images),
        highdicom.seg.SegmentationTypeValues.BINARY,
        [segment],
        **_equipment(),
    )
    return _saved(made, path)


def write_parametric_map(
    path: str | Path,
    array: NDArray[Any],
    case: Case,
    series: Any,
    title: str = "Relevance",
    *,
    names_patient: bool = False,
) -> Path:
    """Write ``array`` (D, H, W) float on the grid of ``case`` as a DICOM Parametric Map of float32 values without unit.

    ``series``, ``names_patient`` and errors as :func:`write_segmentation`; values that are no numbers are refused.
    """
    import highdicom
    from pydicom.sr.codedict import codes

    values = np.asarray(array, dtype=np.float32)
    if not np.isfinite(values).all():
        raise LightboxError("The map holds values that are no numbers.", "Compute it anew with another rule.")
    images = _images(series, names_patient)
    low, high = float(values.min()), float(values.max())
    mapping = highdicom.pm.RealWorldValueMapping(
        lut_label="1",
        lut_explanation=title[:64],
        unit=codes.UCUM.NoUnits,
        value_range=(low, high if high > low else low + 1.0),
        slope=1.0,
        intercept=0.0,
    )
    made = highdicom.pm.ParametricMap(
        images,
        _volume(values, case, images),
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[mapping],
        voi_lut_transformations=[highdicom.VOILUTTransformation((low + high) / 2, max(high - low, 1e-6))],
        content_description=title[:64],
        **_equipment(),
    )
    return _saved(made, path)


def _equipment() -> dict[str, Any]:
    return {
        "series_instance_uid": generate_uid(),
        "series_number": SERIES_NUMBER,
        "sop_instance_uid": generate_uid(),
        "instance_number": 1,
        "manufacturer": MAKER,
        "manufacturer_model_name": MAKER,
        "software_versions": _version(),
        "device_serial_number": "0",
    }


def _version() -> str:
    return f"highdicom {version('highdicom')}"


def _volume(array: NDArray[Any], case: Case, images: Sequence[Dataset]) -> Any:
    import highdicom

    if case.geometry.affine is None:
        raise LightboxError("This case does not say where it lies.", "Choose a series with positions.")
    if array.shape != case.space:
        raise LightboxError(
            f"An array of shape {array.shape} is not on the case's grid {case.space}.", "Bring it to the grid."
        )
    place = images[0].get("FrameOfReferenceUID")
    return highdicom.Volume(array, np.array(case.geometry.affine), "PATIENT", frame_of_reference_uid=place)


def _images(series: Any, names_patient: bool) -> list[Dataset]:
    """The headers of the series' images, pixels left out."""
    if is_folder(series):
        files = files_of_folder(Path(series))
    elif isinstance(series, Sequence) and not isinstance(series, str | bytes):
        files = [open_source(one) for one in series]
    else:
        opened = open_source(series)
        files = files_of_zip(opened) if is_zip(opened) else [opened]
    images = [_header(file, names_patient) for file in files if is_dicom(file)]
    if not images or any("FrameOfReferenceUID" not in image for image in images):
        raise LightboxError(
            "These are no DICOM images with a frame of reference.", "Give the series that the case was read from."
        )
    return images


def _header(file: Source, names_patient: bool) -> Dataset:
    dataset = dataset_of(file, REFERENCE_GROUPS)
    for keyword in PERSONAL:
        if not names_patient or keyword not in dataset:
            setattr(dataset, keyword, "")
    _share_groups(dataset)
    return dataset


def _share_groups(dataset: Dataset) -> None:
    """Put into the shared groups what every frame says by itself: highdicom looks for it there only."""
    shared, frames = dataset.get("SharedFunctionalGroupsSequence"), dataset.get("PerFrameFunctionalGroupsSequence")
    if shared and frames:
        for keyword in ("PixelMeasuresSequence", "PlaneOrientationSequence"):
            if keyword not in shared[0] and keyword in frames[0]:
                setattr(shared[0], keyword, frames[0][keyword].value)


def _saved(made: Dataset, path: str | Path) -> Path:
    target = Path(path)
    made.save_as(target)
    return target
