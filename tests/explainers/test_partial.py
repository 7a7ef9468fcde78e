"""Partial forward passes against the network's own, window by window: equal but for rounding, wherever the window lies."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import xai_core as xc
from tests.networks import UNet, big, randomised, small, smooth
from tests.oracles.test_oracles import deviation
from xai_core.explainers import scoring
from xai_core.explainers.occlusion import windows_of
from xai_core.explainers.partial import PartialForward

Make = Callable[[range], Tensor]


def copies_of(x: Tensor, places: list[tuple[slice, ...]], seed: int = 1) -> Make:
    """Copies of ``x`` (1, C, *space) with noise in the window of each place."""
    noise = torch.randn(x.shape[1:], generator=torch.Generator().manual_seed(seed)).to(x) * 2

    def make(part: range) -> Tensor:
        batch = x.repeat(len(part), *[1] * (x.ndim - 1))
        for row, index in enumerate(part):
            where = (slice(None), *places[index])
            batch[row][where] = noise[where]
        return batch

    return make


def compare(module: nn.Module, x: Tensor, window: int, stride: int, chunk: int = 7) -> tuple[int, float]:
    """How many of the windows ran (the first chunk whole), and the largest deviation from the network's own pass."""
    space = tuple(x.shape[2:])
    places = windows_of(space, (window,) * len(space), (stride,) * len(space))
    make = copies_of(x, places)
    found = list(scoring.partial_outputs(module, x, places, make, chunk))
    ran = sum(len(part) for part, _ in found)
    with torch.no_grad():
        expected = torch.cat([module(make(range(n, n + 1))) for n in range(ran)])
    assert [n for part, _ in found for n in part] == list(range(ran))
    return (ran if ran == len(places) else 0), deviation(torch.cat([output for _, output in found]), expected)


@pytest.mark.parametrize("network", ["resnet18", "vgg16", "densenet121", "inception_v3"])
def test_the_matrix_at_an_odd_size(network: str) -> None:
    x = smooth(1, 3, *((81, 78) if network == "inception_v3" else (69, 66)), seed=4)
    ran, worst = compare(big(network), x, 9, 25, chunk=6)
    assert ran
    assert worst < 1e-4


@pytest.mark.parametrize(("window", "stride"), [(1, 5), (3, 4), (5, 5), (6, 3)])
@pytest.mark.parametrize("dims", [2, 3])
def test_a_u_net(dims: int, window: int, stride: int) -> None:
    if dims == 3:
        stride = 5
    x = smooth(1, 1, *[24, 20, 16][:dims], seed=4, dtype=torch.float64)
    ran, worst = compare(randomised(UNet(dims), 3).double(), x, window, stride, 4)
    assert ran
    assert worst < 1e-12


@pytest.mark.parametrize(
    "network", ["plain1d", "plain2d", "plain3d", "residual2d", "residual3d", "dense2d", "branches"]
)
def test_small_networks_in_double_precision(network: str) -> None:
    module, _ = small(network)
    channels = 2 if network.endswith("3d") else 3
    stride = 4 if network.endswith("3d") else 3
    shape = {"1": (47,), "2": (31, 26), "3": (13, 12, 15)}[network[-2] if network[-1] == "d" else "2"]
    x = smooth(1, channels, *shape, seed=4, dtype=torch.float64)
    ran, worst = compare(module, x, 3, stride, 5)
    assert ran
    assert worst < 1e-12


LAYERS: dict[str, Callable[[], nn.Module]] = {
    "dilated": lambda: nn.Conv2d(3, 4, 3, dilation=3, padding=2),
    "grouped": lambda: nn.Conv2d(3, 6, (3, 5), groups=3, stride=(2, 1), padding=(1, 0)),
    "even kernel": lambda: nn.Conv2d(3, 4, 4, stride=3, padding=1),
    "kernel smaller than stride": lambda: nn.Conv2d(3, 4, 1, stride=3),
    "padded a lot": lambda: nn.Conv2d(3, 4, 3, padding=7),
    "max pool, ceil": lambda: nn.MaxPool2d(3, 2, 1, ceil_mode=True),
    "max pool, dilated": lambda: nn.MaxPool2d(2, 2, dilation=3),
    "max pool of negative values": lambda: nn.Sequential(nn.Threshold(100.0, -5.0), nn.MaxPool2d(3, 1, 1)),
    "average pool": lambda: nn.AvgPool2d(3, 2, 1),
    "average pool, divisor": lambda: nn.AvgPool2d((2, 3), 2, divisor_override=5),
    "norm": lambda: nn.BatchNorm2d(3),
    "prelu": lambda: nn.PReLU(3),
    "activations": lambda: nn.Sequential(nn.ELU(), nn.SiLU(True), nn.GELU(), nn.Hardswish(True), nn.Softplus()),
    "clamped": lambda: nn.Sequential(nn.ReLU6(True), nn.Tanh(), nn.Hardsigmoid()),
}


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("window", [2, 5])
def test_every_kind_of_layer_between_two_convolutions(layer: str, window: int) -> None:
    middle = LAYERS[layer]()
    module = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), middle, nn.LazyConv2d(4, 3), nn.Flatten(), nn.LazyLinear(3))
    x = smooth(1, 2, 28, 25, seed=4, dtype=torch.float64)
    module.double()(x)
    ran, worst = compare(randomised(module), x, window, 5)
    assert ran
    assert worst < 1e-12


