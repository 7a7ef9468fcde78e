"""Layer-wise relevance propagation (LRP): the logit is shared out backwards, layer by layer, until it lies on the pixels.

A layer with inputs a_i, weights w_ij and outputs z_j = sum_i a_i w_ij + b_j, whose outputs hold the relevance R_j, hands it down as

    R_i = sum_j share_ij R_j

and the rule says what the share of input i in output j is. A composite is the table that gives every layer its rule. Activations
pass relevance unchanged, max pools give it to the winner, sums of branches share it as the rule of their row says, concatenations
are cut at their seams. The books say where the logit went: seed = map + bias + stabiliser + filtered + stopped.

What it tells: which pixels carried the logit, in units of the logit: warm ones spoke for the target, cold ones against it.

What it cannot tell: what the network would say without a pixel. Relevance is a share of this answer, no forecast of another one
(occlusion is). The composite decides as much as the network does; of two rules with two maps neither is the true one.

Known failures: rules that follow positive products alone lose sight of the upper layers, so that the maps of different labels
resemble each other (Sixt et al. 2020). Rules that let both signs cancel follow the gradient's noise and can grow without bound in
deep residual networks. One rule throughout is worse than a composite (Kohlbrenner et al. 2020). As with gradients, small changes
of the image can be made that alter the map and not the answer (Dombrowski et al. 2019).

Cost: one forward pass and one walk back, three to seven forward passes in all; no baseline to choose and nothing random.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from xai_core.composite_files import load_file, refresh_files
from xai_core.composites import COMPOSITES, Assignment, Composite, last_layers
from xai_core.errors import UnboundedError, UnsupportedOperationError
from xai_core.explainers.registry import ExplainerInfo, explainers, register, registered_names, unregister
from xai_core.explainers.request import Attribution, Request, closed
from xai_core.explainers.texts import cleaned, joined
from xai_core.parameters import Parameter
from xai_core.propagate import relevance_walk
from xai_core.rules.books import Books
from xai_core.rules.context import Context, Shares, StepRule
from xai_core.rules.filters import RelevanceFilter
from xai_core.rules.layers import layer_of
from xai_core.rules.linear import described
from xai_core.rules.operations import ACTIVATIONS, AVERAGES, MAXIMA
from xai_core.steps import Recording, Step, Value

SEED = Parameter(
    "seed",
    "choice",
    "logit",
    "What is shared out: the logit, one, or the logit against the other labels.",
    choices=("logit", "one", "contrast"),
)
FILTERS = (
    Parameter("filter_mode", "choice", "none", "Filter inside the propagation.", choices=("none", "pass", "clamp")),
    Parameter("filter_range", "pair", (0.0, 1.0), "Kept share of the greatest relevance.", 0, 1, 0.01),
    Parameter("filter_at", "choice", "output", "Where the filter acts.", choices=("output", "blocks", "all")),
    Parameter("filter_per_channel", "bool", False, "The greatest relevance is taken in each channel."),
)
POOLING = Parameter(
    "pooling",
    "choice",
    "winner",
    "Max pools give all to the winner, or share by positive values.",
    choices=("winner", "proportional"),
)
ALTERNATIVES = ("gradient", "input-x-gradient", "occlusion")
DEFAULT = "lrp-epsilon-plus"  # bounded on every network
_POOLS = frozenset({*AVERAGES, "max_pool2d_with_indices", "max_pool3d_with_indices"})
_CAN_BE_NEGATIVE = frozenset(ACTIVATIONS) - {"relu", "sigmoid", "hardsigmoid", "native_dropout", "clamp", "hardtanh"}


def seed_of(request: Request, kind: str) -> Tensor:
    """The relevance that starts the walk, shaped like the logits (semantics, section 1)."""
    selection = request.selection()
    if kind == "one":
        return selection
    logits = request.logits
    seed = logits * selection
    if kind == "contrast":
        others = logits.shape[1] - 1
        at_target = seed.sum(1, keepdim=True)
        if others > 0:
            seed = seed - (1 - selection) * at_target / others
    return seed


def filter_of(parameters: Mapping[str, Any]) -> RelevanceFilter:
    low, high = parameters["filter_range"]
    return RelevanceFilter(
        parameters["filter_mode"], low, high, parameters["filter_at"], parameters["filter_per_channel"]
    )


def filtered_walk(
    context: Context, value: Value, seed: Tensor, chosen: RelevanceFilter, filters_cuts: bool = True
) -> Tensor:
    """The relevance walk from ``value`` with the filter at its places; always on the final map.

    ``filters_cuts``: both halves of every cut are filtered here (False where the rule for cuts does it itself).
    Raises :class:`UnboundedError` where relevance grew beyond the range of its numbers.
    """
    recording = context.recording = context.recording.ending_at(value)
    if chosen.is_idle:
        return bounded(context, relevance_walk(context, seed))
    on_value = None
    if chosen.place != "output":
        places = None if chosen.place == "all" else block_places(recording, value)

        def on_value(at: Value, relevance: Tensor) -> Tensor:
            if places is not None and at.index not in places:
                return relevance
            return chosen(relevance, context.books)

        if filters_cuts:
            context.rules = {**context.rules, "cat": _filtered_cut(context.rules["cat"], chosen)}
    relevance = bounded(context, relevance_walk(context, seed, on_value=on_value))
    return chosen(relevance, context.books)


def bounded(context: Context, relevance: Tensor) -> Tensor:
    """``relevance``, or the error that says it or its books have left the range of their numbers: never a map of NaN."""
    if bool(torch.isfinite(relevance).all()) and context.books.is_finite:
        return relevance
    dtype = str(relevance.dtype).removeprefix("torch.")
    raise UnboundedError(
        f"The relevance of {context.explainer} grew beyond what {dtype} can hold in this network.",
        f"Use one of: {', '.join(name for name in (DEFAULT, *ALTERNATIVES) if name != context.explainer)}.",
    )


def block_places(recording: Recording, result: Value) -> frozenset[int]:
    """Where blocks end: the output and below its last convolution, below every up-convolution, below every block after a pool, at sums of two branches."""
    places = {result.index}
    last = last_layers(recording)
    for step in recording.steps:
        if id(step) in last and len(step.outputs[0].shape) > 2:
            places.update(value.index for value in step.inputs)
        if step.operation == "convolution" and step.arguments[6]:
            places.update(value.index for value in step.inputs)
        if step.operation in _POOLS or (step.operation == "add" and len(step.inputs) == 2):
            places.add(step.outputs[0].index)
    return frozenset(places)


def _filtered_cut(cut: StepRule, chosen: RelevanceFilter) -> StepRule:
    def rule(context: Context, step: Step, relevance: Sequence[Tensor | None]) -> Shares:
        return [(value, chosen(share, context.books)) for value, share in cut(context, step, relevance)]

    return rule


def _run(composite: Composite) -> Callable[[Request, Mapping[str, Any]], Attribution]:
    def run(request: Request, parameters: Mapping[str, Any]) -> Attribution:
        """Relevance of the input under ``composite``, with its books."""
        recording = request.recording
        given = dict(parameters)
        if request.bounds is not None:
            for name, bound in zip(("low", "high"), request.bounds, strict=True):
                if name in given and given[name] is None:
                    given[name] = bound
        if composite.needs_positive:
            _refuse_negative(recording, composite.name)
        assignment = Assignment(composite.rows(given), recording)
        seed = seed_of(request, given["seed"])
        books = Books(seed.shape[0], seed.device)
        context = Context(
            recording,
            books,
            composite.name,
            assignment.rule,
            assignment.rule,
            given["pooling"],
            alternatives=ALTERNATIVES,
        )
        relevance = filtered_walk(context, request.logit_value, seed, filter_of(given))
        return Attribution(
            relevance,
            closed(books.account(seed, relevance)),
            request.targets(),
            rules=dict(context.chosen),
            replaced=context.replaced,
            idle=(*idle_rows(assignment, composite, given), *idle_parameters(request, given)),
        )

    return run


def idle_rows(assignment: Assignment, composite: Composite, given: Mapping[str, Any]) -> list[str]:
    """Rows that no layer had, where they name layers or were changed by a parameter."""
    usual = composite.rows({**given, **{parameter.name: parameter.default for parameter in composite.parameters}})
    return [
        f"the row '{place}' ({described(rule)}), since no layer is there"
        for (place, rule), (_, default) in zip(assignment.rows[:-1], usual, strict=False)
        if place not in assignment.used and (place.startswith("name:") or rule != default)
    ]


def idle_parameters(request: Request, given: Mapping[str, Any]) -> list[str]:
    """Parameters away from their defaults that this network has no use for."""
    idle = []
    if given.get("seed") == "contrast" and request.logits.shape[1] == 1:
        idle.append("the contrast to other labels, since there is one label only")
    if given.get("pooling") == "proportional" and not any(s.operation in MAXIMA for s in request.recording.steps):
        idle.append("proportional pooling, since there is no max pool")
    return idle


def _refuse_negative(recording: Recording, name: str) -> None:
    for step in recording.steps:
        if step.operation in _CAN_BE_NEGATIVE:
            raise UnsupportedOperationError(step.operation, step.path, name, (DEFAULT, *ALTERNATIVES))
        found = layer_of(step)
        if found is not None and not found[1].is_non_negative and found[1] is not recording.input:
            below = found[1].producer
            if below is not None and below.operation in ("convolution", "addmm", "mm", "native_batch_norm"):
                raise UnsupportedOperationError(below.operation, below.path, name, (DEFAULT, *ALTERNATIVES))


def refresh() -> None:
    """Bring the registered explainers in line with the composites: this package's, a researcher's own, those of files."""
    with _LOCK:
        refresh_files(_taken())
        _register_all()


def load_composite(path: str | os.PathLike[str]) -> str:
    """Register the composite in the TOML file ``path`` as an explainer; returns its name.

    Loaded again, a changed file takes the place of what it was. Raises :class:`CompositeError` that says what to mend.
    """
    explainers()
    with _LOCK:
        name = load_file(Path(path), _taken())
        _register_all()
    return name


def _taken() -> frozenset[str]:
    """Names of explainers that are no composite."""
    return frozenset(registered_names()) - frozenset(_REGISTERED)


def _register_all() -> None:
    for name, made in list(_REGISTERED.items()):
        if COMPOSITES.get(name) is not made:
            unregister(name)
            del _REGISTERED[name]
    for name, made in COMPOSITES.items():
        if name not in _REGISTERED:
            register(_info(made))
            _REGISTERED[name] = made


def _info(made: Composite) -> ExplainerInfo:
    return ExplainerInfo(
        name=made.name,
        title=made.title,
        family="LRP",
        taxonomy=("white box", "network structure", "local"),
        parameters=(*made.parameters, SEED, POOLING, *FILTERS),
        dims=(0, 1, 2, 3),
        target_dependent=True,
        exact=True,
        summary=made.summary,
        source=made.source,
        is_signed=True,
        reduce="sum",
        unit="logit",
        has_account=True,
        cost=made.cost,
        revision=made.revision,
        text=composite_text(made),
        run=_run(made),
    )


def composite_text(made: Composite) -> str:
    """Summary and docstring of a composite, its table from row to rule, the docstring of each rule in it, and of LRP."""
    rows = made.rows({parameter.name: parameter.default for parameter in made.parameters})
    width = max(len(place) for place, _ in rows)
    table = "\n".join(f"    {place:{width}}  {rule}" for place, rule in rows)
    rules = {cleaned(type(rule).__doc__): str(rule).split(":")[0] for _, rule in rows}
    return joined(
        f"{made.title}. {made.summary}",
        cleaned(made.rows.__doc__),
        "Rows, of which the first that fits a layer decides:",
        table,
        *(f"Rule {name}: {text}" for text, name in rules.items()),
        cleaned(__doc__),
    )


_REGISTERED: dict[str, Composite] = {}
_LOCK = threading.RLock()
_register_all()
