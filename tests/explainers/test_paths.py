"""Integrated gradients, SmoothGrad and gradient SHAP against captum and closed forms."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from captum.attr import IntegratedGradients
from torch import Tensor, nn

import xai_core as xc
from tests.networks import SMALL, Gated, UNet, big, randomised, small, smooth
from tests.oracles.gradients import gradient
from tests.oracles.test_oracles import deviation
from xai_core.errors import Cancelled
from xai_core.explainers.baselines import BASELINES, baseline_of
from xai_core.explainers.copies import Copies
from xai_core.explainers.gradient_shap import Draws, stratified
from xai_core.explainers.integrated_gradients import integrate
from xai_core.explainers.request import Request
from xai_core.explainers.smoothgrad import METHODS, noisy
from xai_core.trust import CHECKS, Evidence, badge_of


class Quadratic(nn.Module):
    """f_k(x) = w_k . x + sum x^2 * v_k: integrated gradients are known in closed form."""

    def __init__(self, size: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.w = nn.Parameter(torch.randn(size, 2, generator=generator, dtype=torch.float64))
        self.v = nn.Parameter(torch.randn(size, 2, generator=generator, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(1)
        return flat @ self.w + flat.square() @ self.v


@pytest.mark.parametrize("network", SMALL)
def test_integrated_gradients_agree_with_captum(network: str) -> None:
    module, x = small(network)
    for name in BASELINES:
        baseline = baseline_of(Request(module, x), name, 3)
        expected = IntegratedGradients(module).attribute(
            x, baseline, target=torch.tensor([0, 2]), n_steps=9, method="gausslegendre"
        )
        found = xc.attribute(
            module, x, explainer="integrated-gradients", target=[0, 2], steps=9, baseline=name, seed=3
        ).relevance
        assert deviation(found, expected.detach()) < 1e-6  # captum takes its steps in single precision


def test_integrated_gradients_agree_with_captum_on_resnet18() -> None:
    module, x = big("resnet18"), smooth(1, 3, 64, 64, seed=5)
    expected = IntegratedGradients(module).attribute(x, torch.full_like(x, -3.0), target=4, n_steps=6)
    found = xc.attribute(module, x, explainer="integrated-gradients", target=4, steps=6, bounds=(-3.0, 3.0)).relevance
    assert deviation(found, expected.detach()) < 1e-3


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_a_quadratic_function_has_its_closed_form(steps: int) -> None:
    module, x = Quadratic(24).eval(), smooth(2, 2, 3, 4, dtype=torch.float64)
    baseline = smooth(2, 2, 3, 4, seed=9, dtype=torch.float64)
    found = integrate(Request(module, x, [0, 1]), baseline, steps)
    w, v = (p.detach().t().reshape(2, 2, 3, 4) for p in (module.w, module.v))
    expected = w * (x - baseline) + v * (x.square() - baseline.square())
    assert deviation(found.relevance, expected) < 1e-12
    assert found.facts["completeness_error"] < 1e-12


def test_the_sum_approaches_the_difference_with_steps() -> None:
    module, x = small("residual2d")
    base = torch.zeros_like(x)
    wanted = (module(x) - module(base)).detach()[torch.arange(2), torch.tensor([0, 2])]
    errors = []
    for steps in (4, 256):
        found = integrate(Request(module, x, [0, 2]), base, steps)
        relative = (found.relevance.flatten(1).sum(1) - wanted).abs() / wanted.abs()
        assert found.facts["completeness_error"] == pytest.approx(float(relative.max()), rel=1e-6)
        errors.append(float(relative.max()))
    assert errors[1] < 0.01
    assert errors[1] < errors[0]


def test_segmentation_integrates_the_sum_over_the_region_predicted_at_the_image() -> None:
    module, x = randomised(UNet(2), 3).double(), smooth(1, 1, 8, 8, dtype=torch.float64)
    region = module(x).argmax(1)[0] == 1

    class Summed(nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            return (module(image)[:, 1] * region).flatten(1).sum(1, keepdim=True)

    base = torch.full_like(x, float(x.min()))
    expected = IntegratedGradients(Summed()).attribute(x, base, target=0, n_steps=8).detach()
    found = xc.attribute(module, x, explainer="integrated-gradients", target=1, steps=8).relevance
    assert deviation(found, expected) < 1e-6


def test_probabilities_are_cut_off() -> None:
    module, x = small("plain2d")
    closed = nn.Sequential(module, nn.Sigmoid()).eval()
    for name in ("integrated-gradients", "smoothgrad", "gradient-shap"):
        found = xc.attribute(closed, x, explainer=name, target=1)
        torch.testing.assert_close(found.relevance, xc.attribute(module, x, explainer=name, target=1).relevance)


class Tokens(nn.Module):
    """Space becomes rows beside the samples: copies must not run as one batch."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(2, 4, 3), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        rows = self.conv(x).permute(0, 2, 3, 1).reshape(-1, 4)
        return self.head(torch.relu(rows)).reshape(x.shape[0], -1, 3).mean(1)


