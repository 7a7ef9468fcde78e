"""What leaves the program of a volume: files in memory, on the case's true grid, that name nobody unless asked to."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.case import Case, Region
from xai_core.explain import Explanation
from xai_core.hung import hung
from xai_core.mosaic import key_slices, mosaic, plane_named, png_of
from xai_core.planes import PlaneName
from xai_core.readers.write_dicom import write_parametric_map, write_segmentation
from xai_core.readers.write_nifti import write_nifti


def map_on_case(explanation: Explanation) -> NDArray[np.float32]:
    """(D, H, W) float32: the map as shown (modalities taken together) on the case's grid."""
    return np.ascontiguousarray(explanation.grid.to_case(explanation.shown[None])[0], dtype=np.float32)


def map_nifti(case: Case, explanation: Explanation) -> bytes:
    """The map as .nii.gz. Raises :class:`LightboxError` where the case does not say where it lies."""
    return _bytes(".nii.gz", lambda path: write_nifti(path, map_on_case(explanation), case))


def region_nifti(case: Case, region: Region) -> bytes:
    """A region as a mask, .nii.gz. Errors as :func:`map_nifti`."""
    return _bytes(".nii.gz", lambda path: write_nifti(path, region.mask, case))


def map_dicom(case: Case, explanation: Explanation, series: Sequence[bytes], names_patient: bool = False) -> bytes:
    """The map as DICOM Parametric Map that references ``series``, the slices the case was read from."""
    title = f"{explanation.explainer}: {explanation.target}"
    array = map_on_case(explanation)
    return _bytes(
        ".dcm", lambda path: write_parametric_map(path, array, case, list(series), title, names_patient=names_patient)
    )


def region_dicom(case: Case, region: Region, series: Sequence[bytes], names_patient: bool = False) -> bytes:
    """A region as DICOM SEG that references ``series``."""
    return _bytes(
        ".dcm",
        lambda path: write_segmentation(
            path, region.mask, case, list(series), region.name, names_patient=names_patient
        ),
    )


def picture_png(
    case: Case,
    explanation: Explanation | None,
    channels: Sequence[str],
    regions: Sequence[Region] = (),
    plane: PlaneName = "axial",
    channel: int = 0,
    count: int = 12,
) -> bytes:
    """Slices of one modality with a map over it and regions outlined, as PNG; through the first region, where there is one."""
    cut = plane_named(case, plane)
    numbers = key_slices(case, cut, regions[0].mask if regions else None, count)
    placed = None if explanation is None else hung(explanation, case, channels)
    is_signed = explanation is not None and explanation.is_signed
    return png_of(mosaic(case, cut, numbers, channel, placed, is_signed, regions))


def stem(explanation: Explanation) -> str:
    """A file's name that says what it holds and of nobody: explainer, target, model, where."""
    words = (explanation.explainer, explanation.target, explanation.region, explanation.model)
    return re.sub(r"[^a-z0-9]+", "-", " ".join(words).lower()).strip("-")


def _bytes(ending: str, write: Callable[[Path], Any]) -> bytes:
    with tempfile.TemporaryDirectory(prefix="lightbox-") as folder:
        path = Path(folder) / f"export{ending}"
        write(path)
        return path.read_bytes()
