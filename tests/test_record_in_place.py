"""Recordings of networks that write in place, share views and reuse memory: new versions, never old values."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import xai_core as xc
from tests.networks import smooth
from tests.oracles.gradients import gradient
from tests.oracles.test_oracles import deviation


class Body(nn.Module):
    """Two convolutions around ``between``, then a head."""

    def __init__(self, between: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.one, self.two = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(2, 4, 3, padding=1)
        self.head = nn.Linear(4, 3)
        self.between = between

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.between(self.one(x), self.two(x)).mean((2, 3)))


def relu_after_a_sum(a: Tensor, b: Tensor) -> Tensor:
    """The sum sees a before its ReLU; the second sum sees it after."""
    total = a + b
    a.relu_()
    return torch.relu(total) + a


def relu_after_a_sum_plain(a: Tensor, b: Tensor) -> Tensor:
    return torch.relu(a + b) + torch.relu(a)


def grown(a: Tensor, b: Tensor) -> Tensor:
    a += b
    a += b
    return a.relu_()


def grown_plain(a: Tensor, b: Tensor) -> Tensor:
    return torch.relu((a + b) + b)


def slice_written(a: Tensor, b: Tensor) -> Tensor:
    a = a.clone()
    a[:, :2] = torch.relu(b[:, :2])
    return torch.relu(a)


def slice_written_plain(a: Tensor, b: Tensor) -> Tensor:
    return torch.relu(torch.cat([torch.relu(b[:, :2]), a[:, 2:]], 1))


def view_written(a: Tensor, b: Tensor) -> Tensor:
    """ReLU on a view of half the channels changes the whole."""
    a[:, 2:].relu_()
    return torch.relu(a + b)


def view_written_plain(a: Tensor, b: Tensor) -> Tensor:
    return torch.relu(torch.cat([a[:, :2], torch.relu(a[:, 2:])], 1) + b)


def flat_view_written(a: Tensor, b: Tensor) -> Tensor:
    a.view(a.shape[0], -1).relu_()
    return a + torch.relu(b)


def flat_view_written_plain(a: Tensor, b: Tensor) -> Tensor:
    return torch.relu(a) + torch.relu(b)


def slice_grown(a: Tensor, b: Tensor) -> Tensor:
    """A slice that is added to in place, while an older view of the same memory is read afterwards."""
    whole = torch.relu(a)
    half = whole[:, :2]
    whole[:, :2] += torch.relu(b[:, :2])
    return torch.cat([half, whole[:, 2:]], 1)


def slice_grown_plain(a: Tensor, b: Tensor) -> Tensor:
    whole = torch.relu(a)
    return torch.cat([whole[:, :2] + torch.relu(b[:, :2]), whole[:, 2:]], 1)


def freed(a: Tensor, b: Tensor) -> Tensor:
    """Intermediates die at once, so that their ids are taken again."""
    for _ in range(4):
        a = torch.relu(a + 0.5 * torch.relu(b))
        b = torch.relu(b - 0.1 * a)
    return a


CHAINS = {
    "relu after a sum": (relu_after_a_sum, relu_after_a_sum_plain),
    "grown twice": (grown, grown_plain),
    "slice written": (slice_written, slice_written_plain),
    "view written": (view_written, view_written_plain),
    "flat view written": (flat_view_written, flat_view_written_plain),
    "slice grown": (slice_grown, slice_grown_plain),
}


@pytest.mark.parametrize("explainer", ["lrp-epsilon-plus", "lrp-gamma", "lrp-z", "gradient", "input-x-gradient"])
@pytest.mark.parametrize("chain", CHAINS)
def test_in_place_writes_make_new_versions(chain: str, explainer: str) -> None:
    """The in-place network and the same network written without: equal maps."""
    in_place, plain = CHAINS[chain]
    x = smooth(1, 2, 5, 6, dtype=torch.float64)
    one, other = Body(in_place).double().eval(), Body(plain).double().eval()
    torch.testing.assert_close(one(x), other(x))
    found, expected = (xc.attribute(m, x, explainer=explainer, target=1) for m in (one, other))
    assert deviation(found.relevance, expected.relevance) < 1e-9


def test_reused_memory_is_not_taken_for_the_same_value() -> None:
    module, x = Body(freed).double().eval(), smooth(1, 2, 5, 6, dtype=torch.float64)
    found = xc.attribute(module, x, explainer="gradient", target=1).relevance
    assert deviation(found, gradient(module, x, [1])) < 1e-9
    assert xc.attribute(module, x, explainer="lrp-epsilon-plus", target=1).account["error"] == pytest.approx(
        0, abs=1e-9
    )


def test_the_input_may_be_written_in_place_by_the_network() -> None:
    class Greedy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(12, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(x.relu_().flatten(1))

    module, x = Greedy().double().eval(), smooth(1, 3, 2, 2, dtype=torch.float64)
    image = x.clone()
    found = xc.attribute(module, x, explainer="gradient", target=0).relevance
    assert torch.equal(x, image), "the caller's image was overwritten"
    assert deviation(found, gradient(module, image, [0])) < 1e-9
