"""LIME against captum's and scikit-learn's, and against linear networks, where its answer is known (semantics, section 8)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import xai_core as xc
from tests.networks import UNet, randomised, small, smooth
from tests.oracles.test_oracles import deviation
from xai_core.explainers.lime import cosine_kernel, drawn
from xai_core.explainers.superpixels import superpixels

warnings.filterwarnings("ignore", module="captum")


def linear(*shape: int) -> tuple[nn.Module, Tensor]:
    """A linear network of an image (1, *shape) with three labels, and an image; float64."""
    module = nn.Sequential(nn.Flatten(), nn.Linear(torch.Size(shape).numel(), 3)).double()
    return randomised(module, 4), smooth(1, *shape, seed=9, dtype=torch.float64)


def per_segment(amounts: Tensor, labels: Tensor) -> Tensor:
    """Every position with the sum of ``amounts`` (C, *space) over its segment and all channels, shaped like ``amounts``."""
    sums = torch.zeros(int(labels.max()) + 1, dtype=amounts.dtype)
    sums.index_add_(0, labels.flatten(), amounts.sum(0).flatten())
    return sums[labels].expand_as(amounts)


@pytest.mark.parametrize("shape", [(3, 12, 10), (1, 12, 10), (2, 5, 6, 7), (2, 30)])
def test_a_linear_network_is_told_exactly(shape: tuple[int, ...]) -> None:
    module, x = linear(*shape)
    labels = superpixels(x[0], 8)
    assert 1 < int(labels.max()) + 1 <= 40
    weight = module[1].weight[2].reshape(shape).detach()
    expected = per_segment(weight * (x[0] - x[0].min()), labels)
    found = xc.attribute(module, x, explainer="lime", target=2, segments=8, samples=300, ridge=0.0, fill="black")
    assert deviation(found.relevance, expected[None]) < 1e-9
    assert found.facts["r_squared"] == pytest.approx(1.0, abs=1e-12)


def test_captum_on_a_linear_network() -> None:
    from captum._utils.models.linear_model import SkLearnLinearRegression
    from captum.attr import Lime

    module, x = linear(3, 12, 10)
    labels = superpixels(x[0], 8)
    torch.manual_seed(0)
    theirs = Lime(module, interpretable_model=SkLearnLinearRegression()).attribute(
        x,
        baselines=float(x.min()),
        target=1,
        feature_mask=labels.expand_as(x),
        n_samples=200,
        perturbations_per_eval=20,
    )
    found = xc.attribute(module, x, explainer="lime", target=1, segments=8, samples=200, ridge=0.0, fill="black")
    assert deviation(found.relevance, theirs) < 1e-5  # its scores are in single precision


def test_captum_with_the_same_draws() -> None:
    """captum's own regression of a network that is not linear, fed with our coalitions."""
    from captum._utils.models.linear_model import SkLearnRidge
    from captum.attr import LimeBase

    module, x = small("plain2d")
    one = x[:1]
    labels = superpixels(one[0], 8)
    coalitions = drawn(int(labels.max()) + 1, 150, 7)
    queue = iter(coalitions)
    grey = one.mean((2, 3), keepdim=True).expand_as(one)

    def draws(_x: Tensor, **_: Any) -> Iterator[Tensor]:
        yield from (row[None] for row in queue)

    theirs = LimeBase(
        module,
        SkLearnRidge(alpha=1.0),
        lambda _x, _p, row, **_: float(cosine_kernel(row, 0.25)),
        draws,
        True,
        lambda row, x, **_: torch.where(row[0][labels] > 0, x, grey),
        None,
    ).attribute(one, target=3, n_samples=150)
    found = xc.attribute(module, one, explainer="lime", target=3, segments=8, samples=150, seed=7).relevance
    assert deviation(found, theirs[0][labels].expand_as(one[0])[None]) < 1e-5


def test_scikit_learn_measures_the_same_fit() -> None:
    from sklearn.linear_model import Ridge
    from sklearn.metrics.pairwise import pairwise_distances

    module, x = small("plain2d")
    one = x[1:]
    labels = superpixels(one[0], 8)
    coalitions = drawn(int(labels.max()) + 1, 80, 0)
    grey = one.mean((2, 3), keepdim=True)
    with torch.no_grad():
        scores = module(torch.where(coalitions[:, None][..., labels] > 0, one, grey))[:, 0]
    distances = pairwise_distances(coalitions, coalitions[:1], metric="cosine")[:, 0]
    weights = torch.from_numpy(distances).square().div(-(0.4**2)).exp().sqrt()  # as the authors write it
    fit = Ridge(alpha=2.0).fit(coalitions, scores, weights)
    found = xc.attribute(module, one, explainer="lime", target=0, segments=8, samples=80, width=0.4, ridge=2.0)
    expected = torch.from_numpy(fit.coef_)[labels].expand_as(one[0])[None]
    assert deviation(found.relevance, expected) < 1e-9
    assert found.facts["r_squared"] == pytest.approx(fit.score(coalitions, scores, weights), abs=1e-9)


def test_probability_and_inpaint_on_a_segmentation() -> None:
    module, x = randomised(UNet(2), 3), smooth(1, 1, 16, 16)
    plain = xc.attribute(module, x, explainer="lime", target=1, segments=9, samples=40)
    other = xc.attribute(
        module, x, explainer="lime", target=1, segments=9, samples=40, score="probability", fill="inpaint"
    )
    assert plain.relevance.shape == other.relevance.shape == x.shape
    assert not torch.allclose(plain.relevance, other.relevance)


def test_another_seed_is_another_draw() -> None:
    module, x = small("plain2d")
    maps = [xc.attribute(module, x, explainer="lime", target=1, samples=50, seed=seed).relevance for seed in (0, 1)]
    assert not torch.allclose(*maps)


def test_superpixels_follow_edges() -> None:
    """Two halves of different brightness: no superpixel lies in both."""
    image = torch.zeros(1, 32, 32)
    image[:, :, 13:] = 1.0
    labels = superpixels(image, 10, compactness=0.01)
    assert not set(labels[:, :13].flatten().tolist()) & set(labels[:, 13:].flatten().tolist())


@pytest.mark.parametrize("shape", [(1, 64, 64), (3, 64, 64), (2, 20, 24, 20), (1, 200)])
@pytest.mark.parametrize("is_noise", [True, False])
def test_superpixels_are_about_as_many_as_asked(shape: tuple[int, ...], is_noise: bool) -> None:
    image = torch.rand(shape, generator=torch.Generator().manual_seed(0)) if is_noise else torch.ones(shape)
    labels = superpixels(image, 30)
    assert labels.shape == shape[1:]
    assert labels.unique().tolist() == list(range(int(labels.max()) + 1))
    assert 18 <= int(labels.max()) + 1 <= 60


def test_inpainting_is_for_films() -> None:
    module, x = small("plain3d")
    with pytest.raises(xc.LightboxError, match="films"):
        xc.attribute(module, x, explainer="lime", target=1, fill="inpaint")
