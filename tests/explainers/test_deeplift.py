"""DeepLIFT against the paper neuron by neuron, on its own toy networks; what is asked, refused and kept."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import xai_core as xc
from tests.networks import Plain, UNet, randomised, small, smooth
from tests.oracles.deeplift import contributions, dense_of
from tests.oracles.test_oracles import deviation
from xai_core.explainers.deeplift import deeplift
from xai_core.explainers.request import Request
from xai_core.rules.linearity import FOR_DIFFERENCES, is_linear
from xai_core.rules.multipliers_softmax import softmax_multipliers

VARIANTS = ("rescale", "reveal-cancel")
both = pytest.mark.parametrize("variant", VARIANTS)


def lift(module: nn.Module, x: Tensor, target: object = 1, **parameters: object) -> xc.Attribution:
    return xc.attribute(module, x, explainer="deeplift", target=target, **parameters)


def lowest(x: Tensor) -> Tensor:
    """The black baseline of inputs without known bounds."""
    return x.flatten(1).amin(1).reshape((-1,) + (1,) * (x.ndim - 1)).expand_as(x).contiguous()


def missing(module: nn.Module, x: Tensor, target: int = 1, **parameters: object) -> float:
    """|sum of the map - (f(x) - f(baseline))| of the worst sample, in units of the map's magnitude; f asked directly."""
    found = lift(module, x, target, **parameters).relevance
    x0 = lowest(x)
    with torch.no_grad():
        expected = module(x)[:, target] - module(x0)[:, target]
    size = torch.maximum(found.abs().flatten(1).sum(1), expected.abs())
    return float(((found.flatten(1).sum(1) - expected).abs() / size).max())


class Odd(nn.Module):
    """One operation in the middle of a network."""

    def __init__(self, middle: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.enter, self.middle, self.head = nn.Conv2d(3, 6, 3), middle, nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.middle(self.enter(x)).flatten(2).mean(2))


# --- the paper ---------------------------------------------------------------------------------------------


