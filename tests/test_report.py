"""The small picture of the methods page is the viewer's picture, only smaller."""

from __future__ import annotations

import numpy as np
import pytest

import xai_core as xc
from xai_core.report import miniature, picture


@pytest.fixture(scope="module")
def explained() -> tuple[xc.Case, xc.Explanation]:
    case = xc.read_case(xc.sample_cases()["hannover-covid-19"])
    return case, xc.explain(xc.load_model("cxr-resnet18", "cpu"), case, explainer="grad-cam")


def test_at_the_film_s_own_size_it_is_the_picture(explained) -> None:
    case, explanation = explained
    assert np.array_equal(miniature(case, explanation, max(case.space)), picture(case, explanation))


def test_without_a_map_it_is_grey(explained) -> None:
    small = miniature(explained[0], None, 100)
    assert small.shape == (100, 100, 3)
    assert (small[..., 0] == small[..., 2]).all()
    assert small.std() > 5


def test_a_wide_film_keeps_its_proportions() -> None:
    case = xc.read_case(xc.sample_cases()["simulated-normal"])
    height, width = case.space
    assert miniature(case, None, 200).shape == (round(200 * height / width), 200, 3)
