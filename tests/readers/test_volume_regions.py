"""Masks and boxes lie on a volume where they were drawn, whatever grid they were drawn on, or are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from nibabel.processing import resample_from_to

from xai_core.case import Case
from xai_core.errors import LightboxError, RegionError
from xai_core.readers import read_case, read_region
from xai_core.readers.write_dicom import write_segmentation

from .films import picture_bytes, texture
from .test_volumes import ras_affine
from .volumes import GRIDS, LESION_LPS, centre_lps, nifti_bytes, nrrd_bytes, phantom, series, series_bytes, zipped


def lesion(grid: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """(i, j, k) uint8 mask of the phantom's lesion, and its RAS affine."""
    samples, affine = phantom(grid)
    return (samples > 450).astype(np.uint8), affine


@pytest.fixture(scope="module")
def case() -> Case:
    return read_case(nifti_bytes(*phantom("LIA")))


def refusal(source: Any, case: Case, **how: Any) -> str:
    with pytest.raises(RegionError) as caught:
        read_region(source, case, **how)
    assert caught.value.sentence.endswith(".")
    assert caught.value.remedy
    return str(caught.value)


def test_every_mask_of_the_reference_folder_lies_voxel_on_voxel(shared: Path) -> None:
    folder = shared / "mri"
    pairs = [(folder / "ms/ms19_FLAIR.nii.gz", path) for path in sorted((folder / "ms/masks").glob("*"))[::7]] + [
        (folder / "ms/ms19_T1.nii.gz", path) for path in sorted((folder / "stroke/masks").glob("*"))[::9]
    ]
    pairs += [
        (folder / f"brats/{name}_t1.nii.gz", folder / f"brats/{name}_seg.nii.gz")
        for name in ("brats01658", "brats01660_1p5mm")
    ]
    pairs.append((folder / "stroke/clinical_T2_1p5mm.nii.gz", folder / "stroke/clinical_T2_1p5mm_lesion.nii.gz"))
    for image, mask in pairs:
        region = read_region(mask, read_case(image))
        np.testing.assert_array_equal(region.mask.T, np.asarray(nib.load(mask).dataobj) != 0)
        assert region.messages == ()


def test_labels_choose_what_is_inside(shared: Path) -> None:
    path = shared / "mri/brats/brats01658_seg.nii.gz"
    case = read_case(shared / "mri/brats/brats01658_t1.nii.gz")
    stored = np.asarray(nib.load(path).dataobj)
    np.testing.assert_array_equal(read_region(path, case, "core", labels=(1, 4)).mask.T, np.isin(stored, (1, 4)))
    assert "no voxel with the value 9" in refusal(path, case, labels=[9])


@pytest.mark.parametrize("grid", [grid for grid in GRIDS if grid != "LIA"])
@pytest.mark.parametrize("write", [nifti_bytes, nrrd_bytes])
def test_a_mask_on_another_grid_is_brought_over_by_the_nearest_voxel(case: Case, grid: str, write: Any) -> None:
    mask, affine = lesion(grid)
    region = read_region(write(mask, affine), case)
    assert len(region.messages) == 1
    np.testing.assert_allclose(centre_lps(region.mask.T, ras_affine(case)), LESION_LPS, atol=2.0)
    expected = resample_from_to(
        nib.Nifti1Image(mask, affine), (case.space[::-1], ras_affine(case)), order=0, mode="nearest"
    )
    differing = np.count_nonzero((np.asarray(expected.dataobj) != 0) != region.mask.T)
    assert differing <= 0.03 * region.mask.sum()


def test_a_mask_in_another_order_of_axes_is_moved_exactly(case: Case) -> None:
    mask, affine = lesion("LIA")
    turned = nib.Nifti1Image(mask, affine).as_reoriented(nib.orientations.axcodes2ornt("SRA"))
    region = read_region(nifti_bytes(np.asarray(turned.dataobj), turned.affine), case)
    np.testing.assert_array_equal(region.mask.T, mask != 0)
    assert "another order of axes" in region.messages[0]


def test_masks_that_do_not_fit_are_refused(case: Case) -> None:
    mask, affine = lesion("LIA")
    far = affine.copy()
    far[:3, 3] += 500
    assert "outside the volume" in refusal(nifti_bytes(mask, far), case)
    assert "blank" in refusal(nifti_bytes(mask * 0, affine), case)
    unplaced = bytes(nib.Nifti1Image(mask[:-3], None).to_bytes())
    sizes = " x ".join(str(size) for size in (mask.shape[0] - 3, *mask.shape[1:]))
    assert f"is {sizes} voxels" in refusal(unplaced, case)
    assert "PNG" in refusal(picture_bytes(texture(bits=8).astype(np.uint8)), case)
    assert "no file" in refusal("/nowhere/mask.nii", case)
    assert "4-D" in refusal(nifti_bytes(np.stack([mask, mask], axis=-1), affine), case)


def test_a_mask_without_orientation_is_laid_voxel_on_voxel_with_a_message(case: Case) -> None:
    mask, _ = lesion("LIA")
    region = read_region(bytes(nib.Nifti1Image(mask, None).to_bytes()), case)
    np.testing.assert_array_equal(region.mask.T, mask != 0)
    assert "does not say where it lies" in region.messages[0]


def test_boxes_are_fractions_along_width_height_and_depth(case: Case) -> None:
    depth, height, width = case.space
    region = read_region([(0.25, 0.0, 0.5, 0.5, 1.0, 0.25)], case)
    d, h, w = (np.flatnonzero(region.mask.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1)))
    for found, start, length, size in ((d, 0.5, 0.25, depth), (h, 0.0, 1.0, height), (w, 0.25, 0.5, width)):
        centres = (np.arange(size) + 0.5) / size
        np.testing.assert_array_equal(found, np.flatnonzero((centres >= start) & (centres < start + length)))
    assert read_region((0.5, 0.5, 0.5, 1e-4, 1e-4, 1e-4), case).mask.sum() == 1
    for bad in (
        [],
        [(0, 0, 1, 1)],
        [(0, 0, 0, 1, 1, 0)],
        [(0.5, 0, 0, 1, 1, 1)],
        [(0, 0, 0, 1, 1, np.nan)],
        [("a",) * 6],
    ):
        refusal(bad, case)


@pytest.mark.parametrize("grid", ["LPS", "oblique", "anisotropic"])
def test_a_dicom_segmentation_read_back_is_the_mask(tmp_path: Path, grid: str) -> None:
    packed = zipped({f"{k}.dcm": data for k, data in enumerate(series_bytes(series(*phantom(grid))))})
    case = read_case(packed)
    mask = case.pixels[0] > 450
    path = write_segmentation(tmp_path / "seg.dcm", mask, case, packed)
    np.testing.assert_array_equal(read_region(path, case).mask, mask)
    damaged = path.read_bytes()
    with pytest.raises(LightboxError):
        read_region(damaged[: len(damaged) // 3], case)
