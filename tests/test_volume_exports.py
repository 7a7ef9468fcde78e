"""What leaves the program of a volume lies where the lesion is, in LPS millimetres, on flipped, oblique and anisotropic grids.

The lesion is painted by the phantom at a known point; the network only compares brightness, so that its prediction and its
map stand on the lesion. Files are read back by nibabel and highdicom, never by us.
"""

from __future__ import annotations

import gzip
import io
import re
from dataclasses import replace

import cv2
import highdicom
import nibabel as nib
import numpy as np
import pydicom
import pytest
from torch import nn

import xai_core as xc
from tests.readers.volumes import LESION_LPS, TO_RAS, centre_lps, nifti_bytes, phantom, series, series_bytes
from xai_core.case import Case
from xai_core.models import Card, InputSpec, Model
from xai_core.volume_exports import (
    map_dicom,
    map_nifti,
    map_on_case,
    picture_png,
    region_dicom,
    region_nifti,
    stem,
)
from xai_core.volume_findings import volume_findings
from xai_core.volume_report import volume_report

GRIDS = ["RAS", "LIA", "PSR", "anisotropic", "oblique", "oblique and flipped"]


class Bright(nn.Module):
    """The lesion's logit is above zero where the volume is brighter than half of its greatest value."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(1, 1, 1)
        nn.init.constant_(self.conv.weight, 8.0)
        nn.init.constant_(self.conv.bias, -4.0)

    def forward(self, x):
        return self.conv(x)


def bright(axes: str = "HPL") -> Model:
    """Fed turned to ``axes`` at 3 mm, so that every grid is turned, flipped and resampled on the way."""
    card = Card(
        "bright",
        "Bright things",
        "bright",
        "MR",
        "segmentation",
        ("lesion",),
        ("T1",),
        False,
        InputSpec((0, 0, 0), axes=axes, spacing_mm=(3.0, 3.0, 3.0), intensity="minimum-maximum"),
    )
    return Model(card, Bright().eval(), "cpu", "beef")


def explained(case: Case, model: Model) -> tuple[xc.Explanation, object]:
    found = xc.explain(model, case, explainer="input-x-gradient", target="lesion")
    (finding,) = volume_findings(model, case, model.predict(case))
    return found, finding


def opened(data: bytes) -> nib.Nifti1Image:
    return nib.Nifti1Image.from_bytes(gzip.decompress(data))


def t1(samples, affine) -> Case:
    return replace(xc.read_case(nifti_bytes(samples, affine)), channels=("T1",))


@pytest.mark.parametrize("grid", GRIDS)
def test_map_and_prediction_as_nifti_lie_on_the_lesion(grid: str) -> None:
    case = t1(*phantom(grid))
    found, finding = explained(case, bright())
    voxel = max(case.geometry.spacing_mm)
    for data in (map_nifti(case, found), region_nifti(case, finding.region)):
        image = opened(data)
        weights = np.asarray(image.dataobj)
        np.testing.assert_allclose(centre_lps(weights, image.affine), LESION_LPS, atol=voxel / 2)
        assert b"Doe" not in data


@pytest.mark.parametrize("grid", ["LPS", "LIA", "anisotropic", "oblique"])
def test_map_and_prediction_as_dicom_lie_on_the_lesion_and_name_nobody(grid: str) -> None:
    slices = series(*phantom(grid))
    data = series_bytes(slices)
    case = replace(xc.read_case([bytes(one) for one in data]), channels=("T1",))
    found, finding = explained(case, bright("FAR"))
    voxel = max(case.geometry.spacing_mm)
    segments = highdicom.seg.segread(io.BytesIO(region_dicom(case, finding.region, data)))
    volume = segments.get_volume(combine_segments=True)
    affine = np.array(volume.affine)
    affine[:3] *= TO_RAS[:, None]
    np.testing.assert_allclose(centre_lps(np.asarray(volume.array), affine), LESION_LPS, atol=voxel / 2)
    made = map_dicom(case, found, data)
    again = xc.read_case(made)
    np.testing.assert_allclose(again.pixels[0], map_on_case(found), atol=1e-6)
    np.testing.assert_allclose(again.geometry.affine, case.geometry.affine, atol=1e-4)
    for exported in (pydicom.dcmread(io.BytesIO(made)), segments):
        assert exported.StudyInstanceUID == slices[0].StudyInstanceUID
        assert exported.ReferencedSeriesSequence[0].SeriesInstanceUID == slices[0].SeriesInstanceUID
        assert not str(exported.PatientName)
        assert not exported.PatientID
    named = pydicom.dcmread(io.BytesIO(map_dicom(case, found, data, names_patient=True)))
    assert named.PatientName == slices[0].PatientName != ""


def test_without_a_place_no_file_of_the_grid_is_written() -> None:
    case = t1(*phantom("LPS"))
    found, finding = explained(case, bright())
    unplaced = replace(case, geometry=replace(case.geometry, affine=None))
    for refused in (lambda: map_nifti(unplaced, found), lambda: region_nifti(unplaced, finding.region)):
        with pytest.raises(xc.LightboxError):
            refused()


def test_the_picture_shows_the_lesion_outlined_where_it_lies() -> None:
    case = t1(*phantom("anisotropic"))
    found, finding = explained(case, bright())
    decoded = cv2.imdecode(np.frombuffer(picture_png(case, found, ("T1",), [finding.region], count=4), np.uint8), 1)
    blue = np.abs(decoded[..., ::-1].astype(int) - (86, 180, 233)).max(2) < 30
    tile = decoded.shape[0]
    assert decoded.shape[1] % tile == 0
    rows, columns = np.nonzero(blue)
    assert len(rows) > 20
    # LPS: the lesion is 17 mm to the left and 26 mm to the front of a head centred near the origin: right and upper half
    assert (columns % tile).mean() > tile / 2
    assert rows.mean() < tile / 2
    bare = picture_png(case, None, ("T1",), [finding.region], count=4)
    assert bare != picture_png(case, found, ("T1",), [finding.region], count=4)


def test_the_report_says_all_and_names_nobody() -> None:
    slices = series(*phantom("LPS"))
    case = replace(xc.read_case([bytes(one) for one in series_bytes(slices)]), channels=("T1<b>",))
    model = bright()
    model = replace(model, card=replace(model.card, channels=("T1<b>",)))
    found, finding = explained(case, model)
    text = volume_report(case, model.card, [finding], [found], "lesion", finding.region)
    assert text.count("Research and teaching only: not for diagnosis.") == 2
    assert "A map shows what moved this model" in text
    assert f"{finding.ml:.3g} ml" in text
    assert found.badge.sentences[0].split(",")[0] in text.replace("&#39;", "'")
    assert text.count("data:image/png;base64,") == 2
    words = re.sub(r"base64,[^\"]+", "", text)
    assert "Doe" in str(slices[0].PatientName)
    assert "Doe" not in words
    assert str(slices[0].PatientID) not in words
    assert "T1&lt;b&gt;" in text
    assert "<script" not in text
    assert "http" not in text


def test_names_of_files_say_what_they_hold() -> None:
    case = t1(*phantom("LPS"))
    found, _ = explained(case, bright())
    assert stem(replace(found, target="../Lesion A")) == "input-x-gradient-lesion-a-where-predicted-bright"
