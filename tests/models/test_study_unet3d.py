"""The study's U-Net as an architecture: the published code's weights load under their names and give its output."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.oracles.reference import arrays
from xai_core.errors import ModelError
from xai_core.explain import attribute
from xai_core.models.architectures import build
from xai_core.models.card import Card
from xai_core.models.networks.study_unet3d import StudyUNet3d
from xai_core.preprocess import InputSpec

WIDTHS, FIRST = (4, 6, 8, 16), 3
"""Of the reference's small configuration."""


def published(shared: Path, net: str) -> tuple[StudyUNet3d, dict[str, torch.Tensor]]:
    stored = arrays(shared / "reference/unet3d_filters/unet.safetensors")
    prefix = f"{net}/weight/"
    state = {key.removeprefix(prefix): value for key, value in stored.items() if key.startswith(prefix)}
    module = StudyUNet3d(6, 2, WIDTHS, FIRST)
    missing = module.load_state_dict(state, strict=False)
    assert not missing.unexpected_keys
    assert all(key.endswith("num_batches_tracked") for key in missing.missing_keys)
    return module.double().eval(), stored


@pytest.mark.parametrize("net", ["positive", "signed"])
def test_published_weights_give_the_published_output(shared: Path, net: str) -> None:
    module, stored = published(shared, net)
    with torch.no_grad():
        found = module(stored["input"].double())
    torch.testing.assert_close(found, stored[f"{net}/output"].double(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("net", ["positive", "signed"])
def test_the_study_s_rule_explains_it_as_the_published_code_does(shared: Path, net: str) -> None:
    module, stored = published(shared, net)
    found = attribute(module, stored["input"].double(), explainer="lrp-study-unet", variant="published-code").relevance
    expected = stored[f"{net}/raw/head/relevance"].double()
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6 * float(expected.abs().max()))


@pytest.mark.parametrize("size", [(19, 48, 48), (8, 8, 8), (9, 11, 21)])
def test_any_size_comes_out_as_it_went_in_and_never_below_zero(size: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        found = StudyUNet3d(6, 2, (2, 4, 6, 8), 2).eval()(torch.rand(1, 6, *size))
    assert found.shape == (1, 2, *size)
    assert found.min() == 0
    assert found.max() > 0


def test_a_card_builds_it_and_a_wrong_count_of_levels_is_refused() -> None:
    spec = InputSpec((19, 48, 48), 6, intensity="head-range", axes="HPL")
    names = ("ADC", "MTT", "rCBF", "rCBV", "Tmax", "TTP")

    def card(widths: list[int]) -> Card:
        options = {"widths": widths}
        return Card("s", "s", "study-unet3d", "MR", "segmentation", ("Background", "Lesion"), names, False, spec, "softmax", options)  # fmt: skip

    assert build(card([16, 32, 64, 128])).cblocks1.conv_1_0.out_channels == 8
    with pytest.raises(ModelError, match="4 levels, not 3"):
        build(card([16, 32, 64]))
