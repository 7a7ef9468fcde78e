"""The oracles themselves, against other people's numbers: an oracle nobody checked proves nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.networks import INPUT, SMALL, randomised, smooth
from tests.oracles import reference
from tests.oracles.large import large_share
from tests.oracles.linear import Rule, affine_of, dense_share, rule
from tests.oracles.rap import RapPaper, RapPublished
from tests.oracles.study_unet import StudyWalk
from tests.oracles.walk import Composite, Walk, composite

RULES = {
    "z": rule("z"),
    "epsilon": rule("epsilon", epsilon=0.1),
    "epsilon-relative": rule("epsilon", epsilon=0.25, relative=True),
    "epsilon-no-bias": rule("epsilon-no-bias", epsilon=1e-6),
    "gamma": rule("gamma", gamma=0.25),
    "alpha-1-beta-0": rule("alpha-beta", alpha=1.0, beta=0.0),
    "alpha-2-beta-1": rule("alpha-beta", alpha=2.0, beta=1.0),
    "alpha-2-beta-1-whole": rule("alpha-beta", alpha=2.0, beta=1.0, bias_split="whole"),
    "plus": rule("plus"),
    "w-square": rule("w-square"),
    "flat": rule("flat"),
    "box": rule("box", low=-2.0, high=3.0),
}


def deviation(found: Tensor, expected: Tensor) -> float:
    """Largest difference, in units of the largest expected value, over samples."""
    found, expected = found.double().flatten(1), expected.double().flatten(1)
    return float(((found - expected).abs().amax(1) / expected.abs().amax(1).clamp(min=1e-30)).max())


def test_single_connections_by_hand() -> None:
    """Two inputs, one output, a loop a person can follow: a = (2, -1), w = (3, 4), b = -1: z = 1."""
    layer = nn.Linear(2, 1)
    layer.weight.data, layer.bias.data = torch.tensor([[3.0, 4.0]]), torch.tensor([-1.0])
    a, R = torch.tensor([2.0, -1.0], dtype=torch.float64), torch.tensor([10.0], dtype=torch.float64)
    expected = {
        "z": ([60.0, -40.0], -10.0),
        "epsilon": ([60 / 1.1, -40 / 1.1], -10 / 1.1),
        "epsilon-no-bias": ([30.0, -20.0], 0.0),
        "gamma": ([75 / 2.5, -40 / 2.5], -10 / 2.5),  # 1.25 * 6 - 4 - 1 = 2.5
        "alpha-1-beta-0": ([10.0, 0.0], 0.0),
        "alpha-2-beta-1": ([20.0, -8.0], -2.0),
        "alpha-2-beta-1-whole": ([24.0, -8.0], -4.0 - 2.0),
        "plus": ([10.0, 0.0], 0.0),
        "w-square": ([90 / 25, 160 / 25], 0.0),
        "flat": ([5.0, 5.0], 0.0),
        "box": ([10 * (6 + 6) / 16, 10 * (-4 + 8) / 16], 0.0),  # -l w+ = 2 * 3 and 2 * 4; no w-
    }
    for name, (relevance, bias) in expected.items():
        share = dense_share(affine_of(layer), RULES[name], a, R)
        torch.testing.assert_close(share.relevance, torch.tensor(relevance, dtype=torch.float64), rtol=1e-6, atol=1e-6)
        assert share.bias == pytest.approx(bias, rel=1e-5), name


@pytest.mark.parametrize("how", RULES.values(), ids=RULES.keys())
def test_transposed_maps_agree_with_the_dense_matrix(how: Rule) -> None:
    layers = {
        (4, 7): nn.Conv1d(4, 6, 3, padding=2, stride=2, groups=2),
        (3, 6, 5): nn.Conv2d(3, 4, 3, padding=1, dilation=2),
        (2, 3, 4, 3): nn.ConvTranspose3d(2, 4, 2, stride=2, groups=2),
        (5,): nn.Linear(5, 3),
    }
    for shape, layer in layers.items():
        randomised(layer, 3)
        a = smooth(1, 1, 60, dtype=torch.float64)[0, 0, -24:].repeat(10)[: torch.Size(shape).numel()].reshape(shape)
        R = layer.double()(a[None])[0].detach() * 0.7 - 0.1
        dense, large = (share(affine_of(layer), how, a, R) for share in (dense_share, large_share))
        torch.testing.assert_close(large.relevance, dense.relevance, rtol=1e-9, atol=1e-11)
        for key in ("bias", "stabiliser", "stopped"):
            assert getattr(large, key) == pytest.approx(getattr(dense, key), rel=1e-8, abs=1e-10)
        total = float(dense.relevance.sum()) + dense.bias + dense.stabiliser + dense.stopped
        assert total == pytest.approx(float(R.sum()), rel=1e-8)


@pytest.mark.parametrize("name", SMALL)
def test_the_books_of_the_walk_close(name: str) -> None:
    x = smooth(*INPUT[name], seed=4)
    module = randomised(SMALL[name](), 2)
    for explainer in ("lrp-z", "lrp-epsilon", "lrp-gamma", "lrp-alpha-2-beta-1", "lrp-epsilon-plus-flat"):
        account = Walk(module, composite(explainer)).run(x).account
        rest = account["seed"] - account["map"] - account["bias"] - account["stabiliser"] - account["stopped"]
        assert float(rest.abs().max()) < 1e-8 * float(account["seed"].abs().max()), explainer


# --- against the arrays ------------------------------------------------------------------------------------


def _innvestigate_table(analyzer: str, layer: str) -> Composite | None:
    whole_1 = rule("alpha-beta", alpha=1.0, beta=0.0, bias_split="whole")
    whole_2 = rule("alpha-beta", alpha=2.0, beta=1.0, bias_split="whole")
    e = rule("epsilon", epsilon=0.1)
    dense = layer.startswith("Dense")
    how = {
        "LRPZ": rule("z"),
        "LRPZIgnoreBias": rule("epsilon-no-bias", epsilon=1e-12),
        "LRPEpsilon": rule("epsilon", epsilon=1e-7),
        "LRPEpsilonIgnoreBias": rule("epsilon-no-bias", epsilon=1e-7),
        "LRPFlat": rule("flat"),
        "LRPZ_Flat_input_layer_rule": rule("flat"),
        "LRPSequentialPresetAFlat": rule("flat"),
        "LRPSequentialPresetBFlat": rule("flat"),
        "LRPWSquare": rule("w-square"),
        "LRPAlpha1Beta0IgnoreBias": rule("plus"),
        "LRPZPlus": rule("plus"),
        "LRPAlpha1Beta0": whole_1,
        "LRPAlpha2Beta1": whole_2,
        "LRPAlpha2Beta1IgnoreBias": rule("alpha-beta", alpha=2.0, beta=1.0, bias_split="none"),
        "LRPZ_boxed_input_layer_rule": rule("box", low=-10.0, high=10.0),
        "BoundedDeepTaylor": rule("box", low=-128.0, high=128.0),
        "LRPSequentialPresetA": e if dense else whole_1,
        "LRPSequentialPresetB": e if dense else whole_2,
        "DeepTaylor": rule("plus"),
    }.get(analyzer)
    return None if how is None else Composite(how, how)


@pytest.mark.parametrize("layer", reference.INNVESTIGATE_LAYERS)
def test_innvestigate(shared: Path, layer: str) -> None:
    stored = reference.arrays(shared / "reference/innvestigate/layers.safetensors")
    x = stored["input"].double().permute(0, 3, 1, 2)
    analyzers = sorted({key.split("/")[0] for key in stored if key.count("/") > 1})
    checked = 0
    for analyzer in analyzers:
        table = _innvestigate_table(analyzer, layer)
        if table is None:
            continue
        found = Walk(reference.innvestigate_network(analyzer, layer, stored), table, large=True).run(x).relevance
        expected = stored[f"{analyzer}/{layer}/attribution"].permute(0, 3, 1, 2)
        assert deviation(found, expected) < 3e-6, analyzer
        checked += 1
    assert checked == 19


@pytest.mark.parametrize("network", ["relu_cnn", "tanh_mlp", "xor"])
def test_lrp_toolbox(shared: Path, network: str) -> None:
    stored = reference.arrays(shared / "reference/lrp_toolbox/networks.safetensors")
    module, x = reference.toolbox_network(network, stored), reference.toolbox_input(network, stored)[:4]
    tiny = rule("z")
    tables = {"simple": Composite(tiny, tiny, pools=rule("epsilon", epsilon=1e-12))}
    for e in ("0.01", "1"):
        how = rule("epsilon", epsilon=float(e))
        # the sum pool's epsilon counts against the sum of the window, twice our average's two: e / 4 against the mean
        tables[f"epsilon_{e}"] = Composite(how, how, pools=rule("epsilon", epsilon=float(e) / 4))
    halves = {a: rule("alpha-beta", alpha=float(a), beta=float(a) - 1.0) for a in (1, 2)}
    tables["alphabeta_1"] = Composite(halves[1], halves[1], pools=tiny)
    if network == "relu_cnn":
        tables["alphabeta_2_pool_simple"] = Composite(halves[2], halves[2], pools=tiny)
    else:  # no pooling: nothing to disagree about
        tables["alphabeta_2"] = Composite(halves[2], halves[2])
        for name, how in (("flat", rule("flat")), ("ww", rule("w-square"))):
            tables[name] = Composite(how, how)
    for name, table in tables.items():
        expected = stored[f"{network}/{name}"][:4]
        if network == "relu_cnn":
            expected = expected.permute(0, 3, 1, 2)
        found = Walk(module, table, large=True).run(x).relevance
        assert deviation(found, expected) < 2e-7, name


@pytest.mark.parametrize("network", ["vgg_rgb", "vgg_gray", "resnet_rgb"])
def test_published_rap(shared: Path, network: str) -> None:
    stored = reference.arrays(shared / "reference/rap/networks.safetensors")
    module, x = reference.rap_network(network, stored), stored[f"{network}/input"]
    target = stored[f"{network}/target"].tolist()
    result = RapPublished(module, large=True).run(x, target)
    first = "conv1" if network.startswith("resnet") else "features.0"
    assert deviation(result.relevance, stored[f"{network}/rap/{first}"]) < 1e-6
    for key, expected in stored.items():  # the relevance of every layer's input
        if key.startswith(f"{network}/rap/classifier.") and not key.endswith(".1"):
            below = {"classifier.0": "flatten", "classifier.2": "classifier_1", "classifier.3": "classifier_2"}
            assert deviation(result.below[below[key.split("/rap/")[1]]], expected) < 1e-6, key


@pytest.mark.parametrize("filtering", ["raw", "pass_0_0.2", "clamp_0_0.2"])
@pytest.mark.parametrize("network", ["positive", "signed"])
def test_study_unet(shared: Path, network: str, filtering: str) -> None:
    stored = reference.arrays(shared / "reference/unet3d_filters/unet.safetensors")
    module = reference.study_network(network, stored)
    mode = filtering.split("_")[0].replace("raw", "none")
    for first_weight in ("head", "published"):
        walk = StudyWalk(module, mode, 0.0, 0.2, first_weight=first_weight)
        found = walk.run(stored["input"].double())
        assert deviation(found, stored[f"{network}/{filtering}/{first_weight}/relevance"]) < 1e-6
    if network == "positive":
        for number in range(14):
            assert deviation(walk.steps[number], stored[f"positive/{filtering}/step{number:02d}"]) < 1e-6, number


def test_rap_of_the_paper_conserves() -> None:
    for name in ("plain2d", "residual2d", "dense2d"):
        module, x = randomised(SMALL[name](), 2), smooth(*INPUT[name], seed=4)
        dense, large = (RapPaper(module, -3.0, 3.0, large=large).run(x) for large in (False, True))
        torch.testing.assert_close(large.relevance, dense.relevance, rtol=1e-9, atol=1e-10)
        account = dense.account
        rest = account["seed"] - account["map"] - account["bias"] - account["stabiliser"] - account["stopped"]
        assert float(rest.abs().max()) < 1e-9
