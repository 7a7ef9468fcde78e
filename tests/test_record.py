"""The Recording: the same numbers as the plain forward, versions kept apart, the module left as it was found."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import xai_core as xc
from tests.networks import BIG, SIDE, SMALL, big, randomised, small, smooth
from tests.oracles.gradients import gradient
from tests.oracles.test_oracles import deviation
from tests.oracles.walk import Walk, composite


def state_of(module: nn.Module) -> dict[str, object]:
    """Everything a recording could leave behind."""
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks", "_state_dict_hooks")
    found: dict[str, object] = {}
    for name, value in module.state_dict(keep_vars=True).items():
        found[f"value {name}"] = value.detach().clone()
        found[f"identity {name}"] = id(value)
        found[f"version {name}"] = value._version
        found[f"grad {name}"] = None if value.grad is None else value.grad.clone()
        found[f"requires grad {name}"] = value.requires_grad
    for path, part in module.named_modules():
        found[f"class {path}"] = type(part)
        found[f"training {path}"] = part.training
        found[f"inplace {path}"] = getattr(part, "inplace", None)
        found[f"attributes {path}"] = sorted(vars(part))
        found[f"forward {path}"] = "forward" in vars(part)
        for hook in hooks:
            found[f"{hook} {path}"] = list(getattr(part, hook))
    return found


def same(before: dict[str, object], after: dict[str, object]) -> None:
    assert before.keys() == after.keys()
    for key, value in before.items():
        if isinstance(value, Tensor):
            assert torch.equal(value, after[key]), key
        else:
            assert value == after[key], key


@pytest.mark.parametrize("network", BIG)
def test_recording_gives_the_output_of_the_plain_forward(network: str) -> None:
    module, x = big(network), smooth(2, 3, SIDE[network], SIDE[network], seed=3)
    with torch.no_grad():
        expected = module(x)
    assert torch.equal(xc.record(module, x).output, expected)


@pytest.mark.parametrize("network", SMALL)
def test_recording_of_small_networks(network: str) -> None:
    module, x = small(network)
    recording = xc.record(module, x)
    assert torch.equal(recording.output, module(x).detach())
    assert len(recording.steps) > 0
    assert all(step.operation for step in recording.steps)
    assert not recording.output.requires_grad


@pytest.mark.parametrize("network", BIG)
def test_the_module_is_left_as_it_was_found(network: str) -> None:
    module, x = big(network), smooth(1, 3, SIDE[network], SIDE[network], seed=3)
    next(module.parameters()).grad = torch.ones_like(next(module.parameters()))
    before, image = state_of(module), x.clone()
    try:
        for explainer in ("lrp-epsilon-plus", "lrp-gamma", "rap", "gradient", "grad-cam"):
            xc.attribute(module, x, explainer=explainer, target=0)
        same(before, state_of(module))
        assert torch.equal(x, image)
        assert not x.requires_grad
        assert x.grad is None
    finally:
        next(module.parameters()).grad = None


class Stumbles(nn.Module):
    """Raises in the middle of its forward when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3)
        self.relu, self.head = nn.ReLU(inplace=True), nn.Linear(3, 2)
        self.stumble = True

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.norm(self.conv(x)))
        if self.stumble:
            raise ArithmeticError("in the middle")
        return self.head(x.mean((2, 3)))


def test_the_module_is_left_alone_when_its_forward_raises() -> None:
    module, x = Stumbles().eval(), smooth(1, 2, 5, 5)
    before = state_of(module)
    for explainer in ("lrp-epsilon-plus", "gradient", "grad-cam"):
        with pytest.raises((ArithmeticError, xc.LightboxError), match="in the middle"):
            xc.attribute(module, x, explainer=explainer, target=0)
    same(before, state_of(module))
    assert torch.is_grad_enabled()
    module.stumble = False
    assert module(x).requires_grad  # autograd works as before
    xc.attribute(module, x, explainer="lrp-epsilon-plus", target=0)


def test_another_thread_may_run_the_module_meanwhile() -> None:
    module, x = big("resnet18"), smooth(1, 3, 64, 64, seed=3)
    other = smooth(2, 3, 64, 64, seed=4)
    with torch.no_grad():
        expected = module(other)
    alone = xc.attribute(module, x, explainer="lrp-epsilon-plus", target=1).relevance
    before = state_of(module)
    wrong: list[str] = []
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            with torch.no_grad():
                if not torch.equal(module(other), expected):
                    wrong.append("forward")

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(4):
            found = xc.attribute(module, x, explainer="lrp-epsilon-plus", target=1).relevance
            if not torch.equal(found, alone):
                wrong.append("relevance")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not wrong
    same(before, state_of(module))


