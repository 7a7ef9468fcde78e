"""Perfusion phantoms: the head they stand on, values against the tables they cite, a truth that holds, files that are read back."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.distance import dice as dice_distance

import xai_core as xc
from xai_core.phantoms import MODALITIES, SAMPLE_SEED, Phantom, perfusion_phantom, write_isles
from xai_core.phantoms.anatomy import CORTEX, CSF, DEEP_GREY, WHITE
from xai_core.phantoms.perfusion import HEALTHY, LEAST_SHAPE, SHAPE
from xai_core.phantoms.territories import OCCLUSIONS
from xai_core.readers.layouts import LAYOUTS

SEEDS = (SAMPLE_SEED, 14, 15, 16)
SMALL = (10, 64, 64)


@pytest.fixture(scope="module")
def phantoms() -> list[Phantom]:
    return [perfusion_phantom(seed) for seed in SEEDS]


def inner(mask: np.ndarray) -> np.ndarray:
    """Voxels whose neighbours in the slice are of the same kind: little partial volume."""
    return ndimage.binary_erosion(mask, np.ones((1, 3, 3)))


def pooled(phantoms: Iterable[Phantom], name: str, zone: str, kind: int) -> np.ndarray:
    """Values of a map in the inner voxels of a tissue in a zone ("healthy": in none)."""
    place = MODALITIES.index(name)
    found = []
    for phantom in phantoms:
        failing = phantom.lesion | phantom.oligaemia
        inside = ~ndimage.binary_dilation(failing) if zone == "healthy" else getattr(phantom, zone)
        found.append(phantom.maps[place][inner(phantom.tissue == kind) & inside])
    return np.concatenate(found)


def test_channels_are_those_of_isles_2017() -> None:
    assert LAYOUTS["ISLES 2017"] == MODALITIES


def test_the_grid_is_the_study_s_and_grows_to_the_head_s_top_its_back_and_its_left(phantoms: list[Phantom]) -> None:
    for phantom in phantoms:
        assert phantom.maps.shape == (6, *SHAPE)
        assert nib.aff2axcodes(phantom.affine) == ("L", "P", "S")
        # a brain with its fluid: 1,000 to 1,700 ml in adults
        assert 900 < phantom.brain.sum() * phantom.voxel_ml < 1700
        _, count = ndimage.label(phantom.brain)
        assert np.bincount(ndimage.label(phantom.brain)[0].ravel())[1:].max() > 0.99 * phantom.brain.sum(), count


def test_the_truth_is_exact_apart_and_inside_the_brain(phantoms: list[Phantom]) -> None:
    for phantom in phantoms:
        zones = np.stack([phantom.core, phantom.penumbra, phantom.oligaemia])
        assert zones.sum(0).max() == 1
        assert not (zones.any(0) & ~phantom.brain).any()
        assert phantom.core.any()
        assert phantom.penumbra.any()
        assert (phantom.lesion == (phantom.core | phantom.penumbra)).all()
        assert not phantom.maps[:, ~phantom.brain].any()


def test_a_stroke_stays_on_the_side_of_its_vessel(phantoms: list[Phantom]) -> None:
    for phantom in phantoms:
        columns = np.argwhere(phantom.lesion)[:, 2]
        left = (phantom.affine[0, 3] + phantom.affine[0, 0] * columns) < 0
        assert (left.mean() > 0.98) == (phantom.side == "left")
        assert (left.mean() < 0.02) == (phantom.side == "right")


# Helenius et al. 2002: mean and range over 80 volunteers, 10^-3 mm^2/s.
ADC = {CORTEX: (0.89, 0.78, 1.09), DEEP_GREY: (0.75, 0.64, 0.83), WHITE: (0.70, 0.62, 0.79)}


@pytest.mark.parametrize("kind", ADC)
def test_diffusion_of_healthy_tissue_is_the_published_one(kind: int) -> None:
    mean, least, greatest = ADC[kind]
    assert least < HEALTHY[kind][0] / 1000 < greatest
    assert HEALTHY[kind][0] / 1000 == pytest.approx(mean)


def test_white_matter_shows_its_diffusion_in_spite_of_noise_and_thick_slices(phantoms: list[Phantom]) -> None:
    _, least, greatest = ADC[WHITE]
    assert least < np.median(pooled(phantoms, "ADC", "healthy", WHITE)) / 1000 < greatest


def test_fluid_diffuses_freely_and_is_not_perfused(phantoms: list[Phantom]) -> None:
    """Water at body temperature: 3.0 (10^-3 mm^2/s)."""
    assert np.percentile(pooled(phantoms, "ADC", "healthy", CSF), 90) == pytest.approx(3000, rel=0.12)
    assert np.percentile(pooled(phantoms, "rCBF", "healthy", CSF), 10) < 10


def test_grey_matter_is_better_perfused_than_white_as_measured_by_pet(phantoms: list[Phantom]) -> None:
    """Leenders et al. 1990: 54.5 and 22.2 ml/100 ml/min, 2.5 to 1; thick slices mix what lies above each other."""
    grey, white = (np.median(pooled(phantoms, "rCBF", "healthy", kind)) for kind in (DEEP_GREY, WHITE))
    assert 1.3 < grey / white < 54.5 / 22.2


# Schaefer et al. 2003, table 1: mean and range of ratios to the healthy side, over patients.
RATIOS = {
    ("rCBF", "core"): (0.16, 0.61),
    ("rCBF", "penumbra"): (0.24, 0.79),
    ("rCBF", "oligaemia"): (0.36, 0.84),
    ("rCBV", "core"): (0.16, 0.88),
    ("rCBV", "penumbra"): (0.43, 1.44),
    ("rCBV", "oligaemia"): (0.53, 1.21),
    ("MTT", "core"): (0.93, 2.70),
    ("MTT", "penumbra"): (0.89, 2.62),
    ("MTT", "oligaemia"): (0.65, 2.70),
    ("ADC", "core"): (0.45, 0.93),
    ("ADC", "penumbra"): (0.69, 1.12),
    ("ADC", "oligaemia"): (0.85, 1.06),
}


@pytest.mark.parametrize(("name", "zone"), RATIOS)
def test_failing_tissue_has_the_published_ratios(phantoms: list[Phantom], name: str, zone: str) -> None:
    least, greatest = RATIOS[name, zone]
    ratio = np.median(pooled(phantoms, name, zone, WHITE)) / np.median(pooled(phantoms, name, "healthy", WHITE))
    assert least < ratio < greatest


def test_zones_lie_between_the_thresholds_of_practice(phantoms: list[Phantom]) -> None:
    """ADC below 0.62 in the core alone (Purushotham 2015); Tmax above 6 s in core and penumbra (Olivot 2009)."""

    def middle(name: str, zone: str) -> float:
        return float(np.median(np.concatenate([p.maps[MODALITIES.index(name)][getattr(p, zone)] for p in phantoms])))

    assert middle("ADC", "core") < 620 < middle("ADC", "penumbra")
    assert middle("Tmax", "oligaemia") < 6 < middle("Tmax", "penumbra") < middle("Tmax", "core")
    assert middle("TTP", "oligaemia") < middle("TTP", "penumbra") < middle("TTP", "core")


def test_the_same_seed_is_the_same_phantom_and_another_seed_is_another() -> None:
    one, again, other = (perfusion_phantom(seed, SMALL) for seed in (3, 3, 4))
    for field in dataclasses.fields(Phantom):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(again, field.name))
    assert (one.maps != other.maps).mean() > 0.1


def test_many_seeds_reach_both_sides_every_vessel_and_many_sizes() -> None:
    found = [perfusion_phantom(seed, SMALL) for seed in range(60)]
    assert {phantom.side for phantom in found} == {"left", "right"}
    assert {phantom.vessel for phantom in found} == set(OCCLUSIONS)
    volumes = [phantom.lesion.sum() * phantom.voxel_ml for phantom in found]
    assert max(volumes) > 5 * np.median(volumes)
    assert dice_distance(found[0].lesion.ravel(), found[1].lesion.ravel()) > 0.5


@pytest.mark.parametrize("shape", [(9, 192, 192), (19, 192, 63)])
def test_a_grid_too_coarse_for_a_stroke_is_refused(shape: tuple[int, int, int]) -> None:
    with pytest.raises(xc.LightboxError, match="too coarse"):
        perfusion_phantom(0, shape)


@pytest.mark.parametrize("seed", range(200, 206))
def test_the_coarsest_grid_holds_every_part_of_a_stroke(seed: int) -> None:
    phantom = perfusion_phantom(seed, LEAST_SHAPE)
    assert phantom.lesion.any()
    assert phantom.maps[:, phantom.brain].std(1).min() > 0


def raggedness(mask: np.ndarray, step_mm: tuple[float, ...]) -> float:
    """Surface of a mask by its voxels' faces, over that of a ball of its volume (faces of a ball: 1.5 times its surface)."""
    faces = np.prod(step_mm) / np.asarray(step_mm)
    surface = sum(np.abs(np.diff(np.pad(mask, 1).astype(int), axis=k)).sum() * faces[k] for k in range(3))
    return float(surface / (1.5 * (36 * np.pi) ** (1 / 3) * (mask.sum() * np.prod(step_mm)) ** (2 / 3)))


