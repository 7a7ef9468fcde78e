"""The sweep: one recording for all filters, each the same as asked for alone; the study's network to its stored values."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import torch

import xai_core as xc
from tests.lesions import lesion
from tests.networks import UNet, randomised
from tests.oracles import reference
from tests.volumes import CHANNELS, volume, volume_model
from xai_core.filter_study import RAW, STUDY_BANDS, Band, sweep, sweep_network

CASE, LESION = volume(), lesion()


@pytest.fixture(scope="module")
def model() -> xc.Model:
    return volume_model(randomised(UNet(3, channels=2), 3))


@pytest.mark.parametrize("band", STUDY_BANDS, ids=lambda band: band.name)
def test_every_filter_is_what_it_is_when_asked_for_alone(model: xc.Model, band: Band, swept) -> None:
    """Against metrics of single explanations, each with a recording of its own."""
    alone = xc.explain(model, CASE, explainer="lrp-study-unet", **band.parameters("blocks"))
    found = swept.of(band)
    for name, measured in (
        ("truth-inclusivity", found.truth_inclusivity),
        ("input-inclusivity", found.input_inclusivity),
    ):
        told = xc.measure(alone, name, region=LESION, model=model, case=CASE)
        np.testing.assert_array_equal(measured, list(told.by_channel.values()))
    normalised = alone.raw / np.abs(alone.raw).max()
    np.testing.assert_allclose(found.signal, normalised.mean((1, 2, 3)), rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(found.signal_in_truth, normalised[:, LESION.mask].mean(1), rtol=1e-4, atol=1e-7)
    np.testing.assert_array_equal(found.picture, alone.map[:, 4])


@pytest.fixture(scope="module")
def swept(model: xc.Model):
    return sweep(model, CASE, LESION)


def test_the_network_runs_once(model: xc.Model) -> None:
    passes = []
    handle = model.module.register_forward_hook(lambda *_: passes.append(1))
    try:
        sweep(model, CASE, LESION, bands=STUDY_BANDS[:4], compares_code=True)
    finally:
        handle.remove()
    assert len(passes) == 1


def test_the_slice_shown_is_the_one_with_the_largest_lesion(swept) -> None:
    assert swept.slice_number == 4
    assert swept.truth_voxels == int(LESION.mask.sum())
    assert swept.channels == CHANNELS
    assert [band.name for band in swept.bands][:3] == ["raw", "pass 0–0.05", "pass 0–0.1"]


@pytest.mark.parametrize("network", ["positive", "signed"])
def test_published_code_gives_the_study_s_inclusivity(shared: Path, network: str) -> None:
    stored = reference.arrays(shared / "reference/unet3d_filters/unet.safetensors")
    module = reference.study_network(network, stored)
    bands = {"raw": RAW, "pass_0_0.2": Band("pass", 0, 0.2), "clamp_0_0.2": Band("clamp", 0, 0.2)}
    truth = stored["label"].numpy() > 0
    found = sweep_network(module, stored["input"].double(), truth, bands=list(bands.values()), compares_code=True)
    assert not found.problem
    for one, text, name in zip(found.published, found.readings, bands, strict=True):
        code = one.reading
        np.testing.assert_allclose(code.truth_inclusivity, stored[f"{network}/{name}/inclusivity_label"], atol=1e-6)
        np.testing.assert_allclose(code.input_inclusivity, stored[f"{network}/{name}/inclusivity_input"], atol=1e-6)
        assert code.band == text.band
        assert (np.abs(one.correlation) <= 1 + 1e-12).all()


def test_correlation_of_text_and_code_is_numpy_s(model: xc.Model) -> None:
    found = sweep(model, CASE, LESION, bands=[RAW], compares_code=True)
    text, code = (
        xc.explain(model, CASE, explainer="lrp-study-unet", variant=variant).raw
        for variant in ("text", "published-code")
    )
    expected = [
        np.corrcoef(a.ravel().astype(float), b.ravel().astype(float))[0, 1] for a, b in zip(text, code, strict=True)
    ]
    np.testing.assert_allclose(found.published[0].correlation, expected, rtol=1e-5)
    whole = np.corrcoef(text.ravel().astype(float), code.ravel().astype(float))[0, 1]
    assert found.published[0].correlation_of_all == pytest.approx(whole, rel=1e-5)


def test_other_networks_have_no_published_code(model: xc.Model) -> None:
    class Three(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.enter, self.out = torch.nn.Conv3d(2, 4, 1), torch.nn.Conv3d(12, 2, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = torch.relu(self.enter(x))
            return self.out(torch.cat([x, x, x], 1))

    found = sweep(volume_model(randomised(Three(), 1)), CASE, LESION, bands=[RAW], compares_code=True)
    assert found.published == ()
    assert "skip" in found.problem
    assert len(found.readings) == 1


def test_another_explainer_with_filters_may_be_swept(model: xc.Model) -> None:
    band = Band("pass", 0, 0.2)
    found = sweep(model, CASE, LESION, bands=[band], explainer="lrp-epsilon-plus", target="lesion", place="all")
    alone = xc.explain(model, CASE, explainer="lrp-epsilon-plus", target="lesion", **band.parameters("all"))
    np.testing.assert_array_equal(found.readings[0].picture, alone.map[:, 4])


def test_without_ground_truth_what_needs_it_is_not_defined(model: xc.Model) -> None:
    (reading,) = sweep(model, CASE, bands=[RAW]).readings
    assert np.isnan(reading.truth_inclusivity).all()
    assert np.isnan(reading.signal_in_truth).all()
    assert np.isfinite(reading.input_inclusivity).all()


def test_it_tells_how_far_it_is_and_stops_when_asked(model: xc.Model) -> None:
    told: list[float] = []
    stop = threading.Event()

    def listen(share: float) -> None:
        told.append(share)
        if len(told) == 3:
            stop.set()

    with pytest.raises(xc.LightboxError, match="cancelled"):
        sweep(model, CASE, LESION, progress=listen, cancel=stop)
    assert told == sorted(told)
    assert len(told) == 3
    sweep(model, CASE, LESION, bands=STUDY_BANDS[:3], progress=told.append)
    assert told[3] == 0.0
    assert told[-1] == 1.0


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"explainer": "grad-cam"}, "has no filters"),
        ({"region": xc.Region(np.ones((2, 2, 2), bool))}, "not on the grid"),
        ({"target": "Stroke"}, "no label 'Stroke'"),
    ],
)
def test_a_bad_question_is_a_sentence(model: xc.Model, more: dict[str, object], words: str) -> None:
    with pytest.raises(xc.LightboxError, match=words):
        sweep(model, CASE, **{"region": LESION, **more})
