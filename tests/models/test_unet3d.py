"""The 3-D U-Net: grids and channels of its levels, seams in the order of its source, relevance that is all accounted for."""

from __future__ import annotations

import pytest
import torch

import xai_core as xc
from tests.networks import randomised, smooth
from xai_core.models.architectures import build
from xai_core.models.card import Card, InputSpec
from xai_core.models.card_text import spelled_size
from xai_core.models.networks.unet3d import UNet3d
from xai_core.models.shelf import card_of


def card(labels: tuple[str, ...] = ("Background", "Lesion"), **options: object) -> Card:
    spec = InputSpec((0, 0, 0), channels=3, spacing_mm=(1.5, 1.5, 1.5), multiple=4, intensity="head-zscore")
    return Card("net", "Net", "unet3d", "MR", "segmentation", labels, ("A", "B", "C"), False, spec, options=options)


@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_every_level_halves_the_grid_and_doubles_the_channels(norm: str) -> None:
    module = build(card(width=4, levels=3, norm=norm)).eval()
    seen: dict[str, tuple[int, ...]] = {}
    for path, part in module.named_modules():
        part.register_forward_hook(lambda _m, _i, out, path=path: seen.__setitem__(path, tuple(out.shape)))
    with torch.inference_mode():
        answer = module(torch.randn(2, 3, 8, 12, 16))
    assert answer.shape == (2, 2, 8, 12, 16)
    assert [seen[f"encoder.{k}"] for k in range(3)] == [(2, 4, 8, 12, 16), (2, 8, 4, 6, 8), (2, 16, 2, 3, 4)]
    assert [seen[f"decoder.{k}"] for k in range(2)] == [(2, 8, 4, 6, 8), (2, 4, 8, 12, 16)]


def test_a_level_s_own_map_stands_first_in_the_seam_and_skips_the_levels_below() -> None:
    module = UNet3d(1, 1, (2, 4)).eval()
    seams: list[torch.Tensor] = []
    owns: list[torch.Tensor] = []
    module.decoder[0].register_forward_pre_hook(lambda _m, given: seams.append(given[0]))
    module.encoder[0].register_forward_hook(lambda _m, _i, out: owns.append(out))
    module(torch.randn(1, 1, 4, 4, 4))
    torch.testing.assert_close(seams[0][:, :2], owns[0])


@pytest.mark.parametrize("explainer", ["lrp-epsilon-plus", "lrp-study-unet", "rap"])
def test_its_relevance_is_accounted_for(explainer: str) -> None:
    module = randomised(UNet3d(2, 2, (4, 8, 16)), 3).double()
    x = smooth(1, 2, 8, 8, 8, dtype=torch.float64)
    found = xc.attribute(module, x, explainer=explainer, target=1)
    assert found.relevance.shape == x.shape
    assert found.account is not None
    assert abs(float(found.account["error"])) <= 1e-9 * max(1.0, abs(float(found.account["seed"])))


@pytest.mark.parametrize("options", [{}, {"width": 4, "levels": 1}, {"width": 4, "norm": "layer"}])
def test_options_that_make_no_network_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(xc.LightboxError, match="cannot be built from its card"):
        build(card(**options))


def test_a_card_may_leave_the_size_of_a_volume_free_where_it_names_a_spacing() -> None:
    table = {"name": "net", "architecture": "unet3d", "modality": "MR", "labels": ["Lesion"], "channels": ["FLAIR"]}
    given = {"size": [0, 0, 0], "intensity": "head-zscore", "crop": "head"}
    spec = card_of({**table, "input": {**given, "spacing_mm": [1.5, 1.5, 1.5]}}).input
    assert spec.size == (0, 0, 0)
    assert spelled_size(spec) == "1 x free x free x free at 1.5 x 1.5 x 1.5 mm"
    for change, word in (
        ({}, "size"),
        ({"spacing_mm": [1.5, 1.5]}, "spacing_mm"),
        ({"spacing_mm": [1.5, 1.5, 0]}, "spacing_mm"),
        ({"spacing_mm": [1.5, 1.5, 1.5], "multiple": 0}, "multiple"),
    ):
        with pytest.raises(xc.LightboxError, match=word):
            card_of({**table, "input": {**given, **change}})
