"""The one backward walk over a Recording.

Relevance (or gradient) of the result goes step by step to what made it, by whatever rule the walk is given; what meets
at a value is added. ``relevance_walk`` is LRP and its kin with their books, ``gradient_walk`` the chain rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor

from xai_core.rules.context import Context
from xai_core.rules.derivative import derivative_of
from xai_core.steps import Recording, Step, Value

Rule = Callable[[Step, Sequence[Tensor | None]], Iterable[tuple[Value, Tensor]]]
Filter = Callable[[Value, Tensor], Tensor]


def walk(
    recording: Recording,
    seed: Tensor,
    rule: Rule,
    *,
    until: Value | None = None,
    on_value: Filter | None = None,
    watched: Mapping[int, list[Tensor]] | None = None,
    consumes: bool = False,
) -> Tensor:
    """Carry ``seed`` (shaped like the result) down to ``until`` (default: the input); returns a tensor shaped like it.

    ``on_value`` sees the whole relevance of every value before it goes further (pass and clamp filters);
    ``watched`` collects the relevance of values by index. ``consumes`` lets go of what the recording holds as the walk passes it:
    a recording can be walked so once, and takes no more memory than autograd's graph.
    """
    goal = recording.input if until is None else until
    pending: dict[int, Tensor] = {recording.result.index: seed}
    summed: set[int] = set()  # sums made here are ours to add to in place
    for step in reversed(recording.steps):
        if goal.index in pending and goal.producer is step:
            break
        if not any(output.index in pending for output in step.outputs):
            continue
        incoming = [pending.pop(output.index, None) for output in step.outputs]
        if on_value is not None:
            incoming = [
                None if r is None else on_value(value, r) for value, r in zip(step.outputs, incoming, strict=True)
            ]
        if watched is not None:
            for output, r in zip(step.outputs, incoming, strict=True):
                if output.index in watched and r is not None:
                    watched[output.index].append(r)
        for value, share in rule(step, incoming):
            if value.is_constant:
                continue
            present = pending.get(value.index)
            if present is None:
                pending[value.index] = share
            elif value.index in summed:
                present += share
            else:
                pending[value.index] = present + share
                summed.add(value.index)
        if consumes:
            for output in step.outputs:
                output.tensor = output.positive = None
    arrived = pending.get(goal.index)
    if arrived is None:
        arrived = torch.zeros(goal.shape, dtype=seed.dtype, device=seed.device)
    return arrived.expand(goal.shape)


def relevance_walk(
    context: Context, seed: Tensor, *, until: Value | None = None, on_value: Filter | None = None
) -> Tensor:
    """LRP, RAP and their kin: each step by the context's rule for its operation; none is an error that names it."""

    def rule(step: Step, relevance: Sequence[Tensor | None]) -> Iterable[tuple[Value, Tensor]]:
        known = context.rules.get(step.operation)
        if known is None:
            raise context.unsupported(step)
        return known(context, step, relevance)

    with torch.no_grad():
        return walk(context.recording, seed, rule, until=until, on_value=on_value)


def gradient_walk(
    recording: Recording,
    seed: Tensor,
    *,
    until: Value | None = None,
    replaced: Mapping[str, Rule] | None = None,
    consumes: bool = False,
) -> Tensor:
    """d (seed . result) / d ``until``; ``replaced`` gives operations another backward (deconvnet, guided backprop);
    ``consumes``: as in ``walk``."""
    special = replaced or {}

    def rule(step: Step, grads: Sequence[Tensor | None]) -> Iterable[tuple[Value, Tensor]]:
        other = special.get(step.operation)
        return other(step, grads) if other is not None else derivative_of(recording, step, grads)

    with torch.no_grad():
        return walk(recording, seed, rule, until=until, consumes=consumes)
