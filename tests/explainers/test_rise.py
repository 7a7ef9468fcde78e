"""RISE against the enumeration of all its masks, and against a loop written from the paper (semantics, section 8)."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import xai_core as xc
from tests.networks import UNet, randomised, small, smooth
from tests.oracles.test_oracles import deviation
from xai_core.explainers.rise import Masks


def enlarged(grid: Tensor, size: tuple[int, ...]) -> Tensor:
    """A 2-D grid enlarged linearly about pixel centres, written as two small matrices."""

    def matrix(cells: int, length: int) -> Tensor:
        rows = torch.zeros(length, cells, dtype=torch.float64)
        for row in range(length):
            centre = min(max((row + 0.5) * cells / length - 0.5, 0.0), cells - 1.0)
            low = min(int(centre), cells - 1)
            rows[row, low] += 1 - (centre - low)
            if low + 1 < cells:
                rows[row, low + 1] += centre - low
        return rows

    return matrix(grid.shape[0], size[0]) @ grid.double() @ matrix(grid.shape[1], size[1]).T


def all_masks(side: int, cells: int) -> Tensor:
    """Every mask of ``cells`` x ``cells`` equally likely cells over a square image, at every shift."""
    cell = -(-side // cells)
    masks = []
    for bits in itertools.product((0.0, 1.0), repeat=cells * cells):
        whole = enlarged(torch.tensor(bits).reshape(cells, cells), ((cells + 1) * cell,) * 2)
        for top, left in itertools.product(range(cell), repeat=2):
            masks.append(whole[top : top + side, left : left + side])
    return torch.stack(masks)


def test_a_linear_network_in_expectation_over_all_masks_of_a_2_by_2_grid() -> None:
    module = randomised(nn.Sequential(nn.Flatten(), nn.Linear(36, 2)), 4).double()
    x = smooth(1, 1, 6, 6, seed=2, dtype=torch.float64)
    masks = all_masks(6, 2)
    assert masks.shape[0] == 16 * 9
    assert deviation(masks.mean(0)[None], torch.full((1, 6, 6), 0.5)) < 1e-12
    grey = x.mean()
    scores = module((grey + (x[0, 0] - grey) * masks)[:, None])[:, 1].detach()
    expected = (scores[:, None, None] * masks).mean(0) / masks.mean(0)
    found = xc.attribute(module, x, explainer="rise", target=1, grid=2, masks=60000)
    spread = float((expected - scores.mean()).abs().max())
    assert float((found.relevance[0, 0] - expected).abs().max()) < 0.05 * spread
    assert found.facts["mean_mask"] == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("network", ["plain1d", "plain2d", "plain3d"])
@pytest.mark.parametrize("fill", ["grey", "black"])
def test_it_is_the_weighted_mean_over_its_masks(network: str, fill: str) -> None:
    module, x = small(network)
    masks = Masks(tuple(x.shape[2:]), 3, 0.4, 30, 5).of(range(30), x)
    hidden = x[1:].flatten(2).mean(2).reshape(1, -1, *[1] * (x.ndim - 2)) if fill == "grey" else x[1:].min()
    top = torch.zeros_like(x[0, 0])
    for mask in masks:
        top += float(module(x[1:] * mask + hidden * (1 - mask))[0, 2].detach()) * mask[0]
    expected = top / masks.sum((0, 1))
    found = xc.attribute(module, x, explainer="rise", target=2, grid=3, share=0.4, masks=30, seed=5, fill=fill)
    assert deviation(found.relevance[1:], expected.expand_as(x[1:])) < 1e-9


@pytest.mark.parametrize("size", [(11, 9), (28, 35)])
def test_masks_are_cut_from_an_enlarged_grid(size: tuple[int, int]) -> None:
    """As in the published code: cells rounded up, one cell more than the image, cut at a whole shift."""
    found = Masks(size, 3, 0.5, 4, 1)
    masks = found.of(range(1, 4), torch.zeros(1, dtype=torch.float64))
    cell = [-(-length // 3) for length in size]
    for row, mask in enumerate(masks, start=1):
        whole = enlarged(found._grids[row, 0], (4 * cell[0], 4 * cell[1]))
        top, left = found._shifts[row].tolist()
        assert 0 <= top < cell[0]
        assert 0 <= left < cell[1]
        assert deviation(mask, whole[None, top : top + size[0], left : left + size[1]]) < 1e-12


def test_a_constant_score_draws_no_map() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(36, 2)).double().eval()
    nn.init.zeros_(module[1].weight)
    nn.init.constant_(module[1].bias, 3.0)
    x = smooth(1, 1, 6, 6, dtype=torch.float64)
    found = xc.attribute(module, x, explainer="rise", target=1, masks=20)
    assert deviation(found.relevance, torch.full_like(x, 3.0)) < 1e-12


def test_centring_takes_the_mean_score_off() -> None:
    module, x = small("plain2d")
    plain = xc.attribute(module, x[:1], explainer="rise", target=1, masks=40)
    centred = xc.attribute(module, x[:1], explainer="rise", target=1, masks=40, centred=True)
    assert deviation(centred.relevance + plain.facts["mean_score"], plain.relevance) < 1e-12


def test_the_answer_does_not_depend_on_the_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    from xai_core.explainers import rise, scoring

    module, x = small("plain2d")
    usual = xc.attribute(module, x, explainer="rise", target=1, masks=20).relevance
    monkeypatch.setattr(scoring, "chunk_size", lambda *_: 3)
    monkeypatch.setattr(rise, "chunk_size", lambda *_: 7)
    assert deviation(xc.attribute(module, x, explainer="rise", target=1, masks=20).relevance, usual) < 1e-10


def test_it_finds_the_only_pixels_that_speak() -> None:
    class Corner(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            speaks = F.adaptive_avg_pool2d(x[:, :, 20:28, 4:12], 1).flatten(1)
            return torch.cat([-speaks, speaks], 1)

    x = torch.zeros(1, 1, 32, 32)
    x[:, :, 20:28, 4:12] = 1.0
    found = xc.attribute(Corner().eval(), x, explainer="rise", target=1, masks=600, centred=True).relevance[0, 0]
    row, column = divmod(int(found.argmax()), 32)
    assert 20 <= row < 28
    assert 4 <= column < 12


def test_probability_of_a_segmentation() -> None:
    module, x = randomised(UNet(2), 3), smooth(1, 1, 16, 16)
    found = xc.attribute(module, x, explainer="rise", target=1, masks=20, score="probability").relevance
    assert 0.0 <= float(found.min()) <= float(found.max()) <= 256.0


def test_cancelling_stops_between_chunks() -> None:
    import threading

    module, x = small("plain2d")
    event, heard = threading.Event(), []

    def listen(share: float) -> None:
        heard.append(share)
        event.set()

    with pytest.raises(xc.LightboxError, match="cancelled"):
        xc.attribute(module, x, explainer="rise", target=1, masks=100, progress=listen, cancel=event)
    assert len(heard) == 1
