"""What must hold for every network whatever it is made of; each check yields a sentence for every promise broken.

The oracles are PyTorch's own: the plain forward pass, a second run of the recorded steps in which nothing is shared,
autograd (in forward mode where in-place writes keep backward from working), the books, and the single samples.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn.attention import SDPBackend, sdpa_kernel

import xai_core as xc
from tests.fuzz.program import Program
from tests.test_record import same, state_of
from xai_core.rules.books import is_closed
from xai_core.steps import Recording, Value

WITH_BOOKS = ("lrp-epsilon-plus", "lrp-z", "lrp-alpha-2-beta-1", "lrp-gamma", "rap")
ABSURD = 1e4  # amplification beyond which sums are rounding noise, and books close in units of what was moved


@dataclass
class Case:
    """A network under check, with what several checks need: logits and one target a sample."""

    program: Program
    module: nn.Module
    logits: Tensor
    targets: list[int]
    maps: dict[str, Tensor] = field(default_factory=dict)
    amplification: dict[str, Tensor] = field(default_factory=dict)

    @property
    def is_double(self) -> bool:
        return self.program.dtype == torch.float64


Check = Callable[[Case], Iterator[str]]
CHECKS: list[Check] = []


def check(function: Check) -> Check:
    CHECKS.append(function)
    return function


def problems(program: Program) -> list[str]:
    """All broken promises of one network, each a sentence; empty where it is as it should be."""
    module = program.network()
    with torch.no_grad():
        logits = program.opened().network()(program.input())
    if logits.ndim < 2 or logits.shape[1] < 2:
        return []  # nothing that a label is chosen from
    case = Case(program, module, logits, targets_of(logits, program.seed))
    found: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for one in CHECKS:
            try:
                found += one(case)
            except Exception as error:
                found.append(f"{one.__name__}: {type(error).__name__}: {str(error).strip().splitlines()[0]}")
    return found


def targets_of(logits: Tensor, seed: int) -> list[int]:
    """One label a sample; of places, the label predicted most often, so that there is something to explain."""
    if logits.ndim == 2:
        return [(seed + n) % logits.shape[1] for n in range(logits.shape[0])]
    return [int(sample.argmax(0).flatten().mode().values) for sample in logits]


def explained(logits: Tensor, targets: list[int]) -> Tensor:
    """The scalar whose map is asked for: the logit, or its sum over the places where the label is predicted."""
    total = logits.new_zeros(())
    for sample, target in zip(logits, targets, strict=True):
        score = sample[target]
        total = total + (score if score.ndim == 0 else score[sample.argmax(0) == target].sum())
    return total


# --- the recording ------------------------------------------------------------------------------------------


@check
def the_output_is_that_of_the_plain_forward(case: Case) -> Iterator[str]:
    """To the bit: fused attention alone rounds otherwise, and it hides what happens inside."""
    with torch.no_grad(), unfused():
        expected = case.module(case.program.input())
    if not torch.equal(xc.record(case.module, case.program.input()).output, expected):
        yield "the recorded output differs from that of the plain forward"


class Rerun(Recording):
    """A recording whose values are those of a second run, each computed once from its step."""

    computed: dict[int, Tensor]

    def tensor(self, value: Value) -> Tensor:
        return self.computed[value.index] if value.index in self.computed else super().tensor(value)


@check
def the_steps_run_again_give_every_kept_value(case: Case) -> Iterator[str]:
    recording = xc.record(case.module, case.program.input())
    again = Rerun(**vars(recording))
    again.computed = {recording.input.index: case.program.input()}
    for step in recording.steps:
        results = again.replay(step)
        for value, result in zip(step.outputs, results, strict=False):
            again.computed[value.index] = result.clone()
            if value.is_non_negative and bool((result < 0).any()):
                yield f"{value} of {step.operation} is said not to be negative and is"
            if value.tensor is not None and not close(value.tensor, result, 1e-6):
                yield f"the samples kept of {value} of {step.operation} are not those that the steps give"
    if not close(again.computed[recording.result.index], recording.output, 1e-6):
        yield "the steps run again give another output"


@check
def the_module_and_the_input_are_left_alone(case: Case) -> Iterator[str]:
    before, x = state_of(case.module), case.program.input()
    for explainer in ("lrp-epsilon-plus", "gradient"):
        xc.attribute(case.module, x, explainer=explainer, target=case.targets)
    try:
        same(before, state_of(case.module))
    except AssertionError as error:
        yield f"the module was changed: {str(error).splitlines()[0]}"
    if not torch.equal(x, case.program.input()):
        yield "the caller's input was changed"


# --- maps ---------------------------------------------------------------------------------------------------


@check
def the_gradient_is_that_of_autograd(case: Case) -> Iterator[str]:
    found = xc.attribute(case.module, case.program.input(), explainer="gradient", target=case.targets).relevance
    case.maps["gradient"] = found
    expected = gradient_by_autograd(case)
    generator = torch.Generator().manual_seed(case.program.seed)
    along = [torch.randn(found.shape, generator=generator, dtype=found.dtype) for _ in range(3)]
    slopes = torch.stack([(found * direction).sum() for direction in along])
    if expected is None:
        found, expected = slopes, slopes_by_autograd(case, along)
    size = difference(found, expected)
    if close(found, expected, 1e-9 if case.is_double else 1e-4):
        return
    # autograd errs too, and grossly: forward mode where a tensor is multiplied by itself in place, batch norm's
    # backward at some layouts
    if size < 1e-3 or not close(slopes, slopes_by_differences(case, along), 1e-4):
        yield f"the gradient differs from autograd's by {size:.2g}"


def gradient_by_autograd(case: Case) -> Tensor | None:
    """Autograd through the module; None where a write in place keeps its backward from working."""
    network = case.program.opened().network()
    x = case.program.input().requires_grad_()
    try:
        score = explained(network(x.clone()), case.targets)
        return torch.autograd.grad(score, x, allow_unused=True, materialize_grads=True)[0]
    except RuntimeError as error:
        if "inplace" not in str(error):
            raise
    return None


def slopes_by_autograd(case: Case, directions: list[Tensor]) -> Tensor:
    """Derivatives along directions by autograd's forward mode, which minds no writes."""
    network = case.program.opened().network()
    slopes = []
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), unfused():
        for direction in directions:
            with forward_ad.dual_level():
                x = forward_ad.make_dual(case.program.input(), direction.clone())
                score = explained(network(x), case.targets)
                slope = forward_ad.unpack_dual(score).tangent
                slopes.append(torch.zeros_like(score) if slope is None else slope)
    return torch.stack(slopes)


