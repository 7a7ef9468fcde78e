"""Every check of the badge: once on a map built to trigger it, once on one that must pass."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from xai_core.explainers.registry import explainers
from xai_core.trust import CHECKS, Badge, Evidence, Finding, badge_of

SHAPE = (24, 20)


def noise(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=SHAPE).astype(np.float32)


def evidence(explainer: str = "lrp-epsilon-plus", shown: np.ndarray | None = None, **known: Any) -> Evidence:
    shown = noise() if shown is None else np.asarray(shown, np.float32)
    given = {"account": None, "explained": 2.0, "seconds": 0.1, **known}
    return Evidence(explainers()[explainer], shown[None], shown, **given)


def books(**changed: float) -> dict[str, float]:
    whole = {"seed": 2.0, "map": 2.0, "bias": 0.0, "stabiliser": 0.0, "filtered": 0.0, "stopped": 0.0, "error": 0.0}
    return {**whole, "magnitude": 3.0, "amplification": 1.5, **changed}


def spike(share: float) -> np.ndarray:
    """Noise-free ground and one pixel with ``share`` of the whole."""
    shown = np.full(SHAPE, (1 - share) / (SHAPE[0] * SHAPE[1] - 1))
    shown[3, 4] = share
    return shown


def cam(whole: float) -> np.ndarray:
    """A map whose mean times 8 x 8 cells is ``whole``."""
    ramp = np.linspace(0, 1, SHAPE[0] * SHAPE[1]).reshape(SHAPE)
    return ramp / ramp.mean() * whole / 64


GRID = {"grid": "8 x 8", "target_layer": "layer4"}
NAN = np.where(np.arange(480).reshape(SHAPE) == 7, np.nan, 1.0)
CASES = [
    ("finite", "bad", {"shown": NAN}, {}),
    ("not_empty", "bad", {"shown": np.zeros(SHAPE)}, {}),
    ("no_spike", "caution", {"shown": spike(0.6)}, {"shown": spike(0.4)}),
    ("not_flat", "caution", {"shown": np.full(SHAPE, 3.0)}, {"shown": 3.0 + 0.01 * noise()}),
    (
        "more_than_a_trace",
        "caution",
        {"explainer": "grad-cam", "shown": cam(0.005), "facts": GRID},
        {"explainer": "grad-cam", "shown": cam(0.5), "facts": GRID},
    ),
    ("books_close", "bad", {"account": books(error=0.1)}, {"account": books(error=1e-4)}),
    (
        "stable",
        "caution",
        {"account": books(magnitude=400.0, amplification=200.0)},
        {"account": books(amplification=50.0)},
    ),
    ("little_lost", "caution", {"account": books(map=0.4, bias=1.6)}, {"account": books(map=1.4, bias=0.6)}),
    (
        "adds_up",
        "caution",
        {"facts": {"completeness_error": 0.3, "map_sum": 1.3, "difference": 1.0}},
        {"facts": {"completeness_error": 0.01, "map_sum": 1.01, "difference": 1.0}},
    ),
    ("speaks_for_the_target", "caution", {"explainer": "fem"}, {}),
    ("lies_on_the_lungs", "caution", {"facts": {"mass_inside_lungs": 0.3}}, {"facts": {"mass_inside_lungs": 0.7}}),
    (
        "lies_on_the_head",
        "caution",
        {"facts": {"mass_inside_head": 0.3, "head_share": 0.4}},
        {"facts": {"mass_inside_head": 0.7, "head_share": 0.4}},
    ),
    (
        "not_saturated",
        "caution",
        {"explainer": "occlusion", "unit": "probability", "probability": 1.0 - 1e-9},
        {"explainer": "occlusion", "unit": "probability", "probability": 1.0 - 1e-5},
    ),
    ("answers_to_the_image", "caution", {"gradient_reach": 0.01}, {"gradient_reach": 0.1}),
    ("target_layer", "caution", {"facts": {**GRID, "grid": "3 x 3"}}, {"facts": GRID}),
    ("everything_asked_had_an_effect", "caution", {"idle": ("proportional pooling",)}, {}),
]


def found(check: str, badge: Badge) -> list[Finding]:
    return [finding for finding in badge.findings if finding.check == check]


@pytest.mark.parametrize(("check", "level", "sick", "_well"), CASES, ids=[case[0] for case in CASES])
def test_the_check_speaks_where_it_must(check: str, level: str, sick: dict, _well: dict) -> None:
    badge = badge_of(evidence(**sick))
    (finding,) = found(check, badge)
    assert finding.level == level
    assert finding.word
    assert finding.sentence.endswith(".")
    assert badge.level != "good"


@pytest.mark.parametrize(("check", "_level", "_sick", "well"), CASES, ids=[case[0] for case in CASES])
def test_the_check_is_content_where_it_may(check: str, _level: str, _sick: dict, well: dict) -> None:
    assert all(finding.level == "good" for finding in found(check, badge_of(evidence(**well))))


def test_every_check_is_tried_above() -> None:
    told = {"repeated", "rules_applied", "random_numbers"}  # say something, judge nothing: tried below
    assert {check.__name__ for check in CHECKS} == {case[0] for case in CASES} | told


def test_a_saturated_probability_is_no_fault_of_a_map_of_the_logit() -> None:
    (finding,) = found("not_saturated", badge_of(evidence(probability=0.0, unit="logit")))
    assert finding.level == "good"
    assert "logit" in finding.sentence


def test_a_small_input_is_no_picture_with_a_spike() -> None:
    shown = np.zeros(5, np.float32)
    shown[2] = 1
    assert not found("no_spike", badge_of(evidence(shown=shown)))


@pytest.mark.parametrize(
    ("explainer", "parameters", "card", "words"),
    [
        ("grad-cam", {"target_layer": "layer4"}, "layer4", "you chose"),
        ("grad-cam", {"target_layer": ""}, "layer4", "card names"),
        ("grad-cam", {"target_layer": ""}, "", "automatically"),
        ("cam", {}, "layer4", "prescribes"),
    ],
)
def test_who_chose_the_layer_is_said(explainer: str, parameters: dict, card: str, words: str) -> None:
    (finding,) = found(
        "target_layer", badge_of(evidence(explainer, facts=GRID, parameters=parameters, card_layer=card))
    )
    assert words in finding.sentence
    assert "3 x 2.5 pixels" in finding.sentence


def test_rules_that_gave_way_are_named_with_their_layers() -> None:
    places = ("a", "b", "c", "d", "e")
    (finding,) = found("rules_applied", badge_of(evidence(replaced={"norms passed unchanged": places})))
    assert "norms passed unchanged (a, b, c and 2 more)" in finding.sentence
    assert not found("rules_applied", badge_of(evidence()))


def test_a_seed_of_random_numbers_is_said_and_a_seed_of_relevance_is_none() -> None:
    (finding,) = found("random_numbers", badge_of(evidence(parameters={"seed": 7})))
    assert "seed 7" in finding.sentence
    assert not found("random_numbers", badge_of(evidence(parameters={"seed": "logit"})))


def test_the_worst_finding_gives_the_word_and_comes_first() -> None:
    badge = badge_of(evidence(shown=NAN, account=books(amplification=200.0), notes=("A note.",)))
    assert (badge.level, badge.word) == ("bad", "not finite")
    levels = [finding.level for finding in badge.findings]
    assert levels == sorted(levels, key=["bad", "caution", "good"].index)
    assert badge.sentences[-1] == "A note."


def test_a_map_with_nothing_against_it_is_sound() -> None:
    assert (badge_of(evidence()).level, badge_of(evidence()).word) == ("good", "sound")
    assert Badge().sentences == ("Nothing speaks against this map.",)


def test_a_joined_finding_takes_the_place_of_its_checks_older_one() -> None:
    badge = badge_of(evidence())
    joined = badge.joined([Finding("caution", "not repeatable", "It differs.", "repeated")], {"apart": 0.5})
    assert [finding.sentence for finding in found("repeated", joined)] == ["It differs."]
    assert (joined.level, joined.word) == ("caution", "not repeatable")
    assert joined.numbers["apart"] == 0.5
    assert joined.numbers["seconds"] == 0.1


def test_probability_seconds_memory_and_reach_are_among_the_numbers() -> None:
    numbers = badge_of(evidence(probability=0.25, gradient_reach=30.0, extra_bytes=12_340_000)).numbers
    assert (numbers["probability"], numbers["gradient_reach"], numbers["extra_memory_mb"]) == (0.25, 30.0, 12.3)
    assert numbers["seconds"] == 0.1


def test_a_logit_next_to_zero_is_not_a_rule_that_grew() -> None:
    near = badge_of(evidence(account=books(seed=1e-3, map=1e-3, magnitude=0.18, amplification=180.0)))
    grown = badge_of(evidence("lrp-z", account=books(magnitude=400.0, amplification=200.0)))
    (told,), (other,) = found("stable", near), found("stable", grown)
    assert (told.word, other.word) == ("unstable", "unstable")
    assert "cancels" in told.sentence
    assert "grew" not in told.sentence
    assert "grew without bound" in other.sentence
    assert "cancels" not in other.sentence


def test_a_map_that_carries_nothing_carries_no_less() -> None:
    (told,) = found("little_lost", badge_of(evidence(account=books(map=-1e-4, bias=2.0))))
    assert "carries 0% of" in told.sentence
