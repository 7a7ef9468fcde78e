"""Phantoms as files in the layout of ISLES 2017: a folder a case, in it a folder a map, in that one NIfTI.

``training_7/VSD.Brain.XX.O.MR_ADC.700001/VSD.Brain.XX.O.MR_ADC.700001.nii``; the lesion is named OT, as in the challenge, core and
penumbra lie beside it as masks.
"""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from xai_core.phantoms.perfusion import MODALITIES, Phantom

STEPS = {"ADC": 2.0, "MTT": 0.05, "rCBF": 0.2, "rCBV": 0.02, "Tmax": 0.05, "TTP": 0.05}
"""What one grey level is, in the unit of the map: finer than its noise."""
SCANNER = 1


def write_isles(phantom: Phantom, folder: Path, number: int) -> Path:
    """Write the case ``number`` of a set into ``folder``; gives its folder."""
    place = folder / f"training_{number}"
    files = {f"MR_{name}": image_of(phantom, name) for name in MODALITIES}
    files |= {"OT": mask_of(phantom, phantom.lesion)}
    for serial, (name, image) in enumerate(files.items(), start=100 * number):
        title = f"VSD.Brain.XX.O.{name}.{serial}"
        (place / title).mkdir(parents=True, exist_ok=True)
        nib.save(image, place / title / f"{title}.nii")
    return place


def image_of(phantom: Phantom, name: str) -> nib.Nifti1Image:
    """One map as int16 NIfTI, its unit by slope (:data:`STEPS`)."""
    step = STEPS[name]
    levels = np.rint(phantom.maps[MODALITIES.index(name)] / step).astype(np.int16)
    image = _placed(levels, phantom)
    image.header.set_slope_inter(step, 0)
    return image


def mask_of(phantom: Phantom, mask: NDArray[np.bool_]) -> nib.Nifti1Image:
    """A mask as uint8 NIfTI."""
    return _placed(mask.astype(np.uint8), phantom)


def _placed(samples: NDArray[np.generic], phantom: Phantom) -> nib.Nifti1Image:
    image = nib.Nifti1Image(samples.T, phantom.affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(phantom.affine, SCANNER)
    image.set_qform(phantom.affine, SCANNER)
    return image
