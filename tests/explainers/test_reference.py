"""Parity with iNNvestigate and the LRP toolbox, array by array; where they disagree with us, and who is right.

Their maps were computed by other people's code, in other frameworks. Semantics section 3 names the choices:

* iNNvestigate puts the whole bias into both halves of alpha-beta; ``bias_split="whole"`` reproduces it.
* The toolbox applies alpha 2 to its sum pooling too, which doubles relevance at every pool: rejected. Its ``alphabeta_2``
  and ``alphabeta_2_first_ww`` on ``relu_cnn`` are therefore not reproduced, ``alphabeta_2_pool_simple`` is.
* The toolbox shares ``flat`` and ``ww`` evenly in its pools; ours stay proportional ("pooling as section 4"), so those two
  are compared on the networks without pooling. ``alphabeta_2_first_ww`` and ``epsilon_0.01_first_flat`` have no name here.
* iNNvestigate's Flat and W-square agree everywhere; its average pooling is proportional under every name, as ours.
* Its Deconvnet, GuidedBackprop, IntegratedGradients and SmoothGrad are compared once the explainers exist.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import xai_core as xc
from tests.oracles import reference
from tests.oracles.test_oracles import deviation
from xai_core.models import Card, InputSpec, Model
from xai_core.models.perceptron import Perceptron
from xai_core.readers.digit import digit_case

ANALYZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "LRPZ": ("lrp-z", {}),
    "LRPZIgnoreBias": ("lrp-epsilon", {"epsilon": 1e-12, "relative": False, "bias": False}),
    "LRPEpsilon": ("lrp-epsilon", {"epsilon": 1e-7, "relative": False}),
    "LRPEpsilonIgnoreBias": ("lrp-epsilon", {"epsilon": 1e-7, "relative": False, "bias": False}),
    "LRPFlat": ("lrp-flat", {}),
    "LRPZ_Flat_input_layer_rule": ("lrp-epsilon-plus-flat", {}),
    "LRPSequentialPresetAFlat": ("lrp-epsilon-plus-flat", {}),
    "LRPSequentialPresetBFlat": ("lrp-epsilon-alpha-2-beta-1-flat", {}),
    "LRPWSquare": ("lrp-w-square", {}),
    "LRPAlpha1Beta0": ("lrp-alpha-1-beta-0", {"bias_split": "whole"}),
    "LRPAlpha1Beta0IgnoreBias": ("lrp-alpha-1-beta-0", {"bias_split": "none"}),
    "LRPAlpha2Beta1": ("lrp-alpha-2-beta-1", {"bias_split": "whole"}),
    "LRPAlpha2Beta1IgnoreBias": ("lrp-alpha-2-beta-1", {"bias_split": "none"}),
    "LRPZPlus": ("lrp-epsilon-plus", {}),
    "LRPZ_boxed_input_layer_rule": ("lrp-epsilon-gamma-box", {"low": -10.0, "high": 10.0}),
    "BoundedDeepTaylor": ("deep-taylor", {"low": -128.0, "high": 128.0}),
}
GRADIENTS = {"Gradient": "gradient", "InputTimesGradient": "input-x-gradient"}


def stored_of(shared: Path) -> tuple[dict[str, Tensor], Tensor]:
    stored = reference.arrays(shared / "reference/innvestigate/layers.safetensors")
    return stored, stored["input"].double().permute(0, 3, 1, 2).contiguous()


@pytest.mark.parametrize("layer", reference.INNVESTIGATE_LAYERS)
@pytest.mark.parametrize("analyzer", [*ANALYZERS, *GRADIENTS])
def test_innvestigate(shared: Path, analyzer: str, layer: str) -> None:
    stored, x = stored_of(shared)
    explainer, parameters = ANALYZERS.get(analyzer) or (GRADIENTS[analyzer], {})
    module = reference.innvestigate_network(analyzer, layer, stored)
    output = module(x)
    torch.testing.assert_close(output.amax(1).float(), stored[f"{analyzer}/{layer}/output_max"], rtol=1e-5, atol=1e-5)
    found = xc.attribute(module, x, explainer=explainer, target=output.argmax(1).tolist(), **parameters)
    expected = stored[f"{analyzer}/{layer}/attribution"].permute(0, 3, 1, 2)
    assert deviation(found.relevance, expected) < 5e-6


@pytest.mark.parametrize("layer", ["Conv2D", "Conv2D_relu", "Dense", "Dense_relu"])
@pytest.mark.parametrize(("preset", "split"), [("A", "lrp-alpha-1-beta-0"), ("B", "lrp-alpha-2-beta-1")])
def test_innvestigate_presets(shared: Path, preset: str, split: str, layer: str) -> None:
    """Alpha-beta with the whole bias in convolutions, epsilon 0.1 in dense layers (here 1 x 1 convolutions)."""
    stored, x = stored_of(shared)
    analyzer = f"LRPSequentialPreset{preset}"
    module = reference.innvestigate_network(analyzer, layer, stored)
    target = module(x).argmax(1).tolist()
    if layer.startswith("Dense"):
        found = xc.attribute(module, x, explainer="lrp-epsilon", target=target, epsilon=0.1, relative=False)
    else:
        found = xc.attribute(module, x, explainer=split, target=target, bias_split="whole")
    assert deviation(found.relevance, stored[f"{analyzer}/{layer}/attribution"].permute(0, 3, 1, 2)) < 5e-6


def test_innvestigate_z_plus_fast_is_the_study_rule(shared: Path) -> None:
    """x back(w+, R / (w+ x)) with x signed: the U-Net study's rule, up to its 1e-9; it starts from the whole output."""
    stored, x = stored_of(shared)
    for layer in reference.INNVESTIGATE_LAYERS:
        module = reference.innvestigate_network("LRPZPlusFast", layer, stored)
        output = module(x)
        only = nn.Sequential(module, Only(output.argmax(1))).eval()
        found = xc.attribute(only, x, explainer="lrp-study-unet")
        assert deviation(found.relevance, stored[f"LRPZPlusFast/{layer}/attribution"].permute(0, 3, 1, 2)) < 5e-6


