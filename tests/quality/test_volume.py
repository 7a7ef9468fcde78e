"""What a person is told of a brain volume, on real ones: nothing where all is well, and the words where it is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from torch import nn

import xai_core as xc
from tests.quality.volumes import FILES, FOUR, WHOLE, card, exchanged, laid, volume, with_facts
from xai_core.case import Case, Geometry
from xai_core.engine import Engine
from xai_core.models import Model

QUICK = "ms07_1p5mm"


def told(case: Case, skull: str = "", spacing_mm: float | None = None) -> xc.Quality:
    return xc.quality(case, Model(card(case.channels, skull, spacing_mm), nn.Identity(), "cpu", "beef"))


def words(case: Case, skull: str = "", spacing_mm: float | None = None) -> list[str]:
    return [found.word for found in told(case, skull, spacing_mm).findings]


@pytest.mark.parametrize("name", FILES)
def test_nothing_is_said_of_volumes_as_their_sources_publish_them(shared: Path, name: str) -> None:
    found = told(volume(shared, name), skull="on" if name in WHOLE else "stripped", spacing_mm=1.5)
    assert not found.sentences[:-1], found.sentences
    assert found.level == "good"


@pytest.mark.parametrize("name", [name for name in FOUR if "1p5" in name or name.endswith(("57", "61"))])
@pytest.mark.parametrize(
    "pair", [("T1", "T2"), ("FLAIR", "T2"), ("FLAIR", "T1"), ("T1", "T1post"), ("T1post", "T2")], ids="-".join
)
def test_two_files_given_for_each_other_are_named(shared: Path, name: str, pair: tuple[str, str]) -> None:
    found = told(exchanged(volume(shared, name), *pair)).findings
    assert [one.word for one in found] == ["exchanged"]
    assert set(found[0].sentence.split(" look ")[0].split(" and ")) == set(pair)


def test_diffusion_and_its_map_given_for_each_other_are_named(shared: Path) -> None:
    assert words(exchanged(volume(shared, "stroke"), "DWI", "ADC")) == ["exchanged"]


@pytest.mark.parametrize(("was", "named"), [("T2", "FLAIR"), ("T1", "FLAIR"), ("T1", "T2"), ("T2", "T1post")])
def test_one_file_under_another_s_name_looks_unlike_it(shared: Path, was: str, named: str) -> None:
    case = replace(volume(shared, QUICK, [was]), channels=(named,))
    assert words(case) == ["other sequence"]
    assert f"as on {was}." in told(case).findings[0].sentence


def test_an_image_that_stands_twice_is_said(shared: Path) -> None:
    case = volume(shared, QUICK)
    pixels = case.pixels.copy()
    pixels[case.channels.index("T1post")] = pixels[case.channels.index("T1")]
    assert "same image twice" in words(laid(case, pixels))


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_channel_that_does_not_cover_the_head_is_said(shared: Path, share: float) -> None:
    case = volume(shared, QUICK)
    pixels = case.pixels.copy()
    pixels[case.channels.index("T2"), round(share * case.space[0]) :] = 0
    found = told(laid(case, pixels)).findings
    assert "channel missing" in [one.word for one in found]
    assert any(one.sentence.startswith("T2 ") for one in found)


@pytest.mark.parametrize("axes", [(1, 3), (2, 3)])
@pytest.mark.parametrize("name", ["ms26_1p5mm", "brats01657", "whole head T2"])
def test_samples_turned_without_their_affine_are_found(shared: Path, name: str, axes: tuple[int, int]) -> None:
    case = volume(shared, name)
    assert "lies wrong" in words(laid(case, np.ascontiguousarray(np.swapaxes(case.pixels, *axes))))


def test_samples_turned_with_their_affine_are_the_same_head(shared: Path) -> None:
    case = volume(shared, QUICK, ["T1"])
    affine = case.geometry.affine[:, [2, 0, 1, 3]].copy()  # type: ignore[index]
    affine[:3, 3] += affine[:3, 0] * (case.space[2] - 1)
    affine[:3, 0] *= -1
    pixels = np.ascontiguousarray(case.pixels.transpose(0, 3, 1, 2)[:, ::-1])
    turned = laid(case, pixels, geometry=Geometry.of_affine(affine))
    before, after = told(case).numbers, told(turned).numbers
    assert not told(turned).findings
    assert list(after) == list(before)
    assert all(
        after[key] == (before[key] if isinstance(before[key], str) else pytest.approx(before[key])) for key in before
    )


def test_a_file_that_does_not_say_how_the_head_lies_is_said(shared: Path) -> None:
    case = volume(shared, QUICK)
    unplaced = replace(case, geometry=Geometry((1.5, 1.5, 1.5), None, ("", "", "")))
    assert words(unplaced) == ["directions unknown"]


@pytest.mark.parametrize("name", [*WHOLE, QUICK])
def test_a_skull_is_missed_and_minded_as_the_model_knows_heads(shared: Path, name: str) -> None:
    case = volume(shared, name)
    is_whole = name in WHOLE
    assert words(case, skull="stripped") == (["skull on"] if is_whole else [])
    assert words(case, skull="on") == ([] if is_whole else ["skull off"])
    assert words(case) == []


def test_a_model_scaled_within_the_head_is_taken_to_know_stripped_ones(shared: Path) -> None:
    case = volume(shared, "whole head T2")
    scaled = replace(card(["T2"]), input=replace(card(["T2"]).input, intensity="head-zscore"))
    assert [one.word for one in xc.quality(case, Model(scaled, nn.Identity(), "cpu", "beef")).findings] == ["skull on"]


def test_thick_slices_are_said_where_the_model_knows_thin_ones(shared: Path) -> None:
    case = volume(shared, QUICK)
    affine = case.geometry.affine.copy()  # type: ignore[union-attr]
    affine[:3, 0] *= 4
    thick = laid(case, np.ascontiguousarray(case.pixels[:, ::4]), geometry=Geometry.of_affine(affine))
    assert "thick slices" in words(thick, spacing_mm=1.5)
    assert "thick slices" not in words(thick, spacing_mm=6.0)


def spoilt(case: Case) -> dict[str, Case]:
    """The volume made into what each word means."""
    head = case.pixels > 0
    cut = np.minimum(case.pixels, np.percentile(case.pixels[head], 85).astype(case.pixels.dtype))
    noise = np.random.default_rng(0).integers(0, 400, case.pixels.shape).astype(np.int16)
    centre = tuple(slice(size // 2 - 12, size // 2 + 12) for size in case.space)
    small = np.zeros_like(case.pixels)
    small[:, *centre] = case.pixels[:, *centre]
    return {
        "clipped": laid(case, cut),
        "few grey levels": laid(case, (case.pixels // (case.pixels.max() // 14)).astype(np.int16)),
        "mask": laid(case, head.astype(np.uint8)),
        "noise": laid(case, noise),
        "size": laid(case, small),
        "no air": laid(case, case.pixels[:, *(slice(size // 2 - 30, size // 2 + 30) for size in case.space)]),
        "no MR": with_facts(case, modality="CT"),
        "not a head": with_facts(case, body_part="KNEE"),
    }


@pytest.mark.parametrize(
    "word", ["clipped", "few grey levels", "mask", "noise", "size", "no air", "no MR", "not a head"]
)
def test_a_volume_spoilt_on_purpose_is_named(shared: Path, word: str) -> None:
    assert word in words(spoilt(volume(shared, QUICK, ["T1"]))[word])


def test_values_of_ct_are_known_without_a_word_of_the_file(shared: Path) -> None:
    case = volume(shared, QUICK, ["T1"])
    assert words(laid(case, (case.pixels - 1000).astype(np.int16))) == ["no MR"]


def test_only_channels_that_the_model_reads_are_judged(shared: Path) -> None:
    case = exchanged(volume(shared, QUICK), "FLAIR", "T2")
    model = Model(card(["T1", "T1post"]), nn.Identity(), "cpu", "beef")
    assert not xc.quality(case, model).findings


def test_the_engine_answers_for_volumes_once(shared: Path) -> None:
    case = exchanged(volume(shared, QUICK), "T1", "T2")
    model = Model(card(case.channels), nn.Identity(), "cpu", "beef")
    engine = Engine(load=lambda name, device: model)
    found = engine.quality("net", case)
    assert found.level == "bad"
    assert engine.quality("net", case) is found
    engine.close()
