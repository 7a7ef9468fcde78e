"""What ``explain`` gives the checks to look at, on networks built so that each must speak, and on one where none does."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import xai_core as xc
from tests.networks import Dense, Plain, UNet, randomised, small
from tests.small_models import film, model_of
from xai_core.composite_files import composite_of
from xai_core.composites import COMPOSITES


def words(explanation: xc.Explanation) -> dict[str, xc.Finding]:
    return {finding.check: finding for finding in explanation.badge.findings}


def explained(module: nn.Module, explainer: str, target: int = 1, **parameters: object) -> xc.Explanation:
    return xc.explain(model_of(module), film(), explainer=explainer, target=target, **parameters)


class Scaled(nn.Module):
    """A network with its output times ``factor``, plus ``shift``."""

    def __init__(self, factor: float, shift: float = 0.0) -> None:
        super().__init__()
        self.body = randomised(Plain(2, channels=1))
        self.factor, self.shift = factor, shift

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) * self.factor + self.shift


@pytest.mark.parametrize("explainer", ["gradient", "input-x-gradient", "guided-backprop", "smoothgrad"])
def test_a_vanishing_gradient_is_told_and_a_lively_one_not(explainer: str) -> None:
    few = {"samples": 2} if explainer == "smoothgrad" else {}
    dead, lively = explained(Scaled(1e-7, 3.0), explainer, **few), explained(Scaled(1.0, 3.0), explainer, **few)
    assert words(dead)["answers_to_the_image"].word == "vanishing gradient"
    assert "answers_to_the_image" not in words(lively)
    assert lively.badge.numbers["gradient_reach"] == pytest.approx(1e7 * dead.badge.numbers["gradient_reach"], rel=1e-3)


def test_the_reach_of_the_gradient_is_autograds() -> None:
    module = randomised(Plain(2, channels=1))
    model, case = model_of(module), film()
    x = model.prepare(case).tensor.requires_grad_()
    (expected,) = torch.autograd.grad(module(x)[0, 1], x)
    reach = explained(module, "gradient").badge.numbers["gradient_reach"]
    assert reach == pytest.approx(float(expected.abs().sum()), rel=1e-4)


def test_methods_that_add_up_along_a_way_are_not_judged_by_the_gradient_at_its_end() -> None:
    badge = explained(Scaled(1e-7, 3.0), "integrated-gradients", steps=4).badge
    assert "gradient_reach" not in badge.numbers


def test_values_of_superpixels_add_up_to_what_showing_all_adds() -> None:
    """Kernel SHAP's map paints each superpixel with its whole worth, so the map's own sum says nothing."""
    found = words(explained(randomised(Plain(2, channels=1)), "kernel-shap", segments=6))["adds_up"]
    assert (found.word, found.level) == ("adds up", "good")
    assert "superpixels" in found.sentence


def test_grad_cam_of_next_to_nothing_is_called_a_trace() -> None:
    dead = [explained(Scaled(1e-6, 3.0), "grad-cam", target) for target in range(4)]
    lively = [explained(Scaled(30.0), "grad-cam", target) for target in range(4)]
    assert any("more_than_a_trace" in words(one) for one in dead)
    assert not any("more_than_a_trace" in words(one) for one in lively)


@pytest.mark.parametrize(("shift", "saturated"), [(40.0, True), (-40.0, True), (0.0, False)])
def test_a_saturated_probability_is_told(shift: float, saturated: bool) -> None:
    found = explained(Scaled(1.0, shift), "occlusion", window=8, stride=8, score="probability")
    assert ("not_saturated" in words(found)) is saturated
    assert 0 <= found.badge.numbers["probability"] <= 1
    if saturated:
        assert words(found)["not_saturated"].level == "caution"


def test_norms_that_pass_and_averages_are_told_by_their_layers() -> None:
    told = words(explained(randomised(Dense(2, channels=1)), "lrp-epsilon-plus"))["rules_applied"].sentence
    assert "norms passed unchanged (norm4, norm3, norm2 and 1 more)" in told
    assert "averages and resizes by epsilon" in told


def test_a_network_where_every_rule_holds_says_nothing_of_rules() -> None:
    module = randomised(nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 22 * 22, 4)))
    assert "rules_applied" not in words(explained(module, "lrp-epsilon-plus"))


@pytest.mark.parametrize(
    ("parameters", "part"),
    [
        ({"pooling": "proportional"}, "proportional pooling"),
        ({"epsilon": 0.5}, "'fully-connected' (epsilon 0.5"),
        ({}, ""),
    ],
)
def test_parameters_without_effect_are_told(parameters: dict, part: str) -> None:
    module = randomised(nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Conv2d(3, 4, 22), nn.Flatten()))
    found = words(explained(module, "lrp-epsilon-plus", **parameters)).get("everything_asked_had_an_effect")
    assert (found is not None) is bool(part)
    assert found is None or part in found.sentence


@pytest.mark.parametrize("parameters", [{"pooling": "proportional"}, {"epsilon": 0.5}])
def test_parameters_with_an_effect_are_not(parameters: dict) -> None:
    found = words(explained(randomised(Plain(2, channels=1)), "lrp-epsilon-plus", **parameters))
    assert "everything_asked_had_an_effect" not in found


@pytest.mark.parametrize("variant", ["paper"])
def test_rap_tells_it_too(variant: str) -> None:
    module = randomised(nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Conv2d(3, 4, 22), nn.Flatten()))
    found = words(explained(module, "rap", variant=variant, pooling="proportional"))
    assert "no max pool" in found["everything_asked_had_an_effect"].sentence


def test_a_contrast_of_one_label_is_none() -> None:
    module = randomised(UNet(2, labels=1))
    model = model_of(module, labels=1, task="segmentation")
    case = film()
    everything = xc.Region(case.pixels[0] >= 0, "all")
    found = xc.explain(model, case, explainer="lrp-epsilon-plus", target=0, region=everything, seed="contrast")
    assert "one label only" in words(found)["everything_asked_had_an_effect"].sentence


def test_a_row_for_layers_that_are_not_there_is_told(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "own.toml"
    path.write_text('name = "lrp-own-test"\ntitle = "Own"\nrows = [["name:featurse.*", "gamma"], ["any", "plus"]]\n')
    composite = composite_of(path)
    monkeypatch.setitem(COMPOSITES, composite.name, composite)
    found = words(explained(randomised(Plain(2, channels=1)), composite.name))
    monkeypatch.undo()
    xc.explainers()
    assert "'name:featurse.*'" in found["everything_asked_had_an_effect"].sentence


def test_attributions_carry_what_gave_way() -> None:
    module, x = small("dense2d")
    found = xc.attribute(module, x, explainer="lrp-epsilon-plus", target=0)
    assert set(found.replaced["norms passed unchanged"]) == {"norm1", "norm2", "norm3", "norm4"}
    assert "norms passed unchanged" not in xc.attribute(module, x, explainer="lrp-z", target=0).replaced


def test_provenance_names_all_that_decides_a_map() -> None:
    found = explained(randomised(Plain(2, channels=1)), "gradient")
    kept = found.provenance
    assert {
        "case",
        "weights",
        "explainer",
        "parameters",
        "target",
        "versions",
        "device",
        "threads",
        "seconds",
        "machine",
    } <= set(kept)
    assert (kept["case"], kept["weights"], kept["target"]) == (film().digest, "beef", "label 1")
    assert torch.__version__.startswith(kept["versions"]["torch"])
    assert found.badge.numbers["extra_memory_mb"] >= 0