def test_two_threads_may_explain_the_same_module() -> None:
    module, x = big("densenet121"), smooth(2, 3, 64, 64, seed=3)
    expected = [xc.attribute(module, x[n : n + 1], explainer="lrp-epsilon-plus", target=n).relevance for n in (0, 1)]
    found: dict[int, Tensor] = {}

    def run(n: int) -> None:
        found[n] = xc.attribute(module, x[n : n + 1], explainer="lrp-epsilon-plus", target=n).relevance

    threads = [threading.Thread(target=run, args=(n,)) for n in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n in (0, 1):
        assert torch.equal(found[n], expected[n])


def test_a_recording_is_reused_by_several_explainers() -> None:
    module, x = big("resnet18"), smooth(1, 3, 64, 64, seed=3)
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    handle = module.conv1.register_forward_hook(count)
    try:
        recording = xc.record(module, x)
        for explainer in ("lrp-epsilon-plus", "gradient", "grad-cam", "rap", "lrp-epsilon-plus"):
            shared = xc.attribute(recording, explainer=explainer, target=2).relevance
            assert calls == 1, explainer
            assert torch.equal(shared, _fresh(module, x, explainer)), explainer
            calls = 1
    finally:
        handle.remove()


def _fresh(module: nn.Module, x: Tensor, explainer: str) -> Tensor:
    return xc.attribute(module, x, explainer=explainer, target=2).relevance


# --- in-place, views, sharing ------------------------------------------------------------------------------


class Twice(nn.Module):
    """One convolution called twice, and one ReLU module for everything."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.conv, self.relu, self.head = nn.Conv2d(3, 3, 3, padding=1), nn.ReLU(inplace=True), nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.conv(x))
        return self.head(self.relu(self.conv(x)).mean((2, 3)))


@pytest.mark.parametrize("explainer", ["lrp-epsilon-plus", "lrp-z", "gradient"])
def test_a_module_called_twice(explainer: str) -> None:
    module, x = Twice().double().eval(), smooth(1, 3, 5, 5, dtype=torch.float64)
    found = xc.attribute(module, x, explainer=explainer, target=1).relevance
    if explainer == "gradient":
        expected = gradient(module, x, [1])
    else:
        expected = Walk(module, composite(explainer)).run(x, 1).relevance
    assert deviation(found, expected) < 1e-9


def test_channels_last_input_and_weights() -> None:
    module = copy.deepcopy(big("resnet18")).to(memory_format=torch.channels_last)
    x = smooth(1, 3, 64, 64, seed=3)
    expected = xc.attribute(big("resnet18"), x, explainer="lrp-epsilon-plus", target=2).relevance
    found = xc.attribute(
        module, x.contiguous(memory_format=torch.channels_last), explainer="lrp-epsilon-plus", target=2
    )
    assert deviation(found.relevance, expected) < 1e-4


def test_steps_name_their_operation_and_module() -> None:
    paths = {(step.operation, step.path) for step in xc.record(big("resnet18"), smooth(1, 3, 64, 64)).steps}
    assert ("convolution", "layer1.0.conv1") in paths
    assert any(path == "fc" for _, path in paths)


def test_inference_mode_and_grad_mode_of_the_caller_do_not_matter() -> None:
    module, x = small("plain2d")
    expected = xc.attribute(module, x, explainer="gradient", target=1).relevance
    with torch.no_grad():
        assert torch.equal(xc.attribute(module, x, explainer="gradient", target=1).relevance, expected)
    with torch.inference_mode():
        assert torch.equal(xc.attribute(module, x, explainer="gradient", target=1).relevance, expected)
    wanting = x.clone().requires_grad_()
    found = xc.attribute(module, wanting, explainer="lrp-epsilon-plus", target=1).relevance
    assert not found.requires_grad
    assert wanting.grad is None


# --- what is refused ---------------------------------------------------------------------------------------


def refused(module: object, x: object, **more: object) -> xc.LightboxError:
    with pytest.raises(xc.LightboxError) as caught:
        xc.attribute(module, x, **({"explainer": "lrp-epsilon-plus", "target": 0} | more))
    assert caught.value.sentence
    assert caught.value.remedy
    return caught.value


def test_bad_inputs_cost_one_sentence() -> None:
    module, x = small("plain2d")
    with_nan, infinite = x.clone(), x.clone()
    with_nan[0, 0, 0, 0], infinite[0, 0, 0, 0] = float("nan"), float("inf")
    refused(copy.deepcopy(module).train(), x)
    partly = copy.deepcopy(module)
    partly.head[3].train()
    refused(partly, x)
    refused(module, with_nan)
    refused(module, infinite)
    refused(module, x.to("meta"))
    refused(copy.deepcopy(module).to("meta"), x)
    for target in (4, -1, -5, 10**9):
        refused(module, x, target=target)
    refused(module, x, target=[0])
    refused(module, x, target=[0, 1, 2])
    refused(module, x, explainer="no-such-explainer")
    refused(module, x, no_such_parameter=1)
    refused(torch.jit.trace(small("plain2d")[0], x), x)
    refused(lambda image: image, x)
    refused(module, x.numpy())
    refused(module, x[:0])
    refused(module, x.to(torch.int64))
    refused(module, x, explainer="lrp-epsilon-gamma-box", low=3.0, high=-3.0)


@pytest.mark.parametrize("target", ["Pneumonia", 1.5, [0.5, 1.5]])
def test_a_target_that_is_no_index_is_refused(target: object) -> None:
    module, x = small("plain2d")
    refused(module, x, target=target)


class Raises(nn.Module):
    """A network that refuses every input in its own words."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.layer = nn.Conv2d(2, 3, 3)
        self.error = error

    def forward(self, x: Tensor) -> Tensor:
        self.layer(x).sum()
        raise self.error


@pytest.mark.parametrize("explainer", ["gradient", "lrp-epsilon-plus", "occlusion", "integrated-gradients"])
@pytest.mark.parametrize("kind", [AssertionError, ValueError, KeyError, AttributeError, TypeError, NotImplementedError])
def test_whatever_a_network_raises_costs_one_sentence(kind: type[Exception], explainer: str) -> None:
    error = refused(Raises(kind("wants another size")).eval(), smooth(1, 2, 8, 8), explainer=explainer)
    assert "wants another size" in error.sentence
    assert "(1, 2, 8, 8)" in error.sentence
    assert isinstance(error.__cause__, kind)


class OfTwo(nn.Module):
    """Runs on batches of two alone."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(2, 3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x).view(2, 3, 14 * 14).mean(2)


@pytest.mark.parametrize("explainer", ["occlusion", "kernel-shap", "lime", "rise", "score-cam", "smoothgrad"])
def test_a_network_for_one_size_of_batch_is_refused_where_copies_are_run(explainer: str) -> None:
    refused(OfTwo().eval(), smooth(2, 2, 16, 16), explainer=explainer)


@torch.library.custom_op("lightbox_tests::doubled", mutates_args=())
def doubled(x: Tensor) -> Tensor:
    """An operation of somebody's own, of whose derivative autograd was not told."""
    return x * 2


class Opaque(nn.Module):
    def __init__(self, operation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.layer = nn.Conv2d(2, 4, 3)
        self.operation = operation

    def forward(self, x: Tensor) -> Tensor:
        return self.operation(self.layer(x)).mean((2, 3))


@pytest.mark.parametrize("explainer", ["gradient", "integrated-gradients", "lrp-epsilon-plus", "rap"])
@pytest.mark.parametrize(
    ("operation", "name"),
    [(doubled, "doubled"), (lambda z: torch.special.zeta(z.exp() + 2, z.exp()), "special_zeta")],
    ids=["own", "zeta"],
)
def test_an_operation_without_derivative_is_no_zero_gradient(
    operation: Callable[[Tensor], Tensor], name: str, explainer: str
) -> None:
    module = randomised(Opaque(operation), 1)
    error = refused(module, smooth(1, 2, 8, 8), explainer=explainer)
    assert isinstance(error, xc.UnsupportedOperationError)
    assert error.operation == name
    xc.attribute(module, smooth(1, 2, 8, 8), explainer="occlusion", target=0)


class Rounds(nn.Module):
    """A step function and a value cut off from the gradient: both have a derivative, which is zero."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(2, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head((x.round() + x + x.detach()).mean((2, 3)))


def test_the_gradient_of_steps_and_detached_values_is_that_of_autograd() -> None:
    module, x = Rounds().eval(), smooth(1, 2, 5, 5).requires_grad_()
    (expected,) = torch.autograd.grad(module(x)[0, 1], x)
    found = xc.attribute(module, x.detach(), explainer="gradient", target=1).relevance
    assert torch.allclose(found, expected, atol=1e-7)


def test_a_tensor_of_inference_mode_is_explained_like_any_other() -> None:
    module, x = small("plain2d", dtype=torch.float32)
    with torch.inference_mode():
        inferred = x.clone()
    for explainer in ("gradient", "lrp-epsilon-plus", "meaningful-perturbation"):
        given = {"steps": 3} if explainer == "meaningful-perturbation" else {}
        found = xc.attribute(module, inferred, explainer=explainer, target=1, **given).relevance
        assert torch.equal(found, xc.attribute(module, x, explainer=explainer, target=1, **given).relevance)
