"""Adversarial generators: the map of the one model they were made for, and a refusal everywhere else."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import xai_core as xc
from xai_core.explainers.request import Companion, Request
from xai_core.models import Model
from xai_core.models.companions import companion_card, companions
from xai_core.models.generators import GeneratorPair
from xai_core.models.places import SHELF

NAME = "adversarial-generators"
INFO = xc.explainers()[NAME]
CASES = {name: xc.read_case(case) for name, case in xc.sample_cases("film").items()}
FILM = next(name for name in CASES if "nih" in name.lower() or "opacity" in name.lower())


@pytest.fixture(scope="module")
def model() -> Model:
    return xc.load_model("cxr-resnet18", "cpu")


class Lighter(nn.Module):
    """Adds a constant to a corner: a generator whose map is known."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x.clone()
        y[..., :4, :4] += self.by
        return y


class Pair(nn.Module):
    def __init__(self, similar: nn.Module, adversarial: nn.Module) -> None:
        super().__init__()
        self.similar, self.adversarial = similar, adversarial

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.similar(x), self.adversarial(x)


class Corner(nn.Module):
    """Logits: nothing, and what lies in the corner."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        sums = x[..., :4, :4].flatten(1).sum(1)
        return torch.stack([sums * 0, sums], 1)


def asked(pair: nn.Module, x: torch.Tensor, target: int = 1, cut: float = 4.0) -> Request:
    made = Companion(pair, 1, "Pneumonia", cut, tuple(x.shape[2:]))
    return Request(Corner().eval(), x, target, companion=made)


def test_the_map_is_the_distance_of_the_two_films() -> None:
    x = torch.full((2, 1, 8, 8), 0.1, dtype=torch.float64)
    found = INFO.run(asked(Pair(Lighter(0.25), Lighter(0.5)), x), {})
    expected = torch.zeros_like(x)
    expected[..., :4, :4] = 0.25
    torch.testing.assert_close(found.relevance, expected, rtol=0, atol=1e-6)
    assert found.relevance.dtype == torch.float64
    assert found.target == (1, 1)


def test_a_pair_that_agrees_has_an_empty_map_and_says_that_nothing_was_turned() -> None:
    x = torch.full((1, 1, 8, 8), 0.1)
    found = INFO.run(asked(Pair(Lighter(0.05), Lighter(0.05)), x), {})
    assert float(found.relevance.abs().max()) == 0.0
    assert any("does not turn" in note for note in found.notes)


@pytest.mark.parametrize(
    ("similar", "adversarial", "notes"),
    [(0.05, 0.5, []), (0.05, 0.06, ["does not turn"]), (0.5, 0.5, ["does not keep"])],
)
def test_notes_say_what_was_not_kept_and_not_turned(similar: float, adversarial: float, notes: list[str]) -> None:
    x = torch.full((1, 1, 8, 8), 0.1)  # the corner sums to 1.6; the cut is 4
    found = INFO.run(asked(Pair(Lighter(similar), Lighter(adversarial)), x), {})
    assert [any(note in line for line in found.notes) for note in notes] == [True] * len(notes)
    assert len(found.notes) == len(notes)
    assert found.facts["above_threshold"] == pytest.approx(1.6 - 4.0, abs=1e-5)


def test_generators_start_as_the_identity_and_stay_within_the_range_of_films() -> None:
    x = torch.rand(1, 1, 64, 64)
    pair = GeneratorPair().eval()
    assert all(torch.equal(film, x) for film in pair(x))
    nn.init.normal_(pair.adversarial.network.head.weight, 0.0, 5.0)
    with torch.no_grad():
        far = pair(x)[1]
    assert not torch.equal(far, x)
    assert float(far.min()) >= 0.0
    assert float(far.max()) <= 1.0


def test_the_shipped_pair_explains_its_model(model: Model) -> None:
    found = xc.explain(model, CASES[FILM], explainer=NAME, target="Pneumonia")
    again = xc.explain(model, CASES[FILM], explainer=NAME, target="Pneumonia")
    assert found.raw.shape == (1, 224, 224)
    assert found.map.shape == (1, *CASES[FILM].space)
    assert 0.0 < float(found.raw.max()) <= 1.0
    assert float(found.raw.min()) >= 0.0
    assert not found.is_signed
    assert np.array_equal(found.raw, again.raw)


def test_the_shipped_pair_turns_packaged_films_and_keeps_them(model: Model) -> None:
    numbers = [xc.explain(model, case, explainer=NAME, target="Pneumonia").badge.numbers for case in CASES.values()]
    said = np.array([float(n["above_threshold"]) >= 0 for n in numbers])
    kept = np.array([float(n["above_threshold_similar"]) >= 0 for n in numbers])
    turned = np.array([float(n["above_threshold_adversarial"]) >= 0 for n in numbers])
    assert (kept == said).mean() >= 0.8
    assert (turned != said).mean() > 0.4  # of seven; one lies on the threshold, and near it generators fail most


def test_a_second_look_repeats_the_map_and_says_why_a_random_network_cannot_be_asked(model: Model) -> None:
    first = xc.explain(model, CASES[FILM], explainer=NAME, target="Pneumonia")
    told = {found.check: found.sentence for found in xc.second_look(model, CASES[FILM], first).badge.findings}
    assert told["repeated"] == "Computed twice: the same to the bit."
    assert "not possible" in told["random_last_layer"]
    assert "cxr-resnet18" in told["random_last_layer"]


def test_another_label_is_refused_by_naming_the_one(model: Model) -> None:
    with pytest.raises(xc.LightboxError, match="Pneumonia"):
        xc.explain(model, CASES[FILM], explainer=NAME, target="Healthy")


def test_another_model_is_refused_and_so_are_other_weights(model: Model) -> None:
    with pytest.raises(xc.LightboxError, match="cxr-resnet18"):
        xc.explain(xc.load_model("cxr-efficientnet-lite0", "cpu"), CASES[FILM], explainer=NAME, target="Pneumonia")
    with pytest.raises(xc.LightboxError, match="cxr-resnet18"):
        xc.explain(replace(model, weights_digest="0" * 64), CASES[FILM], explainer=NAME, target="Pneumonia")


def test_a_bare_module_is_refused(model: Model) -> None:
    with pytest.raises(xc.LightboxError, match="cxr-resnet18"):
        xc.attribute(model.module, torch.rand(1, 1, 224, 224), explainer=NAME, target=1)


def test_a_film_of_another_size_is_refused() -> None:
    request = asked(Pair(Lighter(0.1), Lighter(0.2)), torch.rand(1, 1, 8, 8))
    request.x = torch.rand(1, 1, 16, 16)
    with pytest.raises(xc.LightboxError, match="8 x 8"):
        INFO.run(request, {})


def test_the_weights_are_those_of_their_table_and_no_model_of_their_own() -> None:
    card, content = companion_card(NAME), (SHELF / f"{NAME}.safetensors").read_bytes()
    assert hashlib.sha256(content).hexdigest() == card.sha256
    assert INFO.revision == card.sha256[: len(INFO.revision)] != ""  # so that kept maps of older weights are not shown
    assert len(content) == card.bytes <= 8_000_000
    assert companions() == (NAME,)
    assert NAME not in {model.name for model in xc.models()}
    assert "What it does not show" in (SHELF / "cards" / f"{NAME}.md").read_text("utf-8")
