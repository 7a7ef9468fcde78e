"""``mri-lesion-unet3d``, as shipped: as good as its card allows on the heads it was made from, and explained where they lie."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from sklearn.metrics import f1_score

import xai_core as xc
from xai_core.case import Geometry
from xai_core.modalities import shares
from xai_core.models.places import SHELF

NAME = "mri-lesion-unet3d"
LABEL = "MS lesion"
STEMS = {"07": "ms07_1p5mm", "19": "ms19", "26": "ms26_1p5mm"}


@pytest.fixture(scope="module")
def model() -> xc.Model:
    return xc.load_model(NAME, "cpu")


@pytest.fixture(scope="module")
def sample() -> xc.Case:
    return xc.read_case(xc.sample_cases()["ljubljana-ms"])


@pytest.fixture(scope="module")
def lesions(sample: xc.Case) -> xc.Region:
    return xc.read_region(xc.sample_cases()["ljubljana-ms"].regions["lesion"], sample)


@pytest.fixture(scope="module")
def cut(sample: xc.Case, lesions: xc.Region) -> tuple[xc.Case, xc.Region]:
    """A cube of 40 voxels about the densest part of the lesions: a head small enough for maps within seconds."""
    middle = np.argwhere(lesions.mask).mean(0).round().astype(int)
    box = tuple(slice(at - 20, at + 20) for at in middle)
    affine = np.array(sample.geometry.affine)
    affine[:3, 3] = sample.geometry.position(middle - 20)
    pixels = np.ascontiguousarray(sample.pixels[:, *box])
    return (
        replace(sample, pixels=pixels, geometry=Geometry.of_affine(affine), digest="cut"),
        xc.Region(lesions.mask[box], "lesion"),
    )


def test_its_card_says_what_it_reads_and_names() -> None:
    card = next(card for card in xc.models() if card.name == NAME)
    assert (card.modality, card.task, card.shipped) == ("MR", "segmentation", True)
    assert card.channels == ("FLAIR", "T1", "T1post", "T2")
    assert card.labels[-1] == LABEL
    text = (SHELF / "cards" / f"{NAME}.md").read_text()
    rows = dict(re.findall(r"^\| (\d\d) \| (0\.\d+) \|.*\| 0\.\d\d \|$", text, re.MULTILINE))
    stated = {number: card.metrics[f"dice_without_{number}"] for number in STEMS}
    assert {number: float(dice) for number, dice in rows.items()} == pytest.approx(stated, abs=1e-3)
    assert "ljubljana-ms" in text


def test_the_packaged_case_is_outlined(model: xc.Model, sample: xc.Case, lesions: xc.Region) -> None:
    """It was in training: this says that weights, card and preparation belong together."""
    prediction = model.predict(sample)
    assert prediction.probabilities.shape == (1, *sample.space)
    assert prediction.positive == (LABEL,)
    found = prediction.probabilities[0] >= model.card.thresholds[LABEL]
    assert f1_score(lesions.mask.ravel(), found.ravel()) > model.card.metrics["dice_without_26"]


def test_on_its_own_patients_it_reaches_what_its_card_says(model: xc.Model, shared: Path) -> None:
    """Masks read by nibabel, Dice as scikit-learn's F1; more than networks reach that did not see the patient."""
    scores = []
    for number, stem in STEMS.items():
        root = shared / "mri/ms"
        case = xc.read_case({name: root / f"{stem}_{name.upper()}.nii.gz" for name in model.card.channels})
        mask = root / ("masks" if number == "19" else "") / f"{stem}_lesions.nii.gz"
        truth = np.asarray(nib.load(mask).dataobj).T > 0
        found = model.predict(case).probabilities[0] >= model.card.thresholds[LABEL]
        scores.append(f1_score(truth.ravel(), found.ravel()))
    assert np.mean(scores) == pytest.approx(model.card.metrics["dice_trained_on"], abs=0.005)
    assert np.mean(scores) > model.card.metrics["dice_left_out"]


def test_a_volume_without_a_modality_is_refused(model: xc.Model, sample: xc.Case) -> None:
    two = replace(sample, channels=sample.channels[:2], pixels=sample.pixels[:2])
    with pytest.raises(xc.LightboxError, match="no T1post, T2"):
        model.predict(two)


@pytest.mark.parametrize("explainer", ["grad-cam", "lrp-epsilon-plus"])
def test_its_maps_lie_on_the_case_and_their_books_close(
    model: xc.Model, cut: tuple[xc.Case, xc.Region], explainer: str
) -> None:
    case, lesions = cut
    found = xc.explain(model, case, explainer=explainer, target=LABEL, region=lesions)
    assert found.map.shape == case.pixels.shape
    assert np.isfinite(found.map).all()
    if found.account is not None:
        assert abs(found.account["error"]) <= 1e-3 * max(1.0, abs(found.account["seed"]))
        assert shares(found.map).sum() == pytest.approx(1.0)
    held = np.abs(found.map).sum(0)
    assert held[lesions.mask].mean() > 2 * held[~lesions.mask].mean()


def test_the_card_s_layers_are_there(model: xc.Model) -> None:
    modules = dict(model.module.named_modules())
    assert model.card.target_layer in modules
    assert "encoder.3" in modules
