"""Baselines against their definitions, sample by sample."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

import xai_core as xc
from tests.networks import small
from xai_core.explainers.baselines import BASELINE, baseline_of
from xai_core.explainers.request import Request

NETWORKS = ("plain1d", "plain2d", "plain3d")


def request(network: str, bounds: tuple[float, float] | None = None) -> Request:
    module, x = small(network)
    return Request(module, x, bounds=bounds)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("name", BASELINE.choices)
def test_it_is_shaped_like_the_input_and_alike_for_a_sample_alone(network: str, name: str) -> None:
    asked = request(network)
    found = baseline_of(asked, name, seed=4)
    assert found.shape == asked.x.shape
    assert found.dtype == asked.x.dtype
    alone = Request(asked.module, asked.x[1:])
    assert torch.equal(baseline_of(alone, name, seed=4), found[1:])


@pytest.mark.parametrize("network", NETWORKS)
def test_black_is_the_least_possible_value(network: str) -> None:
    asked = request(network)
    for sample, found in zip(asked.x, baseline_of(asked, "black"), strict=True):
        assert bool((found == sample.min()).all())
    assert bool((baseline_of(request(network, (-7.0, 9.0)), "black") == -7.0).all())


@pytest.mark.parametrize("network", NETWORKS)
def test_mean_is_each_channels_own(network: str) -> None:
    asked = request(network)
    expected = np.broadcast_to(asked.x.numpy().mean(tuple(range(2, asked.x.ndim)), keepdims=True), asked.x.shape)
    np.testing.assert_allclose(baseline_of(asked, "mean").numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("network", NETWORKS)
def test_blur_is_a_gaussian_of_a_twentieth_of_each_axis(network: str) -> None:
    asked = request(network)
    found = baseline_of(asked, "blur").numpy()
    sigma = [max(0.05 * size, 0.5) for size in asked.x.shape[2:]]
    np.testing.assert_allclose(found[1, 0], gaussian_filter(asked.x.numpy()[1, 0], sigma), atol=1e-12)


def test_uniform_fills_the_bounds_and_follows_the_seed() -> None:
    asked = request("plain2d", (-2.0, 6.0))
    found = baseline_of(asked, "uniform", seed=1)
    assert float(found.min()) >= -2.0
    assert float(found.max()) <= 6.0
    assert float(found.mean()) == pytest.approx(2.0, abs=0.6)
    assert float(found.std()) == pytest.approx(8 / 12**0.5, abs=0.4)
    assert torch.equal(found, baseline_of(asked, "uniform", seed=1))
    assert not torch.equal(found, baseline_of(asked, "uniform", seed=2))


@pytest.mark.parametrize("name", ["blur", "mean", "no such baseline"])
def test_what_has_no_meaning_is_refused(name: str) -> None:
    module = torch.nn.Linear(6, 2).eval()
    with pytest.raises(xc.LightboxError, match=name):
        baseline_of(Request(module, torch.zeros(2, 6)), name)
