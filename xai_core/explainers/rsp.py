"""Relative sectional propagation, RSP (Nam, Choi, Lee, AAAI 2021): RAP with what is hostile to the target set against it.

The network is cut at its last map with space (`target_layer`), whose units have activations a and gradients g of the explained
logit. A unit with g >= 0 belongs to the target's section, one with g < 0 is hostile:

    start:  R_i = |a_i g_i| for the target's section, R_i = -|a_i g_i| for hostile units

Where that is not yet the sum of a_i g_i (only where activations are negative) the difference is taken evenly from the units that hold any (RAP,
equation 6). What the layers above add beyond that sum, their biases and whatever is curved in them, is booked as `bias`. Both
sections then go down together by RAP's equations 5 and 6 (linear in R, so one walk carries both), with `box` in the
first layer and the sum kept throughout.

What it tells: warm is evidence for the target; cold is evidence for something else, or against. Unlike RAP the signs do not hang on
the sign of the logit.

What it cannot tell: a hostile unit from one that the head merely counts down.

Known failures: above the cut it is a linearisation: with several curved layers there, `bias` grows and the map stands for less.
Below it, like RAP, it follows positive products, which depend little on the layers above them (Sixt et al. 2020).

Cost: about that of RAP, five forward passes.

Our reading: the paper's idea, comparative gradients that part target from hostile units before propagation, is kept; its
own propagation rule and its purging of conflicting units are not: RAP's rule takes their place. The authors' code averages
g over space for each channel and scales the start away; here each unit keeps its own g, so that the books close in units of
the logit; behind global average pooling both agree. With `compared` the gradient is that of the target less the mean of the
other labels', which is then also what is explained: for networks whose labels exclude each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from xai_core.composites import HIGH, LOW, first_layers, last_layers
from xai_core.errors import ParameterError, UnsupportedOperationError
from xai_core.explainers.grad_cam import TARGET_LAYER, layer_value
from xai_core.explainers.lrp import ALTERNATIVES, FILTERS, POOLING, filter_of, filtered_walk, idle_parameters
from xai_core.explainers.rap import LINEAR, sums
from xai_core.explainers.registry import explainer
from xai_core.explainers.request import Attribution, Request, closed
from xai_core.parameters import Parameter
from xai_core.propagate import gradient_walk
from xai_core.rules.books import Books
from xai_core.rules.context import RELEVANCE_RULES, Context
from xai_core.rules.layers import layer_of
from xai_core.rules.linear import Box
from xai_core.rules.operations import AVERAGES, STRUCTURE
from xai_core.rules.rap import RelativeAttributing, shifted
from xai_core.steps import Recording, Value


@explainer(
    name="rsp",
    title="RSP",
    family="RAP",
    taxonomy=("white box", "network structure", "local"),
    parameters=(
        TARGET_LAYER,
        Parameter("compared", "bool", False, "The target is set against the mean of the other labels."),
        LOW,
        HIGH,
        POOLING,
        *FILTERS,
    ),
    dims=(0, 1, 2, 3),
    target_dependent=True,
    exact=True,
    summary="Units that the target's gradient calls hostile are set against it, then propagated as by RAP.",
    source="Nam, Choi and Lee, AAAI 2021, arXiv 2012.03434; propagation of arXiv 1904.00605, eq. 5 and 6",
    unit="logit",
    has_account=True,
    cost=5.0,
)
def rsp(request: Request, parameters: Mapping[str, Any]) -> Attribution:
    """Relevance of the input (N, C, *space), signed, with its books.

    Raises :class:`ParameterError` for a ``target_layer`` that part of the evidence goes around, and
    :class:`UnsupportedOperationError` where the network has no value that all of it passes through.
    """
    recording = request.recording.ending_at(request.logit_value)
    value, path = section_of(request, recording, parameters["target_layer"])
    weights = comparison(request.selection()) if parameters["compared"] else request.selection()
    seed = request.logits * weights
    books = Books(seed.shape[0], seed.device)
    start = sectional(recording.tensor(value), gradient_walk(recording, weights, until=value), seed, books)
    bounds = request.bounds or (None, None)
    low, high = (
        bound if given is None else given
        for given, bound in zip((parameters["low"], parameters["high"]), bounds, strict=True)
    )
    linear = RelativeAttributing(frozenset(), first_layers(recording), Box(low, high))
    context = Context(
        recording,
        books,
        "rsp",
        sums,
        sums,
        parameters["pooling"],
        rules={**RELEVANCE_RULES, **dict.fromkeys(LINEAR, linear)},
        alternatives=("rap", "lrp-epsilon-plus", *ALTERNATIVES),
    )
    relevance = filtered_walk(context, value, start, filter_of(parameters))
    account = closed(books.account(seed, relevance))
    return Attribution(
        relevance,
        account,
        request.targets(),
        rules=dict(context.chosen),
        facts={"target_layer": path},
        replaced=context.replaced,
        idle=tuple(idle_parameters(request, parameters)),
    )


def comparison(selection: Tensor) -> Tensor:
    """``selection`` less the mean of the other labels at the same places."""
    others = selection.shape[1] - 1
    if others < 1:
        return selection
    return selection - (selection.sum(1, keepdim=True) - selection) / others


def sectional(a: Tensor, gradient: Tensor, seed: Tensor, books: Books) -> Tensor:
    """The relevance of both sections: |a g|, negative for hostile units, with the sum of a g kept."""
    contributions = a * gradient
    books.bias += books.total(seed) - books.total(contributions)
    sections = torch.where(gradient < 0, -contributions.abs(), contributions.abs())
    return shifted(sections, contributions, contributions != 0, books)


def section_of(request: Request, recording: Recording, wanted: str) -> tuple[Value, str]:
    """Where sections are parted: the module asked for, else the last map with space that everything passes, else the last layer's input."""
    if wanted:
        value, path = layer_value(request, wanted, "rsp")
        if not divides(recording, value):
            raise ParameterError(
                f"Part of the evidence goes around the layer '{wanted}'.",
                "Choose a layer that everything passes through, or leave it empty.",
            )
        return value, path
    learned = above_layers(recording)
    for step in reversed(recording.steps):
        value = step.outputs[0]
        moves = step.operation in AVERAGES or (step.operation in STRUCTURE and step.operation != "cat")
        has_space = len(value.shape) == request.x.ndim and value.shape[2:].numel() > 1 and len(value.shape) > 2
        if has_space and not moves and value.index in learned and divides(recording, value):
            return value, step.path or step.operation
    last = last_layers(recording)
    for step in recording.steps:
        if id(step) in last and len(last) == 1:
            for value in step.inputs:
                if divides(recording, value):
                    return value, step.path or step.operation
    sentence = "rsp looks at a layer that all evidence passes, and this network has no such layer."
    raise UnsupportedOperationError("branches", "", "rsp", ("rap", *ALTERNATIVES), sentence)


def above_layers(recording: Recording) -> frozenset[int]:
    """Values with a linear layer below them, by index."""
    found: set[int] = set()
    for step in recording.steps:
        if layer_of(step) is not None or any(value.index in found for value in step.inputs):
            found.update(value.index for value in step.outputs)
    return frozenset(found)


def divides(recording: Recording, value: Value) -> bool:
    """Whether all that reaches the result from the input passes through ``value``, which is not the result itself."""
    if value is recording.result or value.is_constant:
        return False
    if value is recording.input:
        return True
    reached = {recording.input.index}
    for step in recording.steps:
        if any(entry.index in reached for entry in step.inputs):
            reached.update(output.index for output in step.outputs if output is not value)
    return recording.result.index not in reached
