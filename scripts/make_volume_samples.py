"""Make the packaged volumes of real people.

    python scripts/make_volume_samples.py --data FOLDER      (FOLDER: the one that holds mri/ms)

``ljubljana-ms``: patient 26 of the MS set of Ljubljana (Lesjak et al. 2017, CC BY), skull-stripped, at 1.5 mm. Samples and
affine stay as they are; headers are written anew, so that nothing but them goes along. Nothing here runs when Lightbox runs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import xai_core as xc
from xai_core.readers.write_nifti import write_nifti

OUT = Path(__file__).resolve().parents[1] / "xai_core" / "samples"
MODALITIES = ("FLAIR", "T1", "T1post", "T2")


def make_ms(data: Path, out: Path) -> None:
    """Four modalities into a folder, the lesions beside it."""
    root, stem = data / "mri" / "ms", "ms26_1p5mm"
    case = xc.read_case({name: root / f"{stem}_{name.upper()}.nii.gz" for name in MODALITIES})
    (out / "ljubljana-ms").mkdir(parents=True, exist_ok=True)
    for name, samples in zip(case.channels, case.pixels, strict=True):
        write_nifti(out / "ljubljana-ms" / f"{name}.nii.gz", samples.astype(np.int16), case)
    write_nifti(out / "ljubljana-ms.lesion.nii.gz", xc.read_region(root / f"{stem}_lesions.nii.gz", case).mask, case)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    make_ms(given.data, given.out)
