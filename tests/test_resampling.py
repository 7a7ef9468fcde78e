"""Volumes on another grid: against nibabel's resampling, exact where only axes are turned."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from nibabel.processing import resample_from_to

from tests.readers.test_volumes import ras_affine
from tests.readers.volumes import nifti_bytes, phantom
from xai_core.readers import read_case
from xai_core.resampling import is_same_grid, onto


@pytest.mark.parametrize(
    ("source", "target"), [("oblique", "RAS"), ("sheared", "LIA"), ("RAS", "oblique and flipped"), ("LPS", "sheared")]
)
def test_interpolation_is_that_of_nibabel(source: str, target: str) -> None:
    samples, affine = phantom(source)
    one, other = read_case(nifti_bytes(samples, affine)), read_case(nifti_bytes(*phantom(target)))
    steps = np.linalg.norm(np.linalg.solve(affine, ras_affine(other))[:3, :3], axis=1)
    found, how = onto(one.pixels[0], one.geometry, other.geometry, other.space)
    assert how == "resampled"
    assert found.dtype == np.float32
    image = nib.Nifti1Image(samples.astype(np.float32), affine)
    if steps.max() > 1.001:  # nibabel does not soften; only the inside of smooth regions can be compared
        peak = np.unravel_index(int(np.argmax(found)), found.shape)
        expected = np.asarray(resample_from_to(image, (other.space[::-1], ras_affine(other)), order=1).dataobj).T
        assert np.abs(np.subtract(peak, np.unravel_index(int(np.argmax(expected)), expected.shape))).max() <= 1
        return
    expected = np.asarray(
        resample_from_to(image, (other.space[::-1], ras_affine(other)), order=1, mode="nearest").dataobj
    ).T
    reached = found != 0
    np.testing.assert_allclose(found[reached], expected[reached], atol=0.05)


@pytest.mark.parametrize("axes", ["RAS", "LPI", "SAL", "PIR", "ILP"])
def test_turning_there_and_back_changes_nothing(axes: str) -> None:
    samples, affine = phantom("oblique")
    turned = nib.Nifti1Image(samples, affine).as_reoriented(
        nib.orientations.ornt_transform(nib.orientations.io_orientation(affine), nib.orientations.axcodes2ornt(axes))
    )
    one, other = (
        read_case(nifti_bytes(samples, affine)),
        read_case(nifti_bytes(np.asarray(turned.dataobj), turned.affine)),
    )
    found, how = onto(one.pixels[0], one.geometry, other.geometry, other.space)
    assert how in ("turned", "same")
    assert found.dtype == samples.dtype
    np.testing.assert_array_equal(found, other.pixels[0])


def test_a_box_of_whole_voxels_is_cut_and_padded_exactly() -> None:
    samples, affine = phantom("LPS")
    image = nib.Nifti1Image(samples, affine)
    cut = image.slicer[4:20, 6:, :-5]
    one, other = read_case(nifti_bytes(samples, affine)), read_case(nifti_bytes(np.asarray(cut.dataobj), cut.affine))
    found, how = onto(one.pixels[0], one.geometry, other.geometry, other.space)
    assert how == "turned"
    np.testing.assert_array_equal(found, other.pixels[0])
    back, _ = onto(other.pixels[0], other.geometry, one.geometry, one.space)
    padded = np.zeros_like(samples)
    padded[4:20, 6:, :-5] = samples[4:20, 6:, :-5]
    np.testing.assert_array_equal(back.T, padded)


def test_detail_finer_than_the_target_is_averaged_not_aliased() -> None:
    fine = np.indices((80, 40, 40)).sum(axis=0) % 2 * 1000
    one = read_case(nifti_bytes(fine.astype(np.int16), np.diag([1.0, 1, 1, 1])))
    coarse = read_case(nifti_bytes(np.arange(8 * 4 * 4, dtype=np.int16).reshape(8, 4, 4), np.diag([10.0, 10, 10, 1])))
    found, _ = onto(one.pixels[0], one.geometry, coarse.geometry, coarse.space)
    inner = found[1:-1, 1:-1, 1:-1]
    np.testing.assert_allclose(inner, 500, atol=25)


def test_grids_are_compared_at_their_corners() -> None:
    samples, affine = phantom("oblique")
    one = read_case(nifti_bytes(samples, affine))
    for change, same in ((1e-4, True), (1.0, False)):
        moved = affine.copy()
        moved[0, 3] += change
        other = read_case(nifti_bytes(samples, moved))
        assert is_same_grid(one.geometry, one.space, other.geometry, other.space) is same