class Viewing(nn.Module):
    """Calls view() on its maps, which channels last forbid."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(2, 4, 3), nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.relu(self.conv(x)).view(x.shape[0], 16))


class BatchStatistics(nn.Module):
    """Normalises by the batch it runs in."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4, track_running_stats=False)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.norm(self.conv(x)) + 0.3).mean((2, 3)))


@pytest.mark.parametrize("kind", [Tokens, Viewing, BatchStatistics])
def test_networks_that_copies_cannot_share_a_batch_of(kind: type[nn.Module]) -> None:
    module, x = randomised(kind(), 2).double(), smooth(1, 2, 4, 4, dtype=torch.float64)
    base = torch.full_like(x, float(x.min()))
    nodes, weights = np.polynomial.legendre.leggauss(5)
    slopes = [
        w / 2 * gradient(module, base + (t + 1) / 2 * (x - base), [2]) for t, w in zip(nodes, weights, strict=True)
    ]
    found = xc.attribute(module, x, explainer="integrated-gradients", target=2, steps=5).relevance
    assert deviation(found, (x - base) * torch.stack(slopes).sum(0)) < 1e-9


@pytest.mark.parametrize("network", ["plain1d", "plain2d", "plain3d", "gated"])
def test_smoothgrad_is_what_its_copies_give_one_by_one(network: str) -> None:
    module, x = small(network)
    given = {"samples": 5, "noise": 0.2, "seed": 3}
    copies = [torch.cat([noisy(own[None], range(i, i + 1), 0.2, 3) for own in x]) for i in range(5)]
    for method in METHODS:
        more = {"steps": 3, "baseline": "uniform"} if method == "integrated-gradients" else {}
        if method == "integrated-gradients":
            base = baseline_of(Request(module, x), "uniform", 3)
            singles = [integrate(Request(module, copy, [0, 2]), base, 3).relevance for copy in copies]
        else:
            singles = [xc.attribute(module, copy, explainer=method, target=[0, 2]).relevance for copy in copies]
        maps = torch.stack(singles)
        expected = {"mean": maps.mean(0), "squared": maps.square().mean(0), "vargrad": maps.var(0, correction=0)}
        for variant, wanted in expected.items():
            found = xc.attribute(
                module, x, explainer="smoothgrad", target=[0, 2], method=method, variant=variant, **given, **more
            )
            assert deviation(found.relevance, wanted) < 1e-9, (method, variant)


def test_the_noise_has_the_spread_that_is_asked_for() -> None:
    x = smooth(1, 3, 40, 40, seed=2)
    drawn = noisy(x, range(30), 0.1, 7) - x
    assert float(drawn.std()) == pytest.approx(0.1 * float(x.max() - x.min()), rel=0.02)
    rows = drawn.flatten(1)
    between = torch.corrcoef(rows) - torch.eye(30)
    assert float(between.abs().max()) < 0.1  # copies are independent
    assert torch.equal(noisy(x, range(5, 6), 0.1, 7), (noisy(x, range(3, 9), 0.1, 7))[2:3])


def test_smoothgrad_of_a_linear_function_is_its_gradient() -> None:
    module = randomised(nn.Sequential(nn.Flatten(), nn.Linear(18, 3)), 1).double()
    x = smooth(1, 2, 3, 3, dtype=torch.float64)
    found = xc.attribute(module, x, explainer="smoothgrad", target=1)
    assert deviation(found.relevance, module[1].weight[1].detach().reshape(1, 2, 3, 3)) < 1e-12
    spread = xc.attribute(module, x, explainer="smoothgrad", target=1, variant="vargrad").relevance
    assert float(spread.abs().max()) < 1e-20


def test_smoothgrad_of_guided_backprop_needs_a_relu() -> None:
    module = nn.Sequential(nn.Conv2d(2, 3, 3), nn.SiLU(), nn.Flatten(), nn.Linear(12, 2)).eval()
    with pytest.raises(xc.UnsupportedOperationError, match="guided-backprop"):
        xc.attribute(module, smooth(1, 2, 4, 4), explainer="smoothgrad", method="guided-backprop", target=0)


@pytest.mark.parametrize("baseline", ["mixed", "uniform", "blur"])
def test_gradient_shap_is_the_mean_over_its_draws(baseline: str) -> None:
    module, x = small("plain2d")
    draws = Draws(Request(module, x), baseline, 5)
    alphas = stratified(7, draws.kinds, 5)
    expected = torch.zeros_like(x)
    for sample, target in enumerate((0, 2)):
        own = slice(sample, sample + 1)
        for i in range(7):
            start, end = draws.baseline(i, sample), noisy(x[own], range(i, i + 1), 0.1, 5)
            slope = gradient(module, start + alphas[i] * (end - start), [target])
            expected[own] += (end - start) * slope / 7
    found = xc.attribute(
        module, x, explainer="gradient-shap", target=[0, 2], samples=7, baseline=baseline, noise=0.1, seed=5
    )
    assert deviation(found.relevance, expected) < 1e-9


