"""Pass and clamp filters (semantics, section 9)."""

from __future__ import annotations

import pytest
import torch

import xai_core as xc
from tests.networks import small
from tests.oracles.study_unet import filtered
from tests.oracles.test_oracles import deviation

EXPLAINERS = ("lrp-epsilon-plus", "lrp-gamma", "rap")


def books_close(account: dict[str, torch.Tensor]) -> None:
    parts = sum(account[key] for key in ("map", "bias", "stabiliser", "filtered", "stopped"))
    rest = (account["seed"] - parts).abs()
    assert float(rest.max()) < 1e-9 * max(1.0, float(account["seed"].abs().max()))


@pytest.mark.parametrize("place", ["output", "blocks", "all"])
@pytest.mark.parametrize("mode", ["pass", "clamp"])
@pytest.mark.parametrize("explainer", EXPLAINERS)
def test_the_whole_range_changes_nothing_to_the_bit(explainer: str, mode: str, place: str) -> None:
    module, x = small("residual2d")
    plain = xc.attribute(module, x, explainer=explainer, target=1)
    found = xc.attribute(
        module, x, explainer=explainer, target=1, filter_mode=mode, filter_range=(0.0, 1.0), filter_at=place
    )
    assert torch.equal(found.relevance, plain.relevance)
    assert float(found.account["filtered"].abs().max()) == 0.0


@pytest.mark.parametrize("low_high", [(0.0, 0.2), (0.1, 0.6), (0.3, 1.0)])
@pytest.mark.parametrize("mode", ["pass", "clamp"])
@pytest.mark.parametrize("explainer", EXPLAINERS)
def test_on_the_final_map(explainer: str, mode: str, low_high: tuple[float, float]) -> None:
    module, x = small("plain2d")
    plain = xc.attribute(module, x, explainer=explainer, target=1)
    found = xc.attribute(
        module, x, explainer=explainer, target=1, filter_mode=mode, filter_range=low_high, filter_at="output"
    )
    expected = torch.stack([filtered(sample, mode, *low_high) for sample in plain.relevance])
    assert deviation(found.relevance, expected) < 1e-12
    removed = (plain.relevance - expected).flatten(1).sum(1)
    torch.testing.assert_close(found.account["filtered"], removed, rtol=1e-9, atol=1e-10)
    books_close(found.account)


@pytest.mark.parametrize("place", ["blocks", "all"])
@pytest.mark.parametrize("mode", ["pass", "clamp"])
@pytest.mark.parametrize("network", ["plain2d", "residual2d", "dense2d"])
def test_what_is_removed_inside_is_in_the_books(network: str, mode: str, place: str) -> None:
    module, x = small(network)
    for explainer in EXPLAINERS:
        found = xc.attribute(
            module, x, explainer=explainer, target=1, filter_mode=mode, filter_range=(0.0, 0.3), filter_at=place
        )
        books_close(found.account)
        assert float(found.account["filtered"].abs().max()) > 0.0


def test_the_unit_is_put_back() -> None:
    """A filter changes the shape of relevance, not its unit: clamp's greatest value is hi * m, not hi."""
    module, x = small("plain2d")
    plain = xc.attribute(module, x, explainer="lrp-epsilon-plus", target=1).relevance
    clamped = xc.attribute(
        module, x, explainer="lrp-epsilon-plus", target=1, filter_mode="clamp", filter_range=(0.0, 0.5)
    ).relevance
    torch.testing.assert_close(clamped.abs().amax((1, 2, 3)), 0.5 * plain.abs().amax((1, 2, 3)))


@pytest.mark.parametrize("bad", [(0.5, 0.5), (0.6, 0.2), (-0.1, 0.5), (0.0, 1.5), (0.2,), "wide", (float("nan"), 1.0)])
def test_a_range_that_is_not_an_ordered_pair_is_refused(bad: object) -> None:
    module, x = small("plain2d")
    with pytest.raises(xc.LightboxError):
        xc.attribute(module, x, explainer="lrp-epsilon-plus", target=1, filter_mode="pass", filter_range=bad)
