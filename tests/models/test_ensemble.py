"""Several models as one: probabilities and maps are the members' means, whatever grids and labels the members have."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import xai_core as xc
from tests.small_models import SIDE, film, model_of
from xai_core.models import Card, InputSpec, Model, load_model
from xai_core.models.ensemble import Ensemble, gathered
from xai_core.second_looks import second_look


def member(seed: int, labels: tuple[str, ...] = ("a", "b", "c"), side: int = SIDE, heat: float = 1.0) -> Model:
    torch.manual_seed(seed)
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(36, len(labels))
    )
    made = model_of(network, len(labels))
    card = replace(
        made.card,
        name=f"member {seed}",
        labels=labels,
        input=InputSpec((side, side)),
        temperatures=dict.fromkeys(labels, heat),
    )
    return replace(made, card=card, weights_digest=f"{seed:064x}")


def ensemble(*members: Model) -> Ensemble:
    card = Card("both", "Both", "ensemble", "CXR", "classification", (), (), False, InputSpec(()))
    return gathered(card, members)


def test_its_probability_is_the_mean_of_the_members_as_the_study_had_it() -> None:
    one, two = member(1, heat=0.5), member(2, ("c", "b"), heat=2.0)
    both = ensemble(one, two)
    told = both.predict(film())
    assert told.labels == ("b", "c")
    first, second = one.predict(film()), two.predict(film())
    np.testing.assert_allclose(told.probabilities, (first.probabilities[[1, 2]] + second.probabilities[[1, 0]]) / 2)
    shares = 1 / (1 + np.exp(-told.logits.astype(np.float64)))
    np.testing.assert_allclose(shares, told.probabilities, rtol=1e-5)


def test_a_map_in_logits_adds_up_to_the_mean_of_the_calibrated_logits() -> None:
    one, two = member(1, heat=0.5), member(2, heat=2.0)
    both = ensemble(one, two)
    found = xc.explain(both, film(), explainer="lrp-epsilon", target="b")
    parts = [xc.explain(single, film(), explainer="lrp-epsilon", target="b") for single in (one, two)]
    np.testing.assert_allclose(found.raw, (parts[0].raw / 0.5 + parts[1].raw / 2.0) / 2, rtol=1e-5, atol=1e-7)
    assert found.model == "both"
    assert found.account is None
    assert "agreement" in found.badge.numbers


def test_members_of_other_grids_meet_on_the_case() -> None:
    one, two = member(1), member(2, side=12)
    found = xc.explain(ensemble(one, two), film(40), explainer="lrp-epsilon-plus", target="a")
    parts = [xc.explain(single, film(40), explainer="lrp-epsilon-plus", target="a").map for single in (one, two)]
    np.testing.assert_allclose(found.map, (parts[0] + parts[1]) / 2, rtol=1e-5, atol=1e-8)
    assert found.shown.shape == (40, 40)
    assert found.grid.to_case(found.shown[None]) == pytest.approx(found.map)


def test_members_that_disagree_are_said_to() -> None:
    class Corner(nn.Module):
        """Looks at one corner alone."""

        def __init__(self, is_first: bool) -> None:
            super().__init__()
            self.half = slice(0, 12) if is_first else slice(12, 24)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x[:, :, self.half, self.half].sum((1, 2, 3))[:, None]

    both = ensemble(*(model_of(Corner(is_first), 1) for is_first in (True, False)))
    found = xc.explain(both, film(), explainer="input-x-gradient")
    assert found.badge.word == "members differ"


def test_a_second_look_leaves_the_mean_as_it_is() -> None:
    both = ensemble(member(1), member(2))
    first = xc.explain(both, film(), explainer="input-x-gradient", target="a")
    again = second_look(both, film(), first)
    assert again.checks == "full"
    np.testing.assert_array_equal(again.map, first.map)


def test_progress_runs_through_all_members_and_brings_the_mean_at_the_end() -> None:
    heard: list[tuple[float, bool]] = []
    xc.explain_all(
        ensemble(member(1), member(2)),
        film(),
        explainers=["input-x-gradient"],
        targets=["a"],
        progress=lambda name, target, share, done: heard.append((share, done is not None)),
    )
    shares = [share for share, _ in heard]
    assert shares == sorted(shares)
    assert [is_done for _, is_done in heard] == [False] * (len(heard) - 1) + [True]
    assert shares[-1] == 1.0


def test_models_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(xc.LightboxError, match="no label in common"):
        ensemble(member(1, ("a",)), member(2, ("b",)))
    with pytest.raises(xc.LightboxError, match="do not go together"):
        load_model("cxr-resnet18+cxr-lungs")


def test_names_joined_by_plus_are_an_ensemble_of_shipped_models() -> None:
    both = load_model("cxr-resnet18+cxr-efficientnet-lite0")
    assert isinstance(both, Ensemble)
    assert both.card.members == ("cxr-resnet18", "cxr-efficientnet-lite0")
    case = xc.read_case(next(iter(xc.sample_cases().values())))
    told = both.predict(case)
    parts = [load_model(name).predict(case).probabilities for name in both.card.members]
    np.testing.assert_allclose(told.probabilities, np.mean(parts, axis=0), rtol=1e-5)
    assert both.lungs(case) is not None


def test_the_packaged_mean_has_its_own_card_and_thresholds() -> None:
    whole = load_model("cxr-ensemble")
    assert isinstance(whole, Ensemble)
    assert whole.card.shipped
    assert [member.card.name for member in whole.members] == list(whole.card.members)
    means = {label: np.mean([one.card.thresholds[label] for one in whole.members]) for label in whole.card.labels}
    assert whole.card.thresholds != pytest.approx(means), "chosen for the mean, not the members' mean"
    case = xc.read_case(next(iter(xc.sample_cases().values())))
    assert whole.predict(case).probabilities == pytest.approx(
        load_model("+".join(whole.card.members)).predict(case).probabilities
    )