def test_gradient_shap_of_a_linear_function_adds_up() -> None:
    module = randomised(nn.Sequential(nn.Flatten(), nn.Linear(18, 3)), 1).double()
    x = smooth(1, 2, 3, 3, dtype=torch.float64)
    found = xc.attribute(module, x, explainer="gradient-shap", target=1, samples=10, noise=0.0)
    assert found.facts["completeness_error"] < 1e-9
    many = stratified(4000, 4, 0)
    assert float(many.mean()) == pytest.approx(0.5, abs=0.01)
    assert float(many.var()) == pytest.approx(1 / 12, abs=0.002)


@pytest.mark.parametrize("name", ["integrated-gradients", "smoothgrad", "gradient-shap"])
def test_progress_rises_to_one_and_cancel_stops(name: str) -> None:
    module, x = small("plain2d")
    seen: list[float] = []
    xc.attribute(module, x, explainer=name, target=0, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert len(seen) > 4
    stop = threading.Event()
    with pytest.raises(Cancelled):
        xc.attribute(module, x, explainer=name, target=0, cancel=stop, progress=lambda share: stop.set())


class Narrow(nn.Module):
    """Runs out of memory on more than one image."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most, self.inner = most, Gated()

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[0] > self.most:
            raise RuntimeError("not enough memory: you tried to allocate 4 bytes")
        return self.inner(x)


def test_batches_shrink_where_memory_runs_short_and_a_note_says_so() -> None:
    x = smooth(1, 3, 7, 8, dtype=torch.float64)
    module = randomised(Narrow(1), 2).double()
    found = xc.attribute(module, x, explainer="integrated-gradients", target=0, steps=6)
    expected = xc.attribute(module.inner, x, explainer="integrated-gradients", target=0, steps=6)
    assert deviation(found.relevance, expected.relevance) < 1e-12
    assert "1 copies" in found.notes[0]


def test_a_small_budget_means_single_copies() -> None:
    module, x = small("plain2d")
    assert Copies.of(Request(module, x, memory_bytes=1), 1).at_once == 1
    assert Copies.of(Request(module, x), 1).at_once == 4


@pytest.mark.parametrize(("error", "level"), [(0.01, "good"), (0.2, "caution"), (0.8, "bad")])
def test_the_badge_says_how_well_the_map_adds_up(error: float, level: str) -> None:
    assert CHECKS
    info = xc.explainers()["integrated-gradients"]
    facts = {"map_sum": 2.0 + 2.0 * error, "difference": 2.0, "completeness_error": error}
    badge = badge_of(Evidence(info, np.ones((1, 4, 4), np.float32), np.ones((4, 4), np.float32), None, 1.0, 0.1, facts))
    assert badge.level == level
    assert f"{error:.1%}" in badge.sentences[0]
    assert badge.numbers["completeness_error"] == error


class Standardised(nn.Module):
    """One convolution whose weights are made anew at every pass, and one whose weights are its own."""

    def __init__(self) -> None:
        super().__init__()
        self.own, self.made, self.last = nn.Conv2d(2, 6, 3), nn.Conv2d(6, 5, 3), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.made.weight - self.made.weight.mean((1, 2, 3), keepdim=True)
        return self.last(F.silu(F.conv2d(F.silu(self.own(x)), weight)).mean((2, 3)))


def test_weights_are_laid_out_once_and_the_networks_own_stay_as_they_are() -> None:
    module, x = randomised(Standardised(), 3).double(), smooth(1, 2, 9, 8, dtype=torch.float64)
    before = {name: (p.clone(), p.stride(), p.data_ptr()) for name, p in module.named_parameters()}
    laid_out = Copies.of(Request(module, x), 5).laid_out
    assert [weight.is_contiguous(memory_format=torch.channels_last) for weight in laid_out.values()] == [True]
    assert torch.equal(laid_out[id(module.own.weight)], module.own.weight)
    assert not Copies.of(Request(module, x, memory_bytes=1), 5).laid_out
    found = xc.attribute(module, x, explainer="integrated-gradients", target=1, steps=5).relevance
    zero = baseline_of(Request(module, x), "black", 0)
    expected = IntegratedGradients(module).attribute(x, zero, target=1, n_steps=5)
    assert deviation(found, expected.detach()) < 1e-6  # captum takes its steps in single precision
    for name, p in module.named_parameters():
        content, stride, place = before[name]
        assert torch.equal(p, content)
        assert (p.stride(), p.data_ptr()) == (stride, place)