def test_cores_are_as_ragged_as_real_strokes(phantoms: list[Phantom], shared: Path) -> None:
    """Against the 24 outlines of SOOP, brought to slices as thick as the phantom's."""
    step_mm = (6.5, 1.25, 1.25)
    real = []
    for path in sorted((shared / "mri/stroke/masks").glob("soop*")):
        drawn = np.asarray(nib.load(path).dataobj, np.float32).T
        mask = ndimage.zoom(ndimage.gaussian_filter(drawn, (2, 0.5, 0.5)), 1 / np.asarray(step_mm), order=1) >= 0.5
        if mask.sum() * np.prod(step_mm) > 3000:
            real.append(raggedness(mask, step_mm))
    ours = [raggedness(phantom.core, step_mm) for phantom in phantoms]
    assert min(real) - 0.2 < np.median(ours) < max(real)
    assert max(ours) < 1.5 * max(real)


def test_a_set_in_the_layout_of_isles_2017_is_read_back(phantoms: list[Phantom], tmp_path: Path) -> None:
    folder = write_isles(phantoms[0], tmp_path, 7)
    assert {path.name.split(".")[4] for path in folder.iterdir()} == {"OT", *(f"MR_{name}" for name in MODALITIES)}
    case = xc.read_case(folder)
    assert case.channels == MODALITIES
    assert case.geometry.letters == ("H", "P", "L")
    assert case.geometry.spacing_mm == pytest.approx((6.5, 1.25, 1.25))
    for name, found, written in zip(MODALITIES, case.pixels, phantoms[0].maps, strict=True):
        level = float(nib.load(next(folder.rglob(f"*MR_{name}.*.nii"))).dataobj.slope)
        np.testing.assert_allclose(found, written, rtol=0, atol=0.501 * level)
    outline = xc.read_region(next(folder.rglob("*OT*.nii")), case)
    np.testing.assert_array_equal(outline.mask, phantoms[0].lesion)


def test_the_packaged_case_is_the_phantom_of_its_seed() -> None:
    sample, phantom = xc.sample_cases("volume")["perfusion-phantom"], perfusion_phantom(SAMPLE_SEED)
    case = xc.read_case(sample)
    assert case.channels == MODALITIES
    assert (phantom.vessel, phantom.side) == ("MCA trunk", "left")
    for kind in ("lesion", "core", "penumbra"):
        region = xc.read_region(sample.regions[kind], case)
        # libraries of another make may turn single voxels over
        assert dice_distance(region.mask.ravel(), getattr(phantom, kind).ravel()) < 1e-3
    size = sum(path.stat().st_size for path in (*sample.files, *sample.regions.values()))
    assert size < 3_000_000
