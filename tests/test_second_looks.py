"""A second look: maps that repeat and maps that do not, networks whose last layer matters and one whose does not."""

from __future__ import annotations

import copy
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import xai_core as xc
from tests.networks import Plain, Residual, UNet, randomised, small
from tests.small_models import film, model_of
from xai_core import randomised as randomised_module
from xai_core.errors import Cancelled, LightboxError, ModuleStateError
from xai_core.explainers import registry
from xai_core.explainers.registry import explainers
from xai_core.randomised import with_random_last_layer
from xai_core.second_looks import _Bench, is_light, randomisation, second_looks


def looked(module: nn.Module, explainer: str, target: int = 1, **parameters: object) -> xc.Explanation:
    model, case = model_of(module), film()
    first = xc.explain(model, case, explainer=explainer, target=target, **parameters)
    second = xc.second_look(model, case, first)
    assert (first.checks, second.checks) == ("quick", "full")
    assert second.raw is first.raw
    assert second.map is first.map
    return second


def finding(explanation: xc.Explanation, check: str) -> xc.Finding | None:
    return next((found for found in explanation.badge.findings if found.check == check), None)


class OneFeature(nn.Module):
    """A last layer that only scales one number: the map's shape cannot depend on it."""

    def __init__(self) -> None:
        super().__init__()
        self.body = randomised(Plain(2, channels=1))
        self.narrow = nn.Linear(4, 1)
        self.last = nn.Linear(1, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.narrow(self.body(x)))


