"""Whether the maps of a large volume fit into memory, asked before they are computed: a server that runs out of it is ended.

A segmentation network holds about the same for every voxel, so a recording of one small corner tells what the whole takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil
import torch
from torch import Tensor, nn

from xai_core.errors import LightboxError, MemoryLimitError
from xai_core.record import hides_operations, record

if TYPE_CHECKING:
    from xai_core.models import Model

CORNER = 32
LARGE = 1 << 20
"""Voxels of an input above which it is asked."""
WALK = 2.1
"""What a walk back takes, in terms of what the recording holds: its own maps and those it computes again. LRP epsilon-plus of
the 5-channel MeshNet on a head of 172 x 172 x 232 took 2.7 GB where the recording holds 1.34."""


def check_headroom(model: Model, x: Tensor) -> None:
    """Raise :class:`MemoryLimitError` where a map of the input ``x`` (1, C, D, H, W) needs more memory than is free."""
    if model.card.task != "segmentation" or x.ndim != 5 or x[0, 0].numel() <= LARGE:
        return
    needed, free = needed_bytes(model.module, x), free_bytes(model.device)
    if needed is not None and needed > free:
        size = " x ".join(str(side) for side in x.shape[2:])
        raise MemoryLimitError(
            f"A map of {model.card.name} on a volume of {size} needs about {needed / 1e9:.1f} GB of memory, and {free / 1e9:.1f} are free.",
            "Close other programs, choose a smaller network, or cut the volume to the head.",
        )


def needed_bytes(module: nn.Module, x: Tensor) -> int | None:
    """About what recording and walking back ``module(x)`` takes; None where a corner of it does not run alone."""
    if hides_operations(module):
        return None
    corner = x[..., :CORNER, :CORNER, :CORNER]
    try:
        steps = record(module, corner).steps
    except LightboxError:
        return None
    held = {
        value.tensor.untyped_storage().data_ptr(): value.tensor.untyped_storage().nbytes()
        for step in steps
        for value in (*step.inputs, *step.outputs)
        if value.tensor is not None and not value.is_constant
    }
    return int(WALK * sum(held.values()) * x[0, 0].numel() / corner[0, 0].numel())


def free_bytes(device: str) -> int:
    """Memory that is free now where the model computes."""
    if device.startswith("cuda"):
        return int(torch.cuda.mem_get_info(torch.device(device))[0])
    return int(psutil.virtual_memory().available)