def planned(module: nn.Module, x: Tensor) -> PartialForward | None:
    places = windows_of(tuple(x.shape[2:]), (4, 4), (4, 4))
    request = scoring.Request(module, scoring.laid_out(copies_of(x, places)(range(5))))
    return scoring.plan(request.recording, request.logit_value, x, places)


@pytest.mark.parametrize("network", ["resnet18", "vgg16", "densenet121", "inception_v3"])
def test_early_convolutions_run_on_crops(network: str) -> None:
    plan = planned(big(network), smooth(1, 3, 96, 96, seed=4))
    assert plan is not None
    crops = [local for local in plan._local if local.step.operation == "convolution"]
    assert len(crops) >= 3
    for local in plan._local:
        assert torch.Size(local.boxes.size).numel() <= 0.7 * local.step.outputs[0].shape[2:].numel()


class Deciding(nn.Module):
    """Three ways in which a network may depend on what it sees so that one recording does not stand for another image."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way = way
        self.conv = nn.Conv2d(1, 3, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        if self.way == "comparison":
            y = y * (y > y.mean()).to(y.dtype)
        elif self.way == "number":
            y = y / float(x.std())
        elif self.way == "branch":
            y = F.relu(y) if float(x.flatten(1).var(1).max()) > float(x.flatten(1).var(1).min()) else torch.tanh(y)
        return y.flatten(2).mean(2)


@pytest.mark.parametrize("way", ["comparison", "number", "branch"])
def test_a_network_that_decides_by_the_image_runs_whole(way: str) -> None:
    x = smooth(1, 1, 20, 20, seed=4)
    assert planned(randomised(Deciding(way)), x) is None
    assert planned(randomised(Deciding("")), x) is not None


class Attention(nn.Module):
    """One convolution, then tokens that all see each other."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, 8, 2, stride=2)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        return self.head(self.attention(tokens, tokens, tokens)[0].mean(1))


def test_attention_runs_whole_behind_the_crops() -> None:
    ran, worst = compare(randomised(Attention()).double(), smooth(1, 1, 16, 16, seed=4, dtype=torch.float64), 3, 2)
    assert ran
    assert worst < 1e-12


def test_a_view_that_refuses_the_layout_runs_whole() -> None:
    class Viewing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4 * 14 * 14, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.conv(x).view(x.shape[0], -1))

    module, x = randomised(Viewing()), smooth(1, 3, 16, 16, seed=4)
    grey = x.mean((2, 3), keepdim=True).expand_as(x)
    from tests.oracles.gradients import occlusion

    def starts(length: int) -> list[int]:
        return list(range(0, length - 3, 4))

    expected = occlusion(lambda image: module(image)[0, 1], x, 4, 4, grey, starts)
    found = xc.attribute(module, x, explainer="occlusion", target=1, window=4, stride=4)
    assert deviation(found.relevance, expected.expand_as(x[0])[None]) < 1e-4


@pytest.mark.parametrize("fill", ["grey", "black", "blur", "inpaint"])
@pytest.mark.parametrize("score", ["logit", "probability"])
def test_occlusion_is_the_same_with_and_without(fill: str, score: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = nn.Sequential(small("residual2d")[0], nn.Softmax(1)).eval()
    x = smooth(2, 3, 33, 38, seed=4, dtype=torch.float64)
    settings = {"window": 7, "stride": 4, "fill": fill, "score": score}
    used: list[range] = []
    original = PartialForward.__call__

    def watched(self: PartialForward, copies: Tensor, part: range) -> Tensor:
        used.append(part)
        return original(self, copies, part)

    monkeypatch.setattr(PartialForward, "__call__", watched)
    partial = xc.attribute(module, x, explainer="occlusion", target=[1, 2], **settings).relevance
    windows = 8 * 9
    assert sum(len(part) for part in used) >= 2 * (windows - 16)
    monkeypatch.setattr(scoring, "plan", lambda *_: None)
    whole = xc.attribute(module, x, explainer="occlusion", target=[1, 2], **settings).relevance
    assert deviation(partial, whole) < 1e-9
    assert sum(len(part) for part in used) < 2 * windows


def test_memory_that_runs_out_on_the_way_goes_on_with_whole_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    module, x = small("plain2d")
    usual = xc.attribute(module, x, explainer="occlusion", target=1, window=2, stride=1).relevance
    calls = itertools.count()
    original = PartialForward.__call__

    def short(self: object, copies: Tensor, part: range) -> Tensor:
        if next(calls) == 1:
            raise MemoryError
        return original(self, copies, part)

    monkeypatch.setattr(PartialForward, "__call__", short)
    found = xc.attribute(module, x, explainer="occlusion", target=1, window=2, stride=1).relevance
    assert next(calls) > 2
    assert deviation(found, usual) < 1e-12
