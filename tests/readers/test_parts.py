"""What several chosen files are taken for, corrected, and read: modalities, masks, series, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import xai_core as xc
from tests.readers.volumes import nifti_bytes, phantom, series, series_bytes, zipped
from xai_core.readers.parts import ASIDE, MASK, is_clear, opened, parts_of


def heads(*names: str, grid: str = "LPS") -> dict[str, bytes]:
    return {name: nifti_bytes(*phantom(grid)) for name in names}


def mask(grid: str = "LPS") -> bytes:
    samples, affine = phantom(grid)
    return nifti_bytes((np.asarray(samples) > 500).astype(np.uint8), affine)


def test_names_tell_modalities_and_masks() -> None:
    parts = parts_of({**heads("p1_T2.nii", "p1_FLAIR.nii"), "p1_lesions.nii": mask()})
    assert {part.title: part.role for part in parts} == {
        "p1_T2.nii": "T2",
        "p1_FLAIR.nii": "FLAIR",
        "p1_lesions.nii": MASK,
    }
    assert is_clear(parts)
    found = opened(parts, [part.role for part in parts])
    assert found.case.channels == ("FLAIR", "T2")
    assert found.case.facts["missing"] == ("T1", "T1post")
    assert found.truth is not None
    np.testing.assert_array_equal(found.truth.mask, found.case.pixels[0] > 500)
    assert found.series == ()


def test_what_says_nothing_is_asked_for_and_taken_as_told() -> None:
    parts = parts_of(heads("a.nii", "b.nii", "c.nii"))
    assert not is_clear(parts)
    found = opened(parts, ["T1", ASIDE, "FLAIR"])
    assert found.case.channels == ("FLAIR", "T1")
    with pytest.raises(xc.LightboxError, match="T1"):
        opened(parts, ["T1", "T1", "FLAIR"])
    with pytest.raises(xc.LightboxError, match="no image"):
        opened(parts, [ASIDE, ASIDE, MASK])


def test_two_of_one_modality_are_not_clear() -> None:
    assert not is_clear(parts_of(heads("one_T1.nii", "two_T1.nii")))


def test_a_zip_of_dicom_keeps_its_series_for_exports() -> None:
    slices = series_bytes(series(*phantom("LIA")))
    parts = parts_of({"study.zip": zipped({f"{k}.dcm": data for k, data in enumerate(slices)})})
    assert len(parts) == 1
    found = opened(parts, ["T1"])
    assert found.case.channels == ("T1",)
    assert sorted(found.series) == sorted(slices)


def test_nothing_to_read_is_said() -> None:
    for given in ({"notes.txt": b"no volume"}, {"empty.zip": zipped({"readme.txt": b"none"})}):
        with pytest.raises(xc.LightboxError, match="no volume"):
            parts_of(given)
