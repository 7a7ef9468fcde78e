"""What a person is told of a film, on real films: rates as the card states them, and the words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

import xai_core as xc
from tests.quality.films import changed, held_out, negatives, sample
from xai_core.quality.statistics import quality_table
from xai_core.quality.verdict import NOTHING_KEPT

KIND = "is_a_frontal_chest_film"
FILMS = 12


@pytest.fixture(scope="module")
def model() -> xc.Model:
    return xc.load_model("cxr-resnet18", "cpu")


@pytest.fixture(scope="module")
def metrics() -> dict:
    return quality_table()["metrics"]


def kinds(found: xc.Quality) -> list[str]:
    return [one.word for one in found.findings if one.check == KIND]


def given(case: xc.Case, **facts: object) -> xc.Case:
    return replace(case, facts=MappingProxyType({**case.facts, **facts}))


def within(count: int, films: int, rate: float) -> bool:
    """Whether ``count`` of ``films`` agrees with ``rate``: three standard deviations of the binomial and one film."""
    return abs(count - films * rate) <= 3 * np.sqrt(films * rate * (1 - rate)) + 1


@pytest.mark.parametrize("source", ["kermany", "nih", "nlm_shenzhen"])
def test_false_alarms_are_as_rare_as_the_card_says(model: xc.Model, metrics: dict, shared: Path, source: str) -> None:
    films = held_out(shared, source, FILMS)
    told = [xc.quality(xc.read_case(path), model) for path in films]
    assert within(sum(bool(kinds(one)) for one in told), len(films), metrics[f"false_{source}"]["value"])
    assert within(sum(one.level == "bad" for one in told), len(films), metrics[f"false_bad_{source}"]["value"])


def turned(pixels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.rot90(pixels))


def upside_down(pixels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.rot90(pixels, 2))


def inverted(pixels: np.ndarray) -> np.ndarray:
    return 255 - pixels


@pytest.mark.parametrize(
    ("lay", "key", "word"),
    [(turned, "a_quarter", "turned"), (upside_down, "upside_down", "upside down"), (inverted, "inverted", "inverted")],
)
def test_a_film_laid_wrong_is_found_and_named(model, metrics, shared, lay, key, word) -> None:  # type: ignore[no-untyped-def]
    films = held_out(shared, "kermany", FILMS // 2) + held_out(shared, "nih", FILMS // 2)
    cases = [xc.read_case(path) for path in films]
    told = [xc.quality(changed(case, lay(case.pixels[0])), model) for case in cases]
    assert within(sum(bool(kinds(one)) for one in told), len(films), metrics[f"found_{key}"]["value"])
    assert within(sum(kinds(one) == [word] for one in told), len(films), metrics[f"named_{key}"]["value"])


def test_everything_that_is_no_such_film_is_warned_of_as_the_card_says(model, metrics, shared) -> None:  # type: ignore[no-untyped-def]
    told: dict[str, list[bool]] = {}
    for kind, path in negatives(shared):
        if kind == "blank":
            with pytest.raises(xc.LightboxError, match="blank"):
                xc.read_case(path)
            continue
        found = xc.quality(xc.read_case(path), model)
        checks = {one.check for one in found.findings if one.level != "good"}
        wanted = {KIND, "has_grey_levels"} if kind == "underexposed" else {KIND}
        told.setdefault(kind, []).append(bool(checks & wanted))
    for kind, warned in told.items():
        assert np.mean(warned) == pytest.approx(metrics[f"negative_{kind.replace(' ', '_')}"]["value"], abs=0.03), kind


def test_slices_of_brains_are_no_chest_films(model, metrics, shared) -> None:  # type: ignore[no-untyped-def]
    paths = sorted((shared / "brain2d" / "images").glob("*.jpg"))[::10]
    told = [bool(kinds(xc.quality(xc.read_case(path), model))) for path in paths]
    assert within(sum(told), len(paths), metrics["negative_brain_slice"]["value"])


@pytest.mark.parametrize("name", list(xc.sample_cases("film")))
def test_the_packaged_films_are_taken_for_chest_films(model: xc.Model, name: str) -> None:
    found = xc.quality(sample(name), model)
    assert not kinds(found)
    assert found.distance is not None
    assert found.distance <= 1


def test_a_turned_over_file_is_no_turned_over_film(model: xc.Model) -> None:
    """MONOCHROME1 says that small samples are bright: the same film, and the same verdict."""
    case = sample("child-normal")
    other = replace(
        case, pixels=255 - case.pixels, facts=MappingProxyType({**case.facts, "photometric": "MONOCHROME1"})
    )
    assert not kinds(xc.quality(replace(other, digest="other"), model))


@pytest.mark.parametrize(
    ("film", "facts", "word", "labels"),
    [
        ("child-normal", {"age_years": 3.0}, "taught on adults", ("COVID-19", "Lung Opacity")),
        ("child-normal", {"age_years": 40.0}, "taught on children", ("Bacterial", "Viral")),
        ("nih-lung-opacity", {"age_years": 40.0}, "taught on children", ("Bacterial", "Viral")),
        ("nih-lung-opacity", {"age_years": None}, "taught on children", ("Bacterial", "Viral")),
        ("child-normal", {"age_years": None}, "taught on adults", ("COVID-19", "Lung Opacity")),
        ("child-normal", {"age_years": 11.0}, "age between", ()),
    ],
)
def test_the_age_of_the_file_counts_before_the_look(model, film, facts, word, labels) -> None:  # type: ignore[no-untyped-def]
    found = xc.quality(given(sample(film), **facts), model)
    age = [one for one in found.findings if one.check == "was_taught_on_such_patients"]
    assert [(one.word, one.labels) for one in age] == [(word, labels)]
    assert all(one in found.about((labels or model.card.labels)[0]).findings for one in age)
    assert bool(labels) != any(one in found.about("Healthy").findings for one in age)


@pytest.mark.parametrize(
    ("facts", "word"),
    [({"view": "LL"}, "lateral"), ({"body_part": "HAND"}, "not a chest"), ({"body_part": "CHEST"}, None)],
)
def test_what_the_file_says_of_itself_counts(model, facts, word) -> None:  # type: ignore[no-untyped-def]
    assert kinds(xc.quality(given(sample("child-normal"), **facts), model)) == ([word] if word else [])


def test_a_volume_is_not_checked_and_that_is_said(model: xc.Model) -> None:
    volume = replace(sample("child-normal"), kind="volume", pixels=np.zeros((1, 4, 4, 4), np.uint8))
    found = xc.quality(volume, model)
    assert found.notes == (NOTHING_KEPT,)
    assert found.distance is None
    assert not found.findings
