"""Films of one patient over days: their order, and that lungs lie at one place in every picture."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest

import xai_core as xc
from tests.small_models import film
from xai_core.case import Region
from xai_core.follow_up import LUNGS_FILL, Visit, aligned, in_order, is_one_patient
from xai_core.render import Overlay


def visit(name: str, day: str = "", patient: str = "p") -> Visit:
    return Visit(name, replace(film(), patient=MappingProxyType({"study_date": day, "id": patient})))


def test_films_stand_in_order_of_their_dates_with_days_from_the_first() -> None:
    found = in_order([visit("c", "20260110"), visit("a", "2026-02-01"), visit("b", "20260101")])
    assert [(one.name, one.day) for one in found] == [("b", 0), ("c", 9), ("a", 31)]
    assert found[1].title == "day 9"


@pytest.mark.parametrize("broken", ["", "20261399", "yesterday"])
def test_one_film_without_a_date_puts_all_in_order_of_names(broken: str) -> None:
    found = in_order([visit("film 10", "20260101"), visit("film 9", broken)])
    assert [(one.name, one.day) for one in found] == [("film 9", None), ("film 10", None)]
    assert found[0].title == "film 9"


def test_the_packaged_series_is_one_patient_s() -> None:
    cases = [xc.read_case(xc.sample_cases()[f"hannover-day-{day}"]) for day in (14, 0, 5, 3)]
    visits = in_order([Visit(str(number), case) for number, case in enumerate(cases)])
    assert [one.day for one in visits] == [0, 3, 5, 14]
    assert is_one_patient(visits)
    assert not is_one_patient([visit("a", patient="p"), visit("b", patient="q")])


@pytest.mark.parametrize(("top", "left", "size"), [(2, 3, 10), (12, 5, 30)])
def test_the_lungs_box_is_drawn_at_one_place_and_of_one_height(top: int, left: int, size: int) -> None:
    """A bright box where the lungs are, on black, comes out centred and ``LUNGS_FILL`` of the picture's side."""
    case = film(50)
    mask = np.zeros(case.space, bool)
    mask[top : top + size, left : left + size] = True
    pixels = np.where(mask, 4095, 0).astype(np.uint16)[None]
    facts = {**case.facts, "windows": (xc.case.Window("w", 2048, 4096),)}
    bright = replace(case, pixels=pixels, facts=MappingProxyType(facts))
    picture = aligned(bright, Region(mask), None, Overlay(), side=200)
    rows, columns = (np.flatnonzero(picture[..., 0].max(axis=1 - axis) > 128) for axis in (0, 1))
    for held in (rows, columns):
        assert held.size == pytest.approx(LUNGS_FILL * 200, abs=8)
        assert (held[0] + held[-1]) / 2 == pytest.approx(99.5, abs=4)
