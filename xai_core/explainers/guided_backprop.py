"""Deconvnet (Zeiler and Fergus 2014) and guided backpropagation (Springenberg et al. 2015): gradients without their negative half.

On the way back every ReLU with input a lets only positive values R through; all else is the chain rule, and max pools go back to
their winners:

    deconvnet:               R_in = max(R_out, 0)
    guided backpropagation:  R_in = max(R_out, 0) where a > 0, else 0

What it tells: which edges and textures of the image the network's units respond to. The maps are crisp: read them as drawings of the input.

What it cannot tell: what speaks for the target as against another label, or against it.

Known failures: crispness is their danger. Nie et al. 2018 (arXiv 1805.07039) prove that they partially rebuild the image, and Adebayo
et al. 2018 (arXiv 1810.03292) find that guided backpropagation looks the same after the upper layers are made random. A network without any
ReLU is refused, since the answer would be the plain gradient under another name; activations that are none follow the chain rule, which a note then says.

Cost: two forward passes.

Peers: ReLUs are found among the operations that ran, so functional, in-place and repeated ones count; captum hooks
modules and silently leaves functional ones alone (on Inception its "guided" map is nearly the plain gradient). A clamp
from zero (ReLU6) counts as a ReLU: open between its bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor

from xai_core.errors import NoRectifierError
from xai_core.explainers.copies import Backward
from xai_core.explainers.gradient import lean
from xai_core.explainers.registry import explainer
from xai_core.explainers.request import Attribution, Request
from xai_core.propagate import Rule, gradient_walk
from xai_core.rules.derivative import derivative_of
from xai_core.steps import Recording, Step, Value, lower_bound

CLAMPS = ("hardtanh", "clamp", "clamp_min")
RECTIFIERS = ("relu", "threshold", *CLAMPS)
OTHER_ACTIVATIONS = frozenset(
    "silu gelu elu celu mish hardswish leaky_relu _prelu_kernel rrelu_with_noise softplus tanh hardtanh "
    "log_sigmoid_forward sigmoid hardsigmoid".split()
)
ALTERNATIVES = ("gradient", "input-x-gradient", "integrated-gradients", "smoothgrad", "lrp-epsilon-plus", "grad-cam")
Shares = Iterable[tuple[Value, Tensor]]


def is_rectifier(step: Step) -> bool:
    """Whether the operation is a ReLU: zero below zero and the identity above, perhaps up to a bound."""
    if step.operation == "relu":
        return True
    if step.operation == "threshold":
        return all(float(bound) == 0 for bound in step.arguments[1:3])
    if step.operation in CLAMPS:
        return lower_bound(step) == 0
    return False


def rectified(back: Callable[[Recording, Step, Tensor], Shares]) -> Backward:
    """The backward of every ReLU by ``back``, which is given R+; clamps that are none keep their derivative."""

    def replaced(recording: Recording) -> Mapping[str, Rule]:
        def rule(step: Step, grads: Sequence[Tensor | None]) -> Shares:
            if grads[0] is None or not is_rectifier(step):
                return derivative_of(recording, step, grads)
            return back(recording, step, grads[0].clamp(min=0))

        return dict.fromkeys(RECTIFIERS, rule)

    return replaced


guided = rectified(lambda recording, step, positive: derivative_of(recording, step, [positive]))
deconvolved = rectified(lambda recording, step, positive: [(step.inputs[0], positive)])


def check_rectifiers(request: Request, name: str) -> tuple[str, ...]:
    """Notes on activations before the logit that are no ReLUs; raises :class:`NoRectifierError` where there is nothing else."""
    steps, last = request.recording.steps, request.logit_value.producer
    body = steps if last is None else steps[: steps.index(last) + 1]
    others = [step for step in body if step.operation in OTHER_ACTIVATIONS and not is_rectifier(step)]
    rectifiers = sum(is_rectifier(step) for step in body)
    if not rectifiers:
        first = others[0] if others else None
        raise NoRectifierError(name, first.operation if first else "", first.path if first else "", ALTERNATIVES)
    if not others:
        return ()
    names = ", ".join(sorted({step.operation for step in others}))
    return (
        f"Only {rectifiers} of {rectifiers + len(others)} activations are ReLUs; the others ({names}) follow the chain rule, "
        "so the map lies between this method and the plain gradient.",
    )


def modified_gradient(request: Request, backward: Backward, name: str, until: Value | None = None) -> Tensor:
    """The gradient at the input (or ``until``) with the backward of ReLUs replaced; raises :class:`NoRectifierError`."""
    check_rectifiers(request, name)
    recording = request.recording.ending_at(request.logit_value)
    return gradient_walk(recording, request.selection(), until=until, replaced=backward(recording))


def guided_gradient(request: Request, until: Value | None = None) -> Tensor:
    """Guided backpropagation to the input or ``until``, shaped like it; raises :class:`NoRectifierError` without a ReLU."""
    return modified_gradient(request, guided, "guided-backprop", until)


def deconvolved_gradient(request: Request, until: Value | None = None) -> Tensor:
    """Deconvnet's backward to the input or ``until``, shaped like it; raises :class:`NoRectifierError` without a ReLU."""
    return modified_gradient(request, deconvolved, "deconvnet", until)


@explainer(
    name="guided-backprop",
    title="Guided backpropagation",
    family="gradient",
    taxonomy=("white box", "linearisation", "local"),
    parameters=(),
    dims=(0, 1, 2, 3),
    target_dependent=True,
    exact=True,
    summary="The gradient with its negative half cut off at every ReLU: crisp edges, but hardly of the target.",
    source="Springenberg et al. 2015, arXiv 1412.6806, section 3.4",
    reduce="max-abs",
    cost=2.0,
)
def guided_backprop(request: Request, parameters: Mapping[str, Any]) -> Attribution:
    """The gradient with R+ where a > 0 at every ReLU, (N, C, *space), signed."""
    request = lean(request)
    notes = check_rectifiers(request, "guided-backprop")
    return Attribution(guided_gradient(request), None, request.targets(), notes)


@explainer(
    name="deconvnet",
    title="Deconvnet",
    family="gradient",
    taxonomy=("white box", "linearisation", "local"),
    parameters=(),
    dims=(0, 1, 2, 3),
    target_dependent=True,
    exact=True,
    summary="What a layer's answer looks like drawn back to the image, positive values only: a picture more than a reason.",
    source="Zeiler and Fergus 2014, arXiv 1311.2901, section 2.1",
    reduce="max-abs",
    cost=2.0,
)
def deconvnet(request: Request, parameters: Mapping[str, Any]) -> Attribution:
    """The gradient with R+ in the place of every ReLU's derivative, (N, C, *space), signed."""
    request = lean(request)
    notes = check_rectifiers(request, "deconvnet")
    return Attribution(deconvolved_gradient(request), None, request.targets(), notes)
