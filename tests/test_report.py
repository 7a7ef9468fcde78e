"""The small picture of the methods page is the viewer's picture, only smaller."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import xai_core as xc
from tests.small_models import SIDE, film, model_of
from xai_core.colours import table_for
from xai_core.render import Overlay
from xai_core.report import heat_map, miniature, picture


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


def test_a_map_alone_is_the_colour_table_at_its_values_and_zero_is_white() -> None:
    """Every cell is a square of one colour, looked up by its share of the scope; no film shines through."""
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(SIDE * SIDE, 4))
    case = film()
    explanation = xc.explain(model_of(module.eval()), case, explainer="input-x-gradient", target=1)
    values = explanation.shown.copy()
    values[:4] = 0
    explanation, scope = replace(explanation, shown=values), 2.0 * float(np.abs(values).max())
    found = heat_map(case, explanation, Overlay(threshold=0.0, colours="blue-red", scope=scope), 4 * SIDE)
    table = table_for("blue-red", True).colours.astype(int)
    place = 255 + np.rint(255 * np.repeat(np.repeat(values, 4, 0), 4, 1) / scope).astype(int)
    assert np.abs(found.astype(int) - table[place]).max() <= 4  # one step of the table: shares travel as float16
    assert (found[:16] == table[255]).all()