class Positions(nn.Module):
    """A label for every corner of the image: another last layer, another place."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.last = nn.Conv2d(1, 4, 3, padding=1), nn.Linear(4 * 36, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.relu(nn.functional.avg_pool2d(self.conv(x), 4)).flatten(1))


@pytest.mark.parametrize("explainer", ["gradient", "lrp-epsilon-plus"])
def test_a_map_that_stays_with_a_random_last_layer_is_told(explainer: str) -> None:
    found = looked(randomised(OneFeature()), explainer)
    told = finding(found, "random_last_layer")
    assert told is not None
    assert (told.level, told.word) == ("caution", "blind to the last layer")
    assert "does not depend on what the model learned in its last layer" in told.sentence
    assert found.badge.numbers["random_last_layer_spearman"] > 0.99
    assert found.badge.numbers["random_last_layer_ssim"] > 0.99


@pytest.mark.parametrize("explainer", ["gradient", "lrp-epsilon-plus", "occlusion"])
def test_a_map_that_changes_is_told_too(explainer: str) -> None:
    found = looked(randomised(Positions(), 3), explainer)
    told = finding(found, "random_last_layer")
    assert told is not None
    assert (told.level, told.word) == ("good", "")
    assert found.badge.numbers["random_last_layer_spearman"] < 0.9


def test_the_random_map_is_that_of_a_network_so_made_by_hand() -> None:
    """Same mean and variance, drawn in the order weight, bias or bias, weight: the numbers of one draw, by torch alone."""
    module = randomised(Residual(2, channels=1))
    model, case = model_of(module), film()
    made = with_random_last_layer(xc.record(module, model.prepare(case).tensor), seed=0)
    by_hand = copy.deepcopy(module)
    by_hand.head.load_state_dict(made.head.state_dict())
    x = model.prepare(case).tensor.requires_grad_()
    maps = [torch.autograd.grad(net(x)[0, 2], x)[0][0, 0].abs().numpy().ravel() for net in (module, by_hand)]
    from scipy.stats import spearmanr

    found = looked(module, "gradient", 2).badge.numbers["random_last_layer_spearman"]
    assert found == pytest.approx(float(spearmanr(*maps).statistic), abs=2e-3)


def test_methods_without_a_target_are_not_asked() -> None:
    found = looked(randomised(Residual(2, channels=1)), "fem")
    assert finding(found, "random_last_layer") is None
    assert "random_last_layer_spearman" not in found.badge.numbers


def test_a_segmentation_is_asked_about_the_same_region() -> None:
    model, case = model_of(randomised(UNet(2, labels=2), 2), 2, task="segmentation"), film()
    first = xc.explain(model, case, explainer="lrp-epsilon-plus")
    bench = _Bench(model, case, None)
    info = explainers()[first.explainer]
    asked, random = bench.request(info, first.target), bench.random_request(info, first.target)
    assert 0 < asked.selection().sum() < 24 * 24
    assert torch.equal(random.selection(), asked.selection())
    assert not torch.equal(replace(random, where=None).logits.argmax(1), asked.logits.argmax(1))
    told = finding(xc.second_look(model, case, first), "random_last_layer")
    assert told is not None
    assert "not possible" not in told.sentence


def test_a_map_that_repeats_is_told() -> None:
    told = finding(looked(randomised(Plain(2, channels=1)), "lrp-epsilon-plus"), "repeated")
    assert told is not None
    assert (told.level, told.sentence) == ("good", "Computed twice: the same to the bit.")


def test_a_map_that_does_not_repeat_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    info = explainers()["gradient"]

    def restless(request, parameters):
        found = info.run(request, parameters)
        return replace(found, relevance=found.relevance * (1 + 0.01 * torch.rand_like(found.relevance)))

    monkeypatch.setitem(registry._REGISTRY, "gradient", replace(info, run=restless))
    found = looked(randomised(Plain(2, channels=1)), "gradient")
    told = finding(found, "repeated")
    assert told is not None
    assert (told.level, told.word) == ("caution", "not repeatable")
    assert 0 < found.badge.numbers["repeat_difference"] < 0.02


def test_a_costly_method_is_not_repeated_and_says_so() -> None:
    assert not is_light("occlusion")
    assert is_light("rap")
    told = finding(looked(randomised(Plain(2, channels=1)), "occlusion"), "repeated")
    assert told is not None
    assert "not repeated" in told.sentence


def test_several_looks_are_reported_and_cheapest_first() -> None:
    model, case = model_of(randomised(Plain(2, channels=1))), film()
    names = ["lrp-epsilon-plus", "grad-cam"]
    first = xc.explain_all(model, case, explainers=names, targets=[0, 1])
    heard = []
    looks = second_looks(
        first, model, case, explainers=names, targets=["label 0", "label 1"],
        progress=lambda *said: heard.append(said),
    )  # fmt: skip
    assert set(looks) == set(first)
    assert [name for name, _, _, found in heard if found is not None] == ["grad-cam"] * 2 + ["lrp-epsilon-plus"] * 2
    shares = [share for name, target, share, _ in heard if (name, target) == ("grad-cam", "label 0")]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_it_can_be_cancelled() -> None:
    model, case = model_of(randomised(Plain(2, channels=1))), film()
    first, cancel = xc.explain(model, case, explainer="gradient", target=0), threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        xc.second_look(model, case, first, cancel=cancel)


def test_a_check_that_is_not_possible_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> nn.Module:
        raise ModuleStateError("The network cannot be copied.", "Mend it.")

    monkeypatch.setattr("xai_core.second_looks.with_random_last_layer", refuse)
    told = finding(looked(randomised(Plain(2, channels=1)), "gradient"), "random_last_layer")
    assert told is not None
    assert "The network cannot be copied." in told.sentence


def test_an_empty_map_is_neither_alike_nor_not() -> None:
    full, empty = np.ones((9, 9), np.float32), np.zeros((9, 9), np.float32)
    assert randomisation(empty, full) == (None, {})
    gone, _ = randomisation(full, empty)
    assert gone is not None
    assert "nothing is left" in gone.sentence


def test_a_map_that_is_the_same_everywhere_is_not_said_to_change() -> None:
    flat, full = np.full((8, 8), 0.5, np.float32), np.arange(64, dtype=np.float32).reshape(8, 8)
    for other in (flat, 2 * flat, full):
        found, numbers = randomisation(flat, other)
        assert found is not None
        assert "changes (" not in found.sentence
        assert all(number == number for number in numbers.values())


# --- the random network ------------------------------------------------------------------------------------


def state_of(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


@pytest.mark.parametrize("name", ["plain2d", "plain1d", "residual3d", "dense2d", "gated"])
def test_only_the_last_layer_is_random_and_the_module_is_untouched(name: str) -> None:
    module, x = small(name)
    before, addresses = state_of(module), {n: p.data_ptr() for n, p in module.named_parameters()}
    made = with_random_last_layer(xc.record(module, x))
    last = {"plain1d": "head.4", "plain2d": "head.4"}.get(name, "head")
    for parameter, value in made.named_parameters():
        if parameter.startswith(last + "."):
            own = before[parameter]
            assert not torch.equal(value, own)
            assert value.shape == own.shape
        else:
            assert value.data_ptr() == addresses[parameter]
    for parameter, value in module.state_dict().items():
        assert torch.equal(value, before[parameter])
    assert {n: p.data_ptr() for n, p in module.named_parameters()} == addresses
    assert made is not module


def test_the_draw_has_the_layers_mean_and_variance_and_is_seeded() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(400, 100)).eval()
    with torch.no_grad():
        module[1].weight.mul_(3).add_(0.5)
    rec = xc.record(module, torch.randn(1, 1, 20, 20))
    draws = [with_random_last_layer(rec, seed)[1].weight for seed in (0, 0, 1)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    own = module[1].weight.detach()
    draws = [draw.detach() for draw in draws]
    assert float(draws[0].mean()) == pytest.approx(float(own.mean()), abs=0.01)
    assert float(draws[0].std()) == pytest.approx(float(own.std()), rel=0.02)


def test_the_module_is_untouched_while_the_random_one_runs_and_fails() -> None:
    """Another thread may be using it at that very moment."""
    seen: list[bool] = []

    class Watching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = nn.Linear(9, 2)
            self.fails = False

        def forward(self, x: Tensor) -> Tensor:
            seen.append(all(torch.equal(a, b) for a, b in zip(original.parameters(), weights, strict=True)))
            if self.fails:
                raise RuntimeError("no")
            return self.last(x.flatten(1))

    original = Watching().eval()
    weights = [parameter.clone() for parameter in original.parameters()]
    x = torch.randn(1, 1, 3, 3)
    made = with_random_last_layer(xc.record(original, x))
    made.fails = True
    with pytest.raises(RuntimeError):
        made(x)
    assert original.fails is False
    assert seen == [True, True]
    assert torch.equal(original(x), nn.functional.linear(x.flatten(1), *weights))


def test_a_functional_last_layer_is_found() -> None:
    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.other = nn.Parameter(torch.randn(9, 9))
            self.weight = nn.Parameter(torch.randn(2, 9))

        def forward(self, x: Tensor) -> Tensor:
            return torch.relu(x.flatten(1) @ self.other) @ self.weight.t()

    module = Functional().eval()
    made = with_random_last_layer(xc.record(module, torch.randn(1, 1, 3, 3)))
    assert torch.equal(made.other, module.other)
    assert not torch.equal(made.weight, module.weight)


def test_a_weight_made_of_others_is_found_in_its_module() -> None:
    head = torch.nn.utils.parametrizations.weight_norm(nn.Linear(9, 2))
    module = nn.Sequential(nn.Flatten(), head).eval()
    x = torch.randn(1, 1, 3, 3)
    made = with_random_last_layer(xc.record(module, x))
    assert not torch.allclose(made(x), module(x))


@pytest.mark.parametrize(
    "module",
    [nn.Sequential(nn.ReLU(), nn.Flatten()), nn.Sequential(nn.Flatten(), nn.Linear(9, 2))],
    ids=["no weights", "equal weights"],
)
def test_what_cannot_be_made_random_is_refused(module: nn.Module) -> None:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.fill_(1.0)
    with pytest.raises(LightboxError):
        with_random_last_layer(xc.record(module.eval(), torch.randn(1, 1, 3, 3)))


def test_a_module_that_cannot_be_copied_is_refused() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(9, 2)).eval()
    module.lock = threading.Lock()
    with pytest.raises(ModuleStateError, match="cannot be copied"):
        randomised_module.with_random_last_layer(xc.record(module, torch.randn(1, 1, 3, 3)))
