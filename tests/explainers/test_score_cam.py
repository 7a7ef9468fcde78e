"""Score-CAM against pytorch-grad-cam and map by map: flat maps, chunks, cancelling."""

from __future__ import annotations

import copy
import threading

import pytest
import torch
from torch import Tensor, nn

import xai_core as xc
from tests.explainers.test_cams import ours, theirs
from tests.networks import randomised, small, smooth
from tests.oracles import cams
from tests.oracles.gradients import on_image
from tests.oracles.test_oracles import deviation


@pytest.mark.parametrize("target", [0, 3])
def test_score_cam_is_that_of_pytorch_grad_cam_at_full_size(target: int) -> None:
    module, x = small("plain2d")
    layer = "features.0"
    maps = cams.outputs_of(module, layer, x)
    assert maps.shape[2:] == x.shape[2:]
    expected = on_image(theirs("ScoreCAM", module, layer, x, [target] * 2).clamp(min=0), x)
    assert (
        deviation(ours(module, x, "score-cam", target, target_layer=layer), expected) < 1e-5
    )  # its scores are float32


@pytest.mark.parametrize("weights", ["softmax", "increase"])
@pytest.mark.parametrize("network", ["plain1d", "plain2d", "plain3d", "residual2d", "residual3d"])
def test_score_cam_map_by_map(network: str, weights: str) -> None:
    module, x = small(network)
    layer = "features.4" if network.startswith("plain") else "norm3"
    found = ours(module, x, "score-cam", [1, 2], target_layer=layer, weights=weights)
    maps = cams.outputs_of(module, layer, x)
    for n, target in enumerate((1, 2)):
        expected, _ = cams.score_cam(
            lambda image, t=target: module(image)[0, t], maps[n : n + 1], x[n : n + 1], weights == "softmax"
        )
        if float(expected.max()) > 0.0:
            assert deviation(found[n : n + 1], expected) < 1e-9
        else:
            assert float(found[n].max()) == 0.0


class Flat(nn.Module):
    """Of four maps one is dead and one is constant."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 3)
        randomised(self, 5)
        self.conv.weight.data[:2] = 0.0
        self.conv.bias.data[:2] = torch.tensor([-1.0, 2.0])

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.relu(self.conv(x)).mean((2, 3)))


def test_score_cam_leaves_out_flat_maps() -> None:
    module, x = Flat().double().eval(), smooth(1, 3, 8, 8, dtype=torch.float64)
    expected, weights = cams.score_cam(lambda image: module(image)[0, 1], torch.relu(module.conv(x)).detach(), x)
    assert len(weights) == 2
    assert deviation(ours(module, x, "score-cam", 1), expected) < 1e-9


def test_score_cam_where_every_map_is_flat_is_zero() -> None:
    module = Flat().double().eval()
    assert float(ours(module, torch.ones(2, 3, 8, 8, dtype=torch.float64), "score-cam", 1).max()) == 0.0


def test_score_cam_does_not_depend_on_the_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    from xai_core.explainers import score_cam as own

    module, x = small("plain3d")
    usual = ours(module, x, "score-cam", 1)
    monkeypatch.setattr(own, "chunk_size", lambda *_: 3)
    assert deviation(ours(module, x, "score-cam", 1), usual) < 1e-10


def test_score_cam_tells_how_far_it_is_and_stops_when_asked() -> None:
    module, x = small("plain2d")
    told: list[float] = []
    ours(module, x, "score-cam", 1, target_layer="features.3", progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0
    cancel = threading.Event()
    with pytest.raises(xc.LightboxError, match="cancelled"):
        ours(module, x, "score-cam", 1, progress=lambda _: cancel.set(), cancel=cancel)


def test_score_cam_says_where_one_map_takes_all() -> None:
    module, x = Flat().double().eval(), smooth(1, 3, 8, 8, dtype=torch.float64)
    loud = copy.deepcopy(module)
    loud.head.weight.data *= 1e3
    for one, is_said in ((module, False), (loud, True)):
        notes = xc.attribute(one, x, explainer="score-cam", target=1).notes
        assert any("90 %" in note for note in notes) == is_said
    assert not xc.attribute(loud, x, explainer="score-cam", target=1, weights="increase").notes


def test_score_cam_behind_a_closing_sigmoid_scores_logits() -> None:
    module, x = small("plain2d")
    closed = nn.Sequential(module, nn.Sigmoid()).eval()
    assert deviation(ours(closed, x, "score-cam", 1), ours(module, x, "score-cam", 1)) < 1e-10
