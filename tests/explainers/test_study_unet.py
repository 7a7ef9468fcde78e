"""``lrp-study-unet`` on the study's own network: published code to the stored arrays, the text to its oracle."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import xai_core as xc
from tests.networks import UNet, randomised, smooth
from tests.oracles import reference
from tests.oracles.study_unet import StudyWalk
from tests.oracles.test_oracles import deviation

FILTERS = {"raw": "none", "pass_0_0.2": "pass", "clamp_0_0.2": "clamp"}


def study(shared: Path, network: str, filtering: str, **parameters: object) -> tuple[xc.Attribution, torch.Tensor]:
    stored = reference.arrays(shared / "reference/unet3d_filters/unet.safetensors")
    module = reference.study_network(network, stored)
    mode = FILTERS[filtering]
    more = {} if mode == "none" else {"filter_mode": mode, "filter_range": (0.0, 0.2), "filter_at": "blocks"}
    found = xc.attribute(module, stored["input"].double(), explainer="lrp-study-unet", **more, **parameters)
    return found, stored


@pytest.mark.parametrize("first", ["head", "published"])
@pytest.mark.parametrize("filtering", FILTERS)
@pytest.mark.parametrize("network", ["positive", "signed"])
def test_published_code(shared: Path, network: str, filtering: str, first: str) -> None:
    found, stored = study(shared, network, filtering, variant="published-code", first=first)
    assert deviation(found.relevance, stored[f"{network}/{filtering}/{first}/relevance"]) < 1e-6


@pytest.mark.parametrize("filtering", FILTERS)
@pytest.mark.parametrize("network", ["positive", "signed"])
def test_text(shared: Path, network: str, filtering: str) -> None:
    """The text cuts the map in two and adds what meets at a skip; the code takes the wrong half and halves."""
    found, stored = study(shared, network, filtering)
    module = reference.study_network(network, stored)
    walk = StudyWalk(module, FILTERS[filtering], 0.0, 0.2, published=False)
    assert deviation(found.relevance, walk.run(stored["input"].double())) < 1e-6


@pytest.mark.parametrize("dims", [2, 3])
def test_text_runs_on_any_unet(dims: int) -> None:
    module = randomised(UNet(dims), 3).double()
    x = smooth(1, 1, *[8] * dims, dtype=torch.float64)
    found = xc.attribute(module, x, explainer="lrp-study-unet")
    assert found.relevance.shape == x.shape
    assert float(found.account["seed"]) == pytest.approx(float(module(x).detach().sum()), rel=1e-9)
    assert abs(float(found.account["error"])) < 1e-9 * max(1.0, abs(float(found.account["seed"])))
