"""Inclusivity against the values that the study's own code computed (reference data ``unet3d_filters``)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.explainers.test_study_unet import FILTERS
from tests.oracles import reference
from xai_core.metrics.inclusivity import BRIGHT, STRONG, inclusivity, strong


@pytest.mark.parametrize("filtering", FILTERS)
@pytest.mark.parametrize("network", ["positive", "signed"])
def test_the_study_s_values(shared: Path, network: str, filtering: str) -> None:
    stored = reference.arrays(shared / "reference/unet3d_filters/unet.safetensors")
    inside = strong(stored[f"{network}/{filtering}/head/relevance"][0].numpy(), STRONG)
    bright = strong(stored["input"][0].numpy(), BRIGHT)
    truth = stored["label"].numpy() > 0
    for of, name in ((bright, "input"), (truth, "label")):
        expected = stored[f"{network}/{filtering}/inclusivity_{name}"].numpy()
        np.testing.assert_allclose(inclusivity(inside, of), expected, atol=1e-6, equal_nan=True)


def test_half_a_maximum_is_not_more_than_half() -> None:
    values = np.array([[2.0, -1.0, -1.5, 0.0]])
    np.testing.assert_array_equal(strong(values, 0.5), [[True, False, True, False]])


def test_a_channel_of_zeros_takes_nothing_in_and_an_empty_region_is_not_defined() -> None:
    inside = strong(np.zeros((1, 4)), STRONG)
    assert inclusivity(inside, np.array([True, False, False, True])) == 0.0
    assert np.isnan(inclusivity(inside, np.zeros(4, bool))).all()
