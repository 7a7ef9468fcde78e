"""Make perfusion phantoms: a set in the layout of ISLES 2017, or the packaged sample; and the anatomy they stand on.

    python scripts/make_phantoms.py --out FOLDER --count 30       a set of 30 phantoms
    python scripts/make_phantoms.py --sample                      the packaged sample
    python scripts/make_phantoms.py --anatomy FOLDER              the packaged anatomy, from the brain MR volumes in FOLDER

Nothing here runs when Lightbox runs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

from xai_core.phantoms import MODALITIES, SAMPLE_SEED, perfusion_phantom, write_isles
from xai_core.phantoms.anatomy import AIR, CORTEX, CSF, DEEP_GREY, PATH, WHITE
from xai_core.phantoms.isles import image_of, mask_of

SAMPLES = Path(__file__).resolve().parents[1] / "xai_core" / "samples"
SAMPLE = "perfusion-phantom"
# Grey levels of T1 and T2 of patient 19 between the tissues, read off its histograms.
CSF_T1, CSF_T2, WHITE_T1, DEEP_T1 = 55, 95, 122, 130
# Where deep grey matter is looked for: (middle, reach) in MNI mm, both sides: striatum with pallidum, thalamus.
DEEP = (((24, 4, 3), (12, 22, 13)), ((11, -18, 7), (11, 14, 9)))


def anatomy(folder: Path) -> None:
    """Tissue classes of ``ms19`` by intensity."""
    t1, t2, flair = (nib.load(folder / "ms" / f"ms19_{name}.nii.gz") for name in ("T1", "T2", "FLAIR"))
    lesions = np.asarray(nib.load(folder / "ms" / "masks" / "ms19_lesions.nii.gz").dataobj) > 0
    brain = ndimage.binary_opening(np.asarray(t1.dataobj) > 0) | (np.asarray(flair.dataobj) > 20)
    brain = ndimage.binary_fill_holes(brain)
    bright, fluid = (ndimage.gaussian_filter(np.asarray(image.dataobj, np.float32), 0.6) for image in (t1, t2))
    is_csf = (bright < CSF_T1) | (fluid > CSF_T2)
    x, y, z = np.moveaxis(nib.affines.apply_affine(t1.affine, np.moveaxis(np.indices(bright.shape), 0, -1)), -1, 0)
    is_deep = np.zeros(bright.shape, bool)
    for middle, reach in DEEP:
        parts = zip((np.abs(x), y, z), middle, reach, strict=True)
        is_deep |= sum(((line - centre) / half) ** 2 for line, centre, half in parts) < 1
    is_deep &= ndimage.gaussian_filter(bright, 1.0) < DEEP_T1
    classes = np.select(
        [~brain, lesions, is_csf, is_deep, bright > WHITE_T1], [AIR, WHITE, CSF, DEEP_GREY, WHITE], default=CORTEX
    )
    nib.save(nib.Nifti1Image(classes.astype(np.uint8), t1.affine), PATH)


def sample() -> None:
    """The packaged case: a folder of six maps, and three masks beside it."""
    phantom = perfusion_phantom(SAMPLE_SEED)
    (SAMPLES / SAMPLE).mkdir(exist_ok=True)
    for name in MODALITIES:
        nib.save(image_of(phantom, name), SAMPLES / SAMPLE / f"{name}.nii.gz")
    for name in ("lesion", "core", "penumbra"):
        nib.save(mask_of(phantom, getattr(phantom, name)), SAMPLES / f"{SAMPLE}.{name}.nii.gz")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--anatomy", type=Path, help="folder of the brain MR volumes")
    parser.add_argument("--sample", action="store_true", help="write the packaged sample")
    parser.add_argument("--out", type=Path, help="folder for a set")
    parser.add_argument("--count", type=int, default=30, help="phantoms in the set")
    parser.add_argument("--seed", type=int, default=0, help="of the first phantom")
    arguments = parser.parse_args()
    if arguments.anatomy is not None:
        anatomy(arguments.anatomy)
    if arguments.sample:
        sample()
    if arguments.out is not None:
        for count in range(arguments.count):
            print(write_isles(perfusion_phantom(arguments.seed + count), arguments.out, count + 1))
