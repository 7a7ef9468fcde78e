"""A volume is fed in the axes, spacing and scale that a card asks for, and what comes back lies where it belongs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from torch import nn

import xai_core as xc
from tests.readers.test_volumes import ras_affine
from tests.readers.volumes import GRIDS, LESION_LPS, centre_lps, nifti_bytes, phantom, series, series_bytes
from xai_core.case import Case
from xai_core.errors import ModelError
from xai_core.head import head_of, with_channels
from xai_core.models import Card, InputSpec, Model
from xai_core.preprocess import Prepared, prepare, presented
from xai_core.readers import read_case
from xai_core.results import packed, unpacked

Z = {"low": -6.0, "high": 6.0, "intensity": "head-zscore"}
FREE = InputSpec((0, 0, 0), axes="HPL", spacing_mm=(3.0, 3.0, 3.0), multiple=8, crop="head", **Z)  # type: ignore[arg-type]
SPECS = {
    "head at a spacing": FREE,
    "fixed size at a spacing": replace(FREE, size=(56, 64, 56), crop="none"),
    "other axes": replace(FREE, axes="LAF", spacing_mm=(4.0, 3.0, 2.0)),
    "stretched": InputSpec((40, 50, 60), axes="HPL", **Z),  # type: ignore[arg-type]
    "few slices": InputSpec((19, 64, 64), axes="PHR", crop="head", margin=0.05, **Z),  # type: ignore[arg-type]
    "as stored": InputSpec((40, 50, 60), **Z),  # type: ignore[arg-type]
}


def case_on(grid: str) -> Case:
    return read_case(nifti_bytes(*phantom(grid)), name="p_flair.nii")


def input_affine(case: Case, prepared: Prepared) -> np.ndarray[Any, Any]:
    """RAS affine for (w, h, d) of the network's input."""
    assert case.geometry.affine is not None
    placed = (case.geometry.affine @ prepared.grid.matrix())[:, [2, 1, 0, 3]]
    placed[:2] *= -1
    return placed


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("name", SPECS)
def test_the_lesion_is_found_in_the_input_and_after_the_way_back(grid: str, name: str) -> None:
    case = case_on(grid)
    prepared = prepare(case, SPECS[name], None)
    values = prepared.tensor[0, 0].numpy()
    tolerance = 0.25 * max(np.linalg.norm(input_affine(case, prepared)[:3, :3], axis=0).max(), 4.0)
    np.testing.assert_allclose(centre_lps(values.T, input_affine(case, prepared)), LESION_LPS, atol=tolerance)
    for back in (prepared.grid.to_case(values[None]), prepared.grid.smooth_to_case(values[None])):
        assert back.shape == case.pixels.shape
        np.testing.assert_allclose(centre_lps(back[0].T, ras_affine(case)), LESION_LPS, atol=tolerance)


@pytest.mark.parametrize("grid", ["RAS", "LIA", "PSR", "oblique and flipped"])
def test_turned_axes_are_those_of_nibabel_to_the_bit(grid: str) -> None:
    samples, affine = phantom(grid)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    start = nib.orientations.io_orientation(affine)
    turned = nib.Nifti1Image(samples, affine).as_reoriented(
        nib.orientations.ornt_transform(start, nib.orientations.axcodes2ornt("LPS"))
    )
    spacing = np.linalg.norm(turned.affine[:3, :3], axis=0)[::-1]
    spec = InputSpec(turned.shape[::-1], axes="HPL", spacing_mm=tuple(map(float, spacing)), intensity="percentile")
    case = read_case(nifti_bytes(samples, affine))
    prepared = prepare(case, spec, None)
    fed = prepared.grid.to_input(presented(case))
    np.testing.assert_array_equal(fed[0].T, np.asarray(turned.dataobj))
    np.testing.assert_allclose(input_affine(case, prepared), turned.affine, atol=1e-5)
    np.testing.assert_array_equal(prepared.grid.to_case(fed), presented(case))
    assert prepared.grid.covered().all()
    assert prepared.grid.inside().all()


def test_free_sizes_are_multiples_that_hold_the_head() -> None:
    for grid in GRIDS:
        case = case_on(grid)
        prepared = prepare(case, FREE, None)
        assert all(size % 8 == 0 for size in prepared.tensor.shape[2:])
        assert prepared.field is not None
        assert prepared.field.mask[prepared.grid.covered()].sum() == prepared.field.mask.sum()
        np.testing.assert_allclose(np.linalg.norm(input_affine(case, prepared)[:3, :3], axis=0), 3.0, rtol=1e-6)


def test_a_head_larger_than_the_input_is_cut_with_a_message() -> None:
    prepared = prepare(case_on("RAS"), replace(FREE, size=(16, 16, 16)), None)
    assert any("rim was left out" in message for message in prepared.messages)
    assert prepared.tensor.shape == (1, 1, 16, 16, 16)


def test_the_scale_is_mean_0_and_deviation_1_within_the_head_and_0_outside() -> None:
    samples, affine = phantom("LPS")
    given = {
        "FLAIR": nifti_bytes(samples, affine),
        "T1": nifti_bytes((samples * 3.0 + (samples > 0) * 50).astype(np.float32), affine),
    }
    case = read_case(given)
    spec = InputSpec(case.space, channels=2, low=-50, high=50, intensity="head-zscore")
    fed = prepare(case, spec, None).tensor[0].numpy()
    inside = samples.T > 0
    for channel, values in zip(fed, presented(case), strict=True):
        expected = (values[inside] - values[inside].mean(dtype=float)) / values[inside].std(dtype=float)
        np.testing.assert_allclose(channel[inside], expected, atol=1e-4)
        assert (channel[~inside] == 0).all()
    cut = prepare(case, replace(spec, low=-1.0, high=2.0), None).tensor[0].numpy()
    np.testing.assert_allclose(cut, np.clip(fed, -1, 2), atol=1e-6)


