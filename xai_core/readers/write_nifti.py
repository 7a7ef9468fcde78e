"""Maps, masks and volumes of a case written as NIfTI with its true affine.

Source: NIfTI-1 header (sform, qform). World axes go from LPS to RAS; the array (D, H, W) becomes (i, j, k) = (W, H, D), so
that the file read back is the same array at the same place.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from xai_core.case import Case
from xai_core.errors import LightboxError
from xai_core.readers.nifti import RAS_TO_LPS, REVERSED

SCANNER = 1


def write_nifti(path: str | Path, array: NDArray[Any], case: Case) -> Path:
    """Write ``array`` (D, H, W) or (C, D, H, W) on the grid of ``case`` to ``path`` (.nii or .nii.gz): bool as uint8, whole
    numbers as they are, the rest as float32. No name of a patient is written.

    Raises :class:`LightboxError` where the case is no volume, does not say where it lies, or the shapes differ.
    """
    samples = np.asarray(array)
    if case.kind != "volume" or case.geometry.affine is None:
        raise LightboxError(
            "This case does not say where it lies, so that no NIfTI can.", "Choose a volume with an orientation."
        )
    if samples.shape[-3:] != case.space or samples.ndim not in (3, 4):
        raise LightboxError(
            f"An array of shape {samples.shape} is not on the case's grid {case.space}.", "Bring it to the grid."
        )
    kept = samples.astype(np.uint8) if samples.dtype == np.bool_ else samples
    if kept.dtype.kind == "f" or kept.dtype.itemsize > 4:
        kept = kept.astype(np.float32)
    image = nib.Nifti1Image(kept.T, RAS_TO_LPS @ case.geometry.affine @ REVERSED)
    image.header.set_xyzt_units("mm")
    image.set_sform(image.affine, SCANNER)
    # a quaternion cannot hold a sheared grid; the sform, which is read first, does
    image.set_qform(image.affine, SCANNER)
    target = Path(path)
    nib.save(image, target)
    return target