class Lambda(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def toy(function: Callable[[Tensor], Tensor], *inputs: float, variant: str = "rescale") -> list[float]:
    """Contributions of the inputs against a baseline of zero, which black gives by the bounds."""
    x = torch.tensor([inputs], dtype=torch.float64)
    request = {"explainer": "deeplift", "target": 0, "variant": variant, "bounds": (0.0, 20.0)}
    return xc.attribute(Lambda(function).eval(), x, **request).relevance[0].tolist()


@both
def test_figure_1_a_saturated_unit_is_shared_where_gradients_vanish(variant: str) -> None:
    assert toy(lambda x: 1 - F.relu(1 - x.sum(1, keepdim=True)), 1.0, 1.0, variant=variant) == pytest.approx([0.5, 0.5])


@both
def test_figure_2_no_jump_at_the_threshold(variant: str) -> None:
    for value, expected in ((10.0, 0.0), (10.01, 0.01), (12.0, 2.0)):
        assert toy(lambda x: F.relu(x - 10), value, variant=variant) == pytest.approx([expected], abs=1e-12)


@pytest.mark.parametrize(("first", "second"), [(5.0, 3.0), (3.0, 5.0)])
def test_minimum_reveal_cancel_shares_it_where_rescale_names_the_smaller_alone(first: float, second: float) -> None:
    """o = min(i1, i2) = i1 - relu(i1 - i2): section 3.5.3."""
    weights = torch.tensor([[1.0, -1.0]], dtype=torch.float64)

    def minimum(x: Tensor) -> Tensor:
        return x[:, :1] - F.relu(F.linear(x, weights))

    least = min(first, second)
    assert toy(minimum, first, second, variant="reveal-cancel") == pytest.approx([least / 2, least / 2])
    expected = [0.0, second] if first > second else [first, 0.0]
    assert toy(minimum, first, second) == pytest.approx(expected)


@pytest.mark.parametrize("scale", [1.0, -0.4])
def test_parts_that_cancel_are_passed_on_by_a_unit_that_nothing_else_moves(scale: float) -> None:
    """h = relu(1 + 2 i1 - 2 i2), o = relu(2 + scale h), at i = (1, 1): h goes from 1 to 1, by +1.5 and -1.5 (section 3.5.3).

    Its difference is nought, so half of ``scale`` goes by o's positive part and half by its negative (3.5.1); neither moves
    o, whose slope is 1 in this place (3.5.2). What the two causes added must not be lost.
    """
    weights, one = torch.tensor([[2.0, -2.0]], dtype=torch.float64), torch.ones(1, dtype=torch.float64)

    def cancelled(x: Tensor) -> Tensor:
        return F.relu(F.linear(F.relu(F.linear(x, weights, one)), scale * one[None], 2 * one))

    assert toy(cancelled, 1.0, 1.0, variant="reveal-cancel") == pytest.approx([1.5 * scale, -1.5 * scale])


def test_a_unit_at_its_kink_is_asked_on_the_side_of_the_part() -> None:
    """o = relu(h) at h = 0 as in the baseline: a rise of h would show, a fall would not."""
    weights, one = torch.tensor([[2.0, -2.0]], dtype=torch.float64), torch.ones(1, dtype=torch.float64)

    def kinked(x: Tensor) -> Tensor:
        return F.relu(F.linear(F.relu(F.linear(x, weights, one)), one[None], -one))

    assert toy(kinked, 1.0, 1.0, variant="reveal-cancel") == pytest.approx([0.75, -0.75])


def mlp(activation: nn.Module) -> nn.Sequential:
    layers = [nn.Linear(6, 9), activation, nn.Linear(9, 8), activation, nn.Linear(8, 3)]
    return randomised(nn.Sequential(*layers), 4).double()


def convolutional() -> nn.Sequential:
    return randomised(
        nn.Sequential(
            nn.Conv2d(2, 3, 3, padding=1, stride=2, bias=False),
            nn.BatchNorm2d(3),
            nn.ReLU(),
            nn.AvgPool2d(2, stride=1),
            nn.ReLU(),
            nn.Conv2d(3, 4, 2),
            nn.ReLU(inplace=True),
            nn.Flatten(),
            nn.Linear(4, 3),
        ),
        5,
    ).double()


@both
@pytest.mark.parametrize("activation", [nn.ReLU(), nn.Tanh(), nn.SiLU(), nn.Softplus(), nn.Hardswish()], ids=str)
def test_fully_connected_networks_neuron_by_neuron(variant: str, activation: nn.Module) -> None:
    module = mlp(activation)
    x = smooth(1, 1, 6, seed=8, dtype=torch.float64).reshape(1, 6)
    layers = [
        layer if not isinstance(layer, nn.Linear) else dense_of(layer, (layer.in_features,))[:2] for layer in module
    ]
    with torch.no_grad():
        expected = contributions(layers, x[0], lowest(x)[0], 2, variant)
    assert deviation(lift(module, x, 2, variant=variant).relevance, expected[None]) < 1e-9


@both
def test_convolutions_with_batch_norm_neuron_by_neuron(variant: str) -> None:
    """A batch norm belongs to the convolution below it, negative scales too."""
    module = convolutional()
    module[1].weight.data[0] *= -1
    x = smooth(1, 2, 5, 6, seed=8, dtype=torch.float64)
    units = (module[:2], module[2], module[3], module[4], module[5], module[6], module[7:])
    shape, layers = tuple(x.shape[1:]), []
    for unit in units:
        if isinstance(unit, nn.ReLU):
            layers.append(torch.relu)
            continue
        weight, bias, shape = dense_of(unit, shape)
        layers.append((weight, bias))
    expected = contributions(layers, x.flatten(), lowest(x).flatten(), 2, variant)
    assert deviation(lift(module, x, 2, variant=variant).relevance, expected.reshape(x.shape)) < 1e-9


@both
def test_a_linear_network_is_weights_times_difference(variant: str) -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(36, 3)).double().eval()
    x = smooth(2, 3, 8, 8, seed=2, dtype=torch.float64)
    weight, _, _ = dense_of(module, (3, 8, 8))
    expected = weight[1].reshape(1, 3, 8, 8) * (x - lowest(x))
    assert deviation(lift(module, x, variant=variant).relevance, expected) < 1e-10


# --- asking ------------------------------------------------------------------------------------------------


@both
def test_segmentation_explains_the_region_chosen_on_the_image(variant: str) -> None:
    module, x = randomised(UNet(3), 3).double(), smooth(1, 1, 8, 8, 8, seed=4, dtype=torch.float64)
    x0 = lowest(x)
    with torch.no_grad():
        logits, logits0 = module(x), module(x0)
    region = logits.argmax(1) == 1
    assert not torch.equal(region, logits0.argmax(1) == 1)
    expected = float(((logits - logits0)[:, 1] * region).sum())
    found = lift(module, x, variant=variant)
    assert float(found.relevance.sum()) == pytest.approx(expected, rel=1e-9)
    assert found.account["seed"] == pytest.approx(expected, rel=1e-9)