def slopes_by_differences(case: Case, directions: list[Tensor], step: float = 1e-6) -> Tensor:
    """The same by central differences, in double precision: an arbiter."""
    program = replace(case.program.opened(), dtype=torch.float64)
    network, x = program.network(), case.program.input().double()
    with torch.no_grad():
        changes = [
            explained(network(x + step * v.double()), case.targets)
            - explained(network(x - step * v.double()), case.targets)
            for v in directions
        ]
    return (torch.stack(changes) / (2 * step)).to(directions[0].dtype)


@contextmanager
def unfused() -> Iterator[None]:
    """Attention modules kept off the fused path, which forward mode does not know."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


@check
def the_books_close(case: Case) -> Iterator[str]:
    recording = xc.record(case.module, case.program.input())
    for explainer in WITH_BOOKS:
        found = xc.attribute(recording, explainer=explainer, target=case.targets)
        case.maps[explainer] = found.relevance
        account = {name: torch.as_tensor(entry, dtype=torch.float64) for name, entry in found.account.items()}
        case.amplification[explainer] = account["amplification"].reshape(-1)
        if not bool(torch.isfinite(found.relevance).all()):
            yield f"{explainer}: the map is not finite"
        for n in range(case.logits.shape[0]):
            sample = {name: float(entry.reshape(-1)[n]) for name, entry in account.items()}
            if not is_closed(sample, case.is_double) and not is_noise(sample, case.is_double):
                yield f"{explainer}: the books do not close: {sample}"


def is_noise(sample: dict[str, float], is_double: bool) -> bool:
    """Whether what is missing is rounding of what a rule without bound moved back and forth."""
    moved = sample["magnitude"] + sum(abs(sample[name]) for name in ("bias", "stabiliser", "stopped"))
    is_absurd = moved > ABSURD * max(1e-6, abs(sample["seed"]))
    return is_absurd and abs(sample["error"]) <= (1e-9 if is_double else 1e-3) * moved


@check
def a_batch_is_its_singles(case: Case) -> Iterator[str]:
    samples = case.logits.shape[0]
    if samples == 1:
        return
    for n in range(samples):
        recording = xc.record(case.module, case.program.input()[n : n + 1])
        for explainer, both in case.maps.items():
            amplification = case.amplification.get(explainer, torch.ones(samples))[n]
            tolerance = (1e-8 if case.is_double else 1e-3) * max(1.0, float(amplification))
            if tolerance > 0.1:
                continue
            single = xc.attribute(recording, explainer=explainer, target=case.targets[n]).relevance
            if not close(both[n : n + 1], single, tolerance):
                size = difference(both[n], single[0])
                yield f"{explainer}: sample {n} in the batch differs from itself alone by {size:.2g}"


def difference(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).abs().max())


def close(found: Tensor, expected: Tensor, tolerance: float) -> bool:
    """Equal within ``tolerance``, in units of the greatest expected value or of one."""
    if found.shape != expected.shape:
        return False
    if not found.is_floating_point() or not found.numel():
        return torch.equal(found, expected)
    return difference(found, expected) <= tolerance * max(1.0, float(expected.abs().max()))
