"""Occlusion, window by window, against the plain loop (semantics, section 8)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import xai_core as xc
from tests.networks import small, smooth
from tests.oracles.gradients import occlusion
from tests.oracles.test_oracles import deviation


def starts(window: int, stride: int) -> Callable[[int], list[int]]:
    """Every ``stride``, and the last window flush with the end, so that every pixel is covered."""

    def along(length: int) -> list[int]:
        first = list(range(0, length - window + 1, stride))
        return first if first[-1] == length - window else [*first, length - window]

    return along


def mean_of(x: Tensor) -> Tensor:
    return x.flatten(2).mean(2).reshape(*x.shape[:2], *[1] * (x.ndim - 2)).expand_as(x)


@pytest.mark.parametrize(("window", "stride"), [(4, 2), (3, 3), (5, 2), (1, 1)])
@pytest.mark.parametrize("network", ["plain1d", "plain2d", "plain3d"])
def test_logit(network: str, window: int, stride: int) -> None:
    module, x = small(network)
    if network == "plain3d" and window == 1:
        stride = window = 2
    for n, target in enumerate((1, 3)):
        one = x[n : n + 1]
        expected = occlusion(
            lambda image, t=target: module(image)[0, t], one, window, stride, mean_of(one), starts(window, stride)
        )
        found = xc.attribute(
            module, one, explainer="occlusion", target=target, window=window, stride=stride, fill="grey"
        )
        assert deviation(found.relevance, expected.expand(x.shape[1], *x.shape[2:])[None]) < 1e-9
        assert found.account is None


def test_a_batch_is_its_singles() -> None:
    module, x = small("plain2d")
    both = xc.attribute(module, x, explainer="occlusion", target=[1, 3], window=4, stride=2).relevance
    for n, target in enumerate((1, 3)):
        alone = xc.attribute(module, x[n : n + 1], explainer="occlusion", target=target, window=4, stride=2)
        assert deviation(both[n : n + 1], alone.relevance) < 1e-10


def test_probability() -> None:
    module, x = small("plain2d")
    one = x[:1]
    expected = occlusion(lambda image: torch.sigmoid(module(image)[0, 1]), one, 4, 2, mean_of(one), starts(4, 2))
    found = xc.attribute(module, one, explainer="occlusion", target=1, window=4, stride=2, score="probability")
    assert deviation(found.relevance, expected.expand_as(one[0])[None]) < 1e-9


def test_black_is_the_least_value() -> None:
    module, x = small("plain2d")
    one = x[:1]
    black = torch.full_like(one, float(one.min()))
    expected = occlusion(lambda image: module(image)[0, 1], one, 4, 2, black, starts(4, 2))
    found = xc.attribute(module, one, explainer="occlusion", target=1, window=4, stride=2, fill="black")
    assert deviation(found.relevance, expected.expand_as(one[0])[None]) < 1e-9


@pytest.mark.parametrize("fill", ["grey", "black", "blur", "inpaint"])
def test_every_fill_runs_and_hides(fill: str) -> None:
    module, x = small("plain2d", torch.float32)
    found = xc.attribute(module, x, explainer="occlusion", target=1, window=4, stride=2, fill=fill).relevance
    assert bool(torch.isfinite(found).all())
    assert float(found.abs().max()) > 0.0


def test_a_constant_image_loses_nothing_under_grey() -> None:
    module, x = small("plain2d")
    found = xc.attribute(module, torch.ones_like(x), explainer="occlusion", target=1, fill="grey").relevance
    assert float(found.abs().max()) < 1e-12


def test_the_answer_does_not_depend_on_the_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    from xai_core.explainers import scoring

    module, x = small("plain2d")
    usual = xc.attribute(module, x, explainer="occlusion", target=1, window=3, stride=1).relevance
    monkeypatch.setattr(scoring, "chunk_size", lambda *_: 1)
    single = xc.attribute(module, x, explainer="occlusion", target=1, window=3, stride=1).relevance
    assert deviation(single, usual) < 1e-10


def test_memory_that_runs_out_halves_the_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    module, x = small("plain2d")
    usual = xc.attribute(module, x, explainer="occlusion", target=1, window=3, stride=1).relevance

    class Small(torch.nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            if image.shape[0] > 3:
                raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB")
            return module(image)

    found = xc.attribute(Small().eval(), x, explainer="occlusion", target=1, window=3, stride=1).relevance
    assert deviation(found, usual) < 1e-10


@pytest.mark.parametrize("bad", [{"window": 0}, {"stride": 0}, {"window": 3, "stride": 5}, {"fill": "pink"}])
def test_bad_parameters_are_refused(bad: dict[str, object]) -> None:
    module, x = small("plain2d")
    with pytest.raises(xc.LightboxError):
        xc.attribute(module, x, explainer="occlusion", target=1, **bad)


def test_a_window_greater_than_the_image_hides_all_of_it() -> None:
    module, x = small("plain2d")
    one = smooth(1, 3, 10, 9, dtype=torch.float64)
    found = xc.attribute(module, one, explainer="occlusion", target=1, window=64, stride=8).relevance
    expected = module(one)[0, 1] - module(mean_of(one))[0, 1]
    assert deviation(found, expected.detach().expand_as(one)) < 1e-9
    assert x.shape[1] == 3


@pytest.mark.parametrize(("network", "fill"), [("plain2d", "grey"), ("plain2d", "blur"), ("plain3d", "black")])
def test_by_modality_is_feature_ablation_of_whole_channels(network: str, fill: str) -> None:
    from captum.attr import FeatureAblation
    from scipy.ndimage import gaussian_filter

    module, x = small(network)
    one = x[1:]
    sigma = (0, 0, *(max(0.05 * size, 0.5) for size in one.shape[2:]))
    baseline = {
        "grey": mean_of(one).contiguous(),
        "black": torch.full_like(one, float(one.min())),
        "blur": torch.from_numpy(gaussian_filter(one.numpy(), sigma)),
    }[fill]
    channels = torch.arange(one.shape[1]).reshape(1, -1, *[1] * (one.ndim - 2)).expand_as(one)
    theirs = FeatureAblation(module).attribute(one, baselines=baseline, target=2, feature_mask=channels)
    found = xc.attribute(module, one, explainer="occlusion", target=2, by="modality", fill=fill).relevance
    assert deviation(found, theirs) < 1e-6  # its sums are in single precision
    assert torch.equal(found.flatten(2).amax(2), found.flatten(2).amin(2))
    assert len(set(found.flatten(2)[0, :, 0].tolist())) == one.shape[1]


@pytest.mark.parametrize("fill", ["grey", "inpaint"])
def test_by_modality_needs_several_and_something_to_put_there(fill: str) -> None:
    module, x = small("plain2d")
    if fill == "grey":
        module, x = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.Flatten()).double().eval(), x[:, :1]
    with pytest.raises(xc.LightboxError, match="modality"):
        xc.attribute(module, x, explainer="occlusion", target=1, by="modality", fill=fill)


def test_a_volume_is_hidden_in_blocks_of_a_quarter_side_by_side() -> None:
    module, x = small("plain3d")
    one = torch.nn.functional.interpolate(x[:1], size=(8, 8, 12), mode="nearest")
    found = xc.attribute(module, one, explainer="occlusion", target=1)
    assert found.facts["windows"] == 64
    block = (slice(None), slice(None), slice(2, 4), slice(4, 6), slice(9, 12))
    hidden = one.clone()
    hidden[block] = mean_of(one)[block]
    lost = (module(one) - module(hidden))[0, 1].detach()
    assert deviation(found.relevance[block], lost.expand_as(one[block])) < 1e-9