def test_the_head_is_found_without_holes_and_without_what_lies_beside_it() -> None:
    samples, _ = phantom("RAS")
    noise = np.random.default_rng(1).normal(0, 4, samples.shape)
    truth = samples > 0
    holed = samples.astype(np.float32) + noise
    holed[18:20, 20:23, 16:18] = noise[18:20, 20:23, 16:18]
    holed[:2, :2, :2] = 300
    found = head_of(holed[None].astype(np.float32))
    assert found[18:20, 20:23, 16:18].all()
    assert not found[:2, :2, :2].any()
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.97


def test_heads_of_the_reference_volumes_fill_a_plausible_part(shared: Any) -> None:
    for name in ("head/head_t1_1mm", "stroke/clinical_T2_1p5mm", "ms/ms07_1p5mm_T2", "stroke/isles22_0001_DWI"):
        case = read_case(shared / f"mri/{name}.nii.gz")
        litres = head_of(presented(case)).sum() * np.prod(case.geometry.spacing_mm or ()) / 1e6
        assert 0.8 < litres < 5.5, name


def test_channels_are_chosen_by_name_whatever_the_spelling() -> None:
    samples, affine = phantom("RAS")
    case = read_case({name: nifti_bytes(samples * (k + 1), affine) for k, name in enumerate(("T2", "t1ce", "FLAIR"))})
    chosen = with_channels(case, ("FLAIR", "T1post"))
    np.testing.assert_array_equal(chosen.pixels, case.pixels[[2, 1]])
    with pytest.raises(ModelError, match="the volume has no T1, ADC"):
        with_channels(case, ("FLAIR", "T1", "ADC"))


def test_a_volume_without_orientation_is_fed_as_stored_with_a_message() -> None:
    samples, _ = phantom("LIA")
    case = read_case(bytes(nib.Nifti1Image(samples, None).to_bytes()))
    prepared = prepare(case, replace(SPECS["stretched"], size=case.space), None)
    assert any("as it is stored" in message for message in prepared.messages)
    np.testing.assert_array_equal(prepared.grid.to_input(case.pixels)[0].T, samples)


@pytest.mark.parametrize("axes", ["HP", "HPP", "SPL", "HPLR"])
def test_axes_that_are_none_are_refused(axes: str) -> None:
    with pytest.raises(ModelError, match="which are none"):
        prepare(case_on("RAS"), replace(FREE, axes=axes), None)


def test_films_and_volumes_are_not_mixed_up() -> None:
    case = case_on("RAS")
    with pytest.raises(ModelError, match="reads a film, not a volume"):
        prepare(case, InputSpec((32, 32)), None)
    unplaced = series_bytes(series(*phantom("LPS"), PixelSpacing=None))
    with pytest.raises(ModelError, match="how large its voxels are"):
        prepare(read_case(unplaced), FREE, None)


class Bright(nn.Module):
    """Two labels, background and what is bright, from one channel."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv3d(1, 2, 1)
        with torch.no_grad():
            self.convolution.weight[:] = torch.tensor([-4.0, 4.0]).reshape(2, 1, 1, 1, 1)
            self.convolution.bias[:] = torch.tensor([8.0, -8.0])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.convolution(x)


def model_on(spec: InputSpec) -> Model:
    card = Card(
        "bright", "Bright", "bright", "MR", "segmentation", ("background", "lesion"), ("FLAIR",), False, spec, "softmax"
    )
    return Model(card, Bright().eval(), "cpu", "beef")


@pytest.mark.parametrize("grid", ["LIA", "oblique", "anisotropic"])
def test_probabilities_and_maps_of_a_model_lie_on_the_case(grid: str) -> None:
    case, model = case_on(grid), model_on(FREE)
    prediction = model.predict(case)
    assert prediction.probabilities.shape == (2, *case.space)
    np.testing.assert_allclose(centre_lps(prediction.probabilities[1].T, ras_affine(case)), LESION_LPS, atol=2.0)
    seen = model.prepare(case).grid.covered()
    assert prediction.probabilities[1][~seen].max(initial=0) < 1e-6
    assert prediction.positive[-1] == "lesion"
    explanation = xc.explain(model, case, explainer="input-x-gradient", target="lesion")
    assert explanation.map.shape == case.pixels.shape
    np.testing.assert_allclose(centre_lps(explanation.map[0].T, ras_affine(case)), LESION_LPS, atol=2.0)
    again = unpacked(*packed(explanation))
    assert again.grid == explanation.grid


def test_a_region_drawn_on_the_case_reaches_the_network_at_its_place() -> None:
    case = case_on("oblique")
    prepared = prepare(case, FREE, None)
    mask = (case.pixels[0] > 450).astype(np.float32)
    fed = prepared.grid.to_input(mask[None])[0]
    np.testing.assert_allclose(centre_lps(fed.T, input_affine(case, prepared)), LESION_LPS, atol=2.0)
