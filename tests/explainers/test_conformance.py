"""Whatever is registered keeps the promises of the registry: shape, dtype, determinism, parameters, books, refusals."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

import xai_core as xc
from tests.networks import Plain, Residual, UNet, randomised, small, smooth

NAMES = sorted(name for name, info in xc.explainers().items() if not info.model)  # of any network
FOR_ONE_MODEL = sorted(set(xc.explainers()) - set(NAMES))
INPUTS = {0: (2, 6), 1: (2, 3, 16), 2: (2, 3, 12, 10), 3: (2, 2, 8, 9, 8)}
FAST: dict[str, Any] = {"window": 4, "low": -4.0, "high": 4.0, "samples": 10, "steps": 6}  # kept only where declared
ON_RESIDUAL = {
    "cam",  # defined where one fully connected layer follows the pooling
    "guided-grad-cam",  # on the plain network in 1-D its two factors share no place for label 1: rightly zero
}


def network(dims: int, name: str = "") -> tuple[nn.Module, torch.Tensor]:
    x = smooth(*INPUTS[dims], seed=3) if dims else smooth(1, 1, 12, seed=3).reshape(2, 6)
    if dims == 0:
        return randomised(nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4)), 2), x
    return randomised((Residual if name in ON_RESIDUAL else Plain)(dims, channels=x.shape[1]), 2), x


def double(name: str) -> tuple[nn.Module, torch.Tensor]:
    return small("residual2d" if name in ON_RESIDUAL else "plain2d")


def quick(name: str) -> dict[str, Any]:
    declared = {parameter.name for parameter in xc.explainers()[name].parameters}
    return {key: value for key, value in FAST.items() if key in declared}


def cases() -> list[tuple[str, int]]:
    return [(name, dims) for name in NAMES for dims in xc.explainers()[name].dims if dims in INPUTS]


def run(name: str, module: nn.Module, x: torch.Tensor, target: Any = 1, **more: Any) -> xc.Attribution:
    return xc.attribute(module, x, explainer=name, target=target, **(quick(name) | more))


@pytest.mark.parametrize(("name", "dims"), cases())
def test_shape_dtype_and_finiteness(name: str, dims: int) -> None:
    module, x = network(dims, name)
    found = run(name, module, x)
    assert found.relevance.shape == x.shape
    assert found.relevance.dtype == torch.float32
    assert found.relevance.device == x.device
    assert not found.relevance.requires_grad
    assert bool(torch.isfinite(found.relevance).all())
    assert float(found.relevance.abs().max()) > 0.0
    if not xc.explainers()[name].is_signed:
        assert float(found.relevance.min()) >= 0.0


@pytest.mark.parametrize(
    ("name", "dims"), [(name, dims) for name in NAMES for dims in INPUTS if dims not in xc.explainers()[name].dims]
)
def test_axes_that_are_not_declared_are_refused(name: str, dims: int) -> None:
    module, x = network(dims, name)
    with pytest.raises(xc.UnsupportedOperationError, match="axes of space") as caught:
        run(name, module, x)
    for other in caught.value.alternatives:
        run(other, module, x)


@pytest.mark.parametrize("name", NAMES)
def test_half_precision_is_explained(name: str) -> None:
    module, x = network(2, name)
    found = run(name, module.to(torch.float16), x.to(torch.float16)).relevance
    assert found.dtype == torch.float16
    assert bool(torch.isfinite(found).all())


@pytest.mark.parametrize("name", NAMES)
def test_double_precision_stays_double(name: str) -> None:
    module, x = double(name)
    assert run(name, module, x).relevance.dtype == torch.float64


@pytest.mark.parametrize("name", NAMES)
def test_the_same_question_has_the_same_answer(name: str) -> None:
    module, x = network(2, name)
    assert torch.equal(run(name, module, x).relevance, run(name, module, x).relevance)


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_is_its_singles(name: str) -> None:
    module, x = double(name)
    both = run(name, module, x, [1, 2]).relevance
    for n, target in enumerate((1, 2)):
        torch.testing.assert_close(both[n : n + 1], run(name, module, x[n : n + 1], target).relevance)


@pytest.mark.parametrize("name", NAMES)
def test_the_target_matters_where_it_is_said_to(name: str) -> None:
    module, x = network(2, name)
    differ = not torch.equal(run(name, module, x, 0).relevance, run(name, module, x, 3).relevance)
    assert differ == xc.explainers()[name].target_dependent


@pytest.mark.parametrize("name", NAMES)
def test_the_account_is_kept_and_closes_where_it_is_promised(name: str) -> None:
    module, x = network(2, name)
    account = run(name, module, x).account
    if not xc.explainers()[name].has_account:
        assert account is None
        return
    parts = sum(account[key] for key in ("map", "bias", "stabiliser", "filtered", "stopped", "error"))
    torch.testing.assert_close(parts, account["seed"], rtol=1e-6, atol=1e-6)
    total = 1e-3 * account["amplification"] * account["seed"].abs()
    limit = 1e-3 * torch.maximum(torch.ones_like(total), torch.maximum(account["seed"].abs(), total))
    assert bool((account["error"].abs() <= limit).all())


@pytest.mark.parametrize("name", NAMES)
def test_the_module_and_the_image_are_left_alone(name: str) -> None:
    module, x = network(2, name)
    before, image = copy.deepcopy(module.state_dict()), x.clone()
    run(name, module, x)
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())
    assert torch.equal(x, image)
    assert not any(part.training for part in module.modules())
    assert all(parameter.grad is None for parameter in module.parameters())
    assert not any(part._forward_hooks or part._forward_pre_hooks or part._backward_hooks for part in module.modules())


@pytest.mark.parametrize("name", NAMES)
def test_unknown_parameters_are_refused_and_named(name: str) -> None:
    module, x = network(2, name)
    with pytest.raises(xc.LightboxError, match="windwo"):
        xc.attribute(module, x, explainer=name, target=1, windwo=3)


def wrong_values(parameter: xc.Parameter) -> list[object]:
    wrong: list[object] = [object()]
    if parameter.kind in ("float", "int"):
        wrong += ["many", float("nan"), True]
        wrong += [parameter.high * 2 + 1] if parameter.high is not None else []
        wrong += [parameter.low - 1] if parameter.low is not None else []
    if parameter.kind == "int":
        wrong.append(1.5)
    if parameter.kind == "choice":
        wrong += ["no such choice", 3]
    if parameter.kind == "pair":
        wrong += [(1.0, 0.0), (0.5,), "ab", (0.0, 99.0)]
    if parameter.kind == "bool":
        wrong += ["yes", 2]
    return wrong


@pytest.mark.parametrize(
    ("name", "parameter"), [(name, p) for name in NAMES for p in xc.explainers()[name].parameters], ids=str
)
def test_every_declared_parameter_is_checked(name: str, parameter: xc.Parameter) -> None:
    module, x = network(2, name)
    for value in wrong_values(parameter):
        with pytest.raises(xc.LightboxError):
            run(name, module, x, **{parameter.name: value})


@pytest.mark.parametrize(
    ("name", "parameter"), [(name, p) for name in NAMES for p in xc.explainers()[name].parameters], ids=str
)
def test_every_declared_default_and_choice_works(name: str, parameter: xc.Parameter) -> None:
    module, x = network(2, name)
    values = parameter.choices or (parameter.default,)
    for value in values:
        found = run(name, module, x, **{parameter.name: value})
        assert bool(torch.isfinite(found.relevance).all()), value


@pytest.mark.parametrize("name", NAMES)
def test_train_mode_is_refused(name: str) -> None:
    module, x = network(2, name)
    module.train()
    with pytest.raises(xc.LightboxError):
        run(name, module, x)


@pytest.mark.parametrize("name", NAMES)
def test_what_it_says_of_itself_is_complete(name: str) -> None:
    info = xc.explainers()[name]
    assert info.name == name
    assert info.title
    assert info.summary.endswith(".")
    assert info.source
    assert info.family
    assert info.taxonomy
    assert info.dims
    names = [parameter.name for parameter in info.parameters]
    assert len(set(names)) == len(names)
    for parameter in info.parameters:
        assert parameter.help
        assert parameter.check(parameter.default) == parameter.default or parameter.default is None
        if parameter.kind == "choice":
            assert parameter.default in parameter.choices


@pytest.mark.parametrize("name", FOR_ONE_MODEL)
def test_what_was_made_for_one_model_is_refused_elsewhere_by_naming_it(name: str) -> None:
    module, x = network(2)
    info = xc.explainers()[name]
    assert info.model in {card.name for card in xc.models()}
    with pytest.raises(xc.LightboxError, match=info.model):
        run(name, module, x)


REFUSED = {"deep-taylor", "cam"}  # leaky activations; no pooling
SEGMENTERS = [case for case in cases() if case[1] >= 2 and case[0] not in REFUSED]


@pytest.mark.parametrize(("name", "dims"), SEGMENTERS)
def test_segmentation_networks(name: str, dims: int) -> None:
    module, x = randomised(UNet(dims), 3), smooth(1, 1, *[8] * dims)
    found = run(name, module, x)
    assert found.relevance.shape == x.shape
    assert bool(torch.isfinite(found.relevance).all())


def test_the_names_of_the_issue_are_there() -> None:
    expected = {
        "gradient",
        "input-x-gradient",
        "guided-backprop",
        "deconvnet",
        "integrated-gradients",
        "smoothgrad",
        "gradient-shap",
        "grad-cam",
        "occlusion",
        "cam",
        "grad-cam++",
        "hirescam",
        "layer-cam",
        "score-cam",
        "eigen-cam",
        "fem",
        "guided-grad-cam",
        "deeplift",
        "rise",
        "lime",
        "kernel-shap",
        "meaningful-perturbation",
        "rsp",
        "rap",
        "deep-taylor",
        "lrp-z",
        "lrp-epsilon",
        "lrp-gamma",
        "lrp-alpha-1-beta-0",
        "lrp-alpha-2-beta-1",
        "lrp-flat",
        "lrp-w-square",
        "lrp-epsilon-plus",
        "lrp-epsilon-plus-flat",
        "lrp-epsilon-gamma-box",
        "lrp-epsilon-alpha-2-beta-1",
        "lrp-epsilon-alpha-2-beta-1-flat",
        "lrp-study-unet",
    }
    assert expected <= set(NAMES)
    assert "adversarial-generators" in FOR_ONE_MODEL
