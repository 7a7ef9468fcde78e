"""What is exported lies where it was: read back by us, by nibabel and by highdicom, the lesion is at its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import highdicom
import nibabel as nib
import numpy as np
import pydicom
import pytest

from xai_core.case import Case
from xai_core.errors import LightboxError
from xai_core.readers import read_case, read_region
from xai_core.readers.write_dicom import write_parametric_map, write_segmentation
from xai_core.readers.write_nifti import write_nifti

from .films import picture_bytes, texture
from .volumes import GRIDS, LESION_LPS, TO_RAS, centre_lps, nifti_bytes, phantom, series, series_bytes, zipped


def map_of(case: Case) -> np.ndarray[Any, Any]:
    """A signed map of float32, greatest in the lesion."""
    return np.asarray(case.pixels[0], dtype=np.float32) / 700 - np.float32(0.1)


@pytest.mark.parametrize("grid", GRIDS)
def test_a_nifti_of_a_map_is_at_the_lesion(tmp_path: Path, grid: str) -> None:
    case = read_case(nifti_bytes(*phantom(grid)))
    path = write_nifti(tmp_path / "map.nii.gz", map_of(case), case)
    image = nib.load(path)
    np.testing.assert_allclose(centre_lps(np.asarray(image.dataobj), image.affine), LESION_LPS, atol=0.7)
    again = read_case(path)
    np.testing.assert_array_equal(again.pixels[0], map_of(case))
    np.testing.assert_allclose(again.geometry.affine, case.geometry.affine, atol=1e-4)
    region = read_region(write_nifti(tmp_path / "mask.nii", map_of(case) > 0.5, case), case)
    np.testing.assert_array_equal(region.mask, map_of(case) > 0.5)
    assert region.messages == ()


def test_maps_by_modality_are_a_fourth_axis(tmp_path: Path) -> None:
    case = read_case(nifti_bytes(*phantom("LIA")))
    maps = np.stack([map_of(case), -map_of(case)])
    np.testing.assert_array_equal(np.asarray(nib.load(write_nifti(tmp_path / "m.nii", maps, case)).dataobj).T, maps)


def test_a_nifti_names_nobody(tmp_path: Path) -> None:
    case = read_case(series_bytes(series(*phantom("LPS"))))
    assert b"Doe" not in write_nifti(tmp_path / "m.nii", map_of(case), case).read_bytes()


@pytest.mark.parametrize("grid", ["LPS", "oblique", "anisotropic", "LIA"])
def test_dicom_maps_and_masks_lie_on_their_series_and_reference_it(tmp_path: Path, grid: str) -> None:
    files = series_bytes(series(*phantom(grid)))
    packed = zipped({f"{k}.dcm": data for k, data in enumerate(files)})
    case = read_case(packed)
    path = write_parametric_map(tmp_path / "map.dcm", map_of(case), case, packed)
    again = read_case(path)
    np.testing.assert_array_equal(again.pixels[0], map_of(case))
    np.testing.assert_allclose(again.geometry.affine, case.geometry.affine, atol=1e-4)
    peak = np.unravel_index(int(np.argmax(again.pixels[0])), again.space)
    assert np.abs(again.geometry.position(peak) - LESION_LPS).max() <= max(case.geometry.spacing_mm or ())
    segments = highdicom.seg.segread(write_segmentation(tmp_path / "seg.dcm", map_of(case) > 0.5, case, packed))
    volume = segments.get_volume(combine_segments=True)
    affine = np.array(volume.affine)
    affine[:3] *= TO_RAS[:, None]
    np.testing.assert_allclose(centre_lps(np.asarray(volume.array), affine), LESION_LPS, atol=1.5)
    source = series(*phantom(grid))[0]
    for made in (pydicom.dcmread(path), segments):
        assert made.StudyInstanceUID == source.StudyInstanceUID
        assert made.FrameOfReferenceUID == source.FrameOfReferenceUID
        assert made.ReferencedSeriesSequence[0].SeriesInstanceUID == source.SeriesInstanceUID


def test_an_enhanced_image_can_be_referenced(shared: Path, tmp_path: Path) -> None:
    path = shared / "dicom/enhanced_mr_siemens_xa10_6frames.dcm"
    case = read_case(path)
    mask = case.pixels[0] > np.percentile(case.pixels[0], 95)
    np.testing.assert_array_equal(
        read_region(write_segmentation(tmp_path / "s.dcm", mask, case, path), case).mask, mask
    )


def test_what_cannot_be_exported_is_said(shared: Path, tmp_path: Path) -> None:
    case = read_case(nifti_bytes(*phantom("LPS")))
    unplaced = read_case(shared / "dicom/emri_small.dcm")
    film = read_case(picture_bytes(texture(bits=8).astype(np.uint8)))
    archive = shared / "dicom/mr_t1gd_series_12slices.zip"
    for refused in (
        lambda: write_nifti(tmp_path / "a.nii", map_of(case)[1:], case),
        lambda: write_nifti(tmp_path / "a.nii", unplaced.pixels[0], unplaced),
        lambda: write_nifti(tmp_path / "a.nii", film.pixels, film),
        lambda: write_segmentation(tmp_path / "a.dcm", np.zeros(case.space, bool), case, archive),
        lambda: write_segmentation(tmp_path / "a.dcm", np.ones((3, 4, 5), bool), case, archive),
        lambda: write_segmentation(tmp_path / "a.dcm", np.ones(case.space, bool), case, nifti_bytes(*phantom("LPS"))),
        lambda: write_parametric_map(tmp_path / "a.dcm", np.full(case.space, np.nan), case, archive),
    ):
        with pytest.raises(LightboxError):
            refused()
    assert not list(tmp_path.iterdir())