class Only(nn.Module):
    """Everything but one output a sample times zero."""

    def __init__(self, kept: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", F.one_hot(kept, 500 if int(kept.max()) >= 320 else 320).double())

    def forward(self, y: Tensor) -> Tensor:
        return y * (self.mask if self.mask.shape[1] == y.shape[1] else F.pad(self.mask, (0, y.shape[1] - 320)))


@pytest.mark.parametrize("kind", ["AveragePooling2D", "MaxPooling2D"])
def test_innvestigate_pooling(shared: Path, kind: str) -> None:
    """Average pooling in proportion to x under every LRP name, max pooling to the winner. DeepTaylor differs: even shares.

    Ours is the same for every composite, so LRPZ stands for all; its 1e-7 at zero denominators leaves 1e-5.
    """
    stored, x = stored_of(shared)
    pool = nn.AvgPool2d(2) if kind.startswith("Average") else nn.MaxPool2d(2)
    module = nn.Sequential(pool, reference.ChannelsLast(), nn.Flatten()).double().eval()
    target = module(x).argmax(1).tolist()
    for analyzer in ("LRPZ", "LRPEpsilon", "LRPAlpha1Beta0", "LRPAlpha2Beta1", "LRPFlat", "LRPWSquare"):
        expected = stored[f"{analyzer}/{kind}/attribution"].permute(0, 3, 1, 2)
        for explainer in ("lrp-z", "lrp-epsilon-plus", "lrp-alpha-2-beta-1", "lrp-flat"):
            found = xc.attribute(module, x, explainer=explainer, target=target)
            assert deviation(found.relevance, expected) < 1e-5, (analyzer, explainer)
    for analyzer, explainer in GRADIENTS.items():
        found = xc.attribute(module, x, explainer=explainer, target=target)
        assert deviation(found.relevance, stored[f"{analyzer}/{kind}/attribution"].permute(0, 3, 1, 2)) < 1e-6


# --- LRP toolbox -------------------------------------------------------------------------------------------

TOOLBOX: dict[str, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    "simple": ("lrp-z", {}, ("relu_cnn", "tanh_mlp", "xor")),
    "epsilon_0.01": ("lrp-epsilon", {"epsilon": 0.01, "relative": False}, ("tanh_mlp", "xor")),
    "epsilon_1": ("lrp-epsilon", {"epsilon": 1.0, "relative": False}, ("tanh_mlp", "xor")),
    "flat": ("lrp-flat", {}, ("tanh_mlp", "xor")),
    "ww": ("lrp-w-square", {}, ("tanh_mlp", "xor")),
    "alphabeta_1": ("lrp-alpha-1-beta-0", {}, ("relu_cnn", "tanh_mlp", "xor")),
    "alphabeta_2": ("lrp-alpha-2-beta-1", {}, ("tanh_mlp", "xor")),
    "alphabeta_2_pool_simple": ("lrp-alpha-2-beta-1", {}, ("relu_cnn",)),
}


@pytest.mark.parametrize(
    ("rule", "network"), [(rule, network) for rule, entry in TOOLBOX.items() for network in entry[2]]
)
def test_lrp_toolbox(shared: Path, rule: str, network: str) -> None:
    stored = reference.arrays(shared / "reference/lrp_toolbox/networks.safetensors")
    module, x = reference.toolbox_network(network, stored), reference.toolbox_input(network, stored)
    torch.testing.assert_close(module(x), stored[f"{network}/output"], rtol=1e-5, atol=1e-5)
    explainer, parameters, _ = TOOLBOX[rule]
    found = xc.attribute(module, x, explainer=explainer, **parameters)
    expected = stored[f"{network}/{rule}"]
    if network == "relu_cnn":
        expected = expected.permute(0, 3, 1, 2)
    # our pools keep 1e-6 in their denominators where the composite is not lrp-z
    assert deviation(found.relevance, expected) < (5e-6 if network == "relu_cnn" else 1e-6)


@pytest.mark.parametrize(
    ("rule", "tolerance"),
    [
        ("simple", 1e-4),
        ("epsilon_0.01", 1e-4),
        ("flat", 1e-5),
        ("ww", 1e-5),
        ("alphabeta_1", 1e-4),
        ("alphabeta_2", 1e-4),
    ],
)
def test_digits_match_the_lrp_toolbox_from_the_file_to_the_map(shared: Path, rule: str, tolerance: float) -> None:
    """The whole way of the digits page, in float32: case, card's intensities, perceptron, explanation on the case's grid."""
    stored = reference.arrays(shared / "reference/lrp_toolbox/networks.safetensors")
    network = Perceptron(28 * 28, (48, 24), 10, torch.nn.Tanh).eval()
    for index, layer in enumerate(part for part in network.modules() if isinstance(part, torch.nn.Linear)):
        layer.weight.data = stored[f"tanh_mlp/linear{index}/weight"].float().T.contiguous()
        layer.bias.data = stored[f"tanh_mlp/linear{index}/bias"].float()
    card = Card(
        "toolbox", "Toolbox", "mlp", "digit", "classification", tuple("0123456789"), ("digit",), False,
        InputSpec((28, 28), 1, -1.0, 1.0, "eight-bit"), "softmax",
    )  # fmt: skip
    model = Model(card, network.requires_grad_(False), "cpu", "toolbox")
    explainer, parameters, _ = TOOLBOX[rule]
    for number, pixels in enumerate(stored["digits"].to(torch.uint8).numpy()):
        case = digit_case(f"digit {number}", pixels)
        told = torch.from_numpy(model.predict(case).logits).double()
        torch.testing.assert_close(told, stored["tanh_mlp/output"][number].double(), rtol=1e-4, atol=1e-4)
        found = xc.explain(model, case, explainer=explainer, **parameters)
        expected = stored[f"tanh_mlp/{rule}"][number].reshape(1, 28, 28)
        assert deviation(torch.from_numpy(found.map), expected) < tolerance


def test_lrp_toolbox_epsilon_with_its_own_pooling(shared: Path) -> None:
    """epsilon counts against the window's sum there and against our mean here: 2 * mean = sum / 2, so the pools differ.

    The mean's denominator is a quarter of the sum, hence our 0.01 is their 0.04 in pools: close, not equal.
    """
    stored = reference.arrays(shared / "reference/lrp_toolbox/networks.safetensors")
    module, x = reference.toolbox_network("relu_cnn", stored), reference.toolbox_input("relu_cnn", stored)
    found = xc.attribute(module, x, explainer="lrp-epsilon", epsilon=0.01, relative=False).relevance
    expected = stored["relu_cnn/epsilon_0.01"].permute(0, 3, 1, 2)
    cosine = F.cosine_similarity(found.flatten(1), expected.double().flatten(1))
    assert float(cosine.min()) > 0.99


def test_lrp_toolbox_doubles_relevance_in_every_pool_under_alpha_2(shared: Path) -> None:
    """Rejected: its sum is 8 times the output after three pools; ours keeps the books."""
    stored = reference.arrays(shared / "reference/lrp_toolbox/networks.safetensors")
    module, x = reference.toolbox_network("relu_cnn", stored), reference.toolbox_input("relu_cnn", stored)
    output = module(x).detach().amax(1)
    theirs = stored["relu_cnn/alphabeta_2"].double().flatten(1).sum(1)
    assert float((theirs / output).median()) > 5.0
    account = xc.attribute(module, x, explainer="lrp-alpha-2-beta-1").account
    assert float((account["error"].abs() / account["seed"]).max()) < 1e-9