def test_the_label_is_chosen_on_the_image() -> None:
    module, x = small("plain2d")
    assert lift(module, x, None).target == tuple(module(x).argmax(1).tolist())


def test_a_shared_recording_gives_the_same_map() -> None:
    module, x = small("residual2d")
    recording = xc.record(module, x)
    for variant in VARIANTS:
        shared = xc.attribute(recording, explainer="deeplift", target=1, variant=variant).relevance
        assert deviation(shared, lift(module, x, variant=variant).relevance) < 1e-12


def test_probabilities_are_cut_off() -> None:
    module, x = small("plain2d")
    closed = nn.Sequential(module, nn.Softmax(1)).eval()
    assert deviation(lift(closed, x).relevance, lift(module, x).relevance) < 1e-12


def test_a_way_that_depends_on_the_samples_is_refused() -> None:
    module = Odd(lambda x: torch.relu(x) if float(x.mean()) > 0 else x.tanh()).double().eval()
    x = smooth(1, 3, 8, 7, seed=5, dtype=torch.float64)
    for part in module.parameters():
        part.data.fill_(0.1)
    with pytest.raises(xc.LightboxError, match="another way"):
        lift(module, x)


def test_a_choice_that_differs_for_the_baseline_is_refused_and_named() -> None:
    def choose(x: Tensor) -> Tensor:
        return torch.where(x.mean((2, 3), keepdim=True) > 0, x, x.flip(1).tanh())

    module, x = randomised(Odd(choose), 7).double(), smooth(1, 3, 8, 7, seed=5, dtype=torch.float64)
    with pytest.raises(xc.LightboxError, match="where"):
        lift(module, x)


def test_it_stops_when_asked_and_tells_how_far_it_is() -> None:
    module, x = small("plain2d")
    shares: list[float] = []
    deeplift(Request(module, x, 1, progress=shares.append), {"variant": "rescale", "baseline": "black", "seed": 0})
    assert shares == sorted(shares)
    assert shares[-1] > 0.9
    event = threading.Event()
    event.set()
    with pytest.raises(xc.LightboxError, match="cancel"):
        xc.attribute(module, x, explainer="deeplift", cancel=event)


# --- rules on their own ------------------------------------------------------------------------------------


def test_softmax_multipliers_are_complete_row_by_row_and_sum_to_zero() -> None:
    a, b = (smooth(1, 5, 7, seed=seed, dtype=torch.float64)[0] * 30 for seed in (1, 2))
    m = smooth(1, 5, 7, seed=3, dtype=torch.float64)[0]
    found = softmax_multipliers(a, b, m, -1)
    expected = (m * (a.softmax(-1) - b.softmax(-1))).sum(-1)
    torch.testing.assert_close((found * (a - b)).sum(-1), expected, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(found.sum(-1), torch.zeros(5, dtype=torch.float64), rtol=0, atol=1e-10)


def test_a_close_pair_does_not_magnify_rounding() -> None:
    """Two inputs 1e-6 apart in single precision: the quotient alone would be a tenth off."""
    module = nn.Sequential(nn.Linear(2, 1), nn.Sigmoid(), nn.Linear(1, 1)).eval()
    with torch.no_grad():
        module[0].weight.copy_(torch.tensor([[1.0, -1.0]]))
        module[0].bias.fill_(0.3)
        module[2].weight.fill_(1.0)
    x = torch.tensor([[1.0, 1.0 - 2e-6]])
    slope = torch.sigmoid(torch.tensor(0.3)) * torch.sigmoid(torch.tensor(-0.3))
    expected = torch.stack([slope, -slope])[None] * x
    found = xc.attribute(module, x, explainer="deeplift", target=0, bounds=(0.0, 1.0)).relevance
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=0)


def test_what_the_rules_read_is_kept_and_nothing_else() -> None:
    module, x = randomised(Plain(2), 1), smooth(1, 3, 10, 9)
    lean = xc.record(module, x, FOR_DIFFERENCES)
    full = xc.record(module, x)
    for a, b in zip(lean.steps, full.steps, strict=True):
        torch.testing.assert_close(lean.tensor(a.outputs[0]), full.tensor(b.outputs[0]))
        if not is_linear(a):
            assert all(value.tensor is not None for value in a.inputs)
    held = {value.index for step in lean.steps for value in step.outputs if value.tensor is not None}
    read = {value.index for step in lean.steps if not is_linear(step) for value in step.inputs}
    assert held <= read | {lean.result.index} | {v.index for s in lean.steps for v in s.outputs if v.is_constant}
