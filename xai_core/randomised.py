"""A network whose last layer is random: the one-step sanity check of Adebayo et al. 2018 (arXiv 1810.03292) needs it.

The module itself is never touched, not even for a moment, since another thread may be using it: its tree is copied, all other
parameters and buffers are shared with it, and only those of the last layer are drawn anew. (``torch.func.functional_call`` would
write into the module while it runs.)
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from xai_core.composites import last_layers
from xai_core.errors import ModuleStateError
from xai_core.rules.layers import constant
from xai_core.steps import Recording, Step


def with_random_last_layer(recording: Recording, seed: int = 0) -> nn.Module:
    """``recording.module`` with the weights (and biases) of the linear layers next to ``recording.result`` drawn from a normal
    distribution of the same mean and variance, tensor by tensor. All other weights are shared, not copied.

    Raises :class:`ModuleStateError` where there is no such layer, its weights are all the same, or the module cannot be copied.
    """
    module = recording.module
    last = last_layers(recording)
    chosen = _parameters_of(module, [step for step in recording.steps if id(step) in last])
    generator = torch.Generator().manual_seed(seed)
    drawn = {id(parameter): _drawn_like(parameter, generator) for parameter in chosen}
    if all(torch.equal(drawn[id(parameter)], parameter) for parameter in chosen):
        raise ModuleStateError(
            "The network has no last layer with weights that could be made random.", "Look at another network."
        )
    memo: dict[int, Any] = {id(held): held for held in chain(module.parameters(), module.buffers())}
    try:
        return copy.deepcopy(module, {**memo, **drawn})
    except (TypeError, AttributeError, RuntimeError) as problem:
        raise ModuleStateError(
            f"The network cannot be copied ({type(problem).__name__}).", "Keep locks and open files out of the module."
        ) from problem


def _parameters_of(module: nn.Module, steps: Sequence[Step]) -> list[nn.Parameter]:
    """The parameters that ``steps`` read; where a weight is computed from some, all that lie in the step's own module."""
    by_memory = {parameter.untyped_storage().data_ptr(): parameter for parameter in module.parameters()}
    parts = dict(module.named_modules())
    found: dict[int, nn.Parameter] = {}
    for step in steps:
        read = [constant(argument) for argument in step.arguments]
        own = [by_memory.get(held.untyped_storage().data_ptr()) for held in read if isinstance(held, Tensor)]
        direct = [parameter for parameter in own if parameter is not None]
        for parameter in direct or (parts[step.path].parameters() if step.path else ()):
            if parameter.is_floating_point():
                found[id(parameter)] = parameter
    return list(found.values())


def _drawn_like(parameter: nn.Parameter, generator: torch.Generator) -> nn.Parameter:
    values = parameter.detach().double().cpu()
    noise = torch.randn(values.shape, generator=generator, dtype=torch.float64)
    drawn = values.mean() + values.std(correction=0) * noise
    return nn.Parameter(drawn.to(parameter), requires_grad=parameter.requires_grad)
