"""Forward passes of copies that differ from one image in a small window, without computing anew what the window cannot reach.

Convolutions and pools look at a few neighbours, so behind a window only a crop of every early layer differs from the layer of the
unchanged image. The first copies are run whole and recorded. Of the recorded steps, the leading ones whose crop is small are run on
crops with the rim they need, taken from the unchanged image; what is alive then is pasted into copies of the unchanged layers, and the
other steps run whole. Outputs equal those of the whole pass but for rounding. Nothing is approximated: where an operation is not known to
be local the crop ends there, and where a recording cannot be run again on other samples there is no plan and the caller runs whole passes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from xai_core.explainers.local_steps import Geometry, geometry_of, put
from xai_core.record import record
from xai_core.steps import OVERWRITE, Recording, Step, Value, describe, tensors_of, values_of

MOST_AREA = 0.7
Place = tuple[slice, ...]


@dataclass(frozen=True)
class Boxes:
    """One crop a window, all of one ``size``: ``starts`` (windows, axes). Each lies within the layer's grid."""

    starts: Tensor
    size: tuple[int, ...]

    @staticmethod
    def around(low: Tensor, high: Tensor, space: Sequence[int]) -> Boxes:
        """The smallest boxes of one size that hold [low, high) of every window within ``space``."""
        limit = torch.tensor(space)
        low, high = low.clamp(min=0).minimum(limit - 1), high.minimum(limit)
        size = (high - low).amax(0).clamp(min=1)
        return Boxes(low.minimum(limit - size), tuple(size.tolist()))

    @property
    def ends(self) -> Tensor:
        return self.starts + torch.tensor(self.size)

    def place(self, window: int) -> Place:
        return tuple(slice(s, s + size) for s, size in zip(self.starts[window].tolist(), self.size, strict=True))

    def through(self, geometry: Geometry, space: Sequence[int]) -> Boxes:
        """Where an operation with ``geometry`` and an output over ``space`` sees any of these boxes."""
        kernel, stride, padding, dilation = (torch.tensor(axis) for axis in geometry.axes)
        low = self.starts + padding - dilation * (kernel - 1)
        low = -torch.div(-low, stride, rounding_mode="floor")
        high = torch.div(self.ends - 1 + padding, stride, rounding_mode="floor") + 1
        return Boxes.around(low, high, space)

    def read_by(self, geometry: Geometry) -> Boxes:
        """What the operation reads to compute these boxes of its output, counted on its padded input."""
        kernel, stride, _, dilation = (torch.tensor(axis) for axis in geometry.axes)
        size = (torch.tensor(self.size) - 1) * stride + dilation * (kernel - 1) + 1
        return Boxes(self.starts * stride, tuple(size.tolist()))

    def shifted(self, amounts: Sequence[int]) -> Boxes:
        return Boxes(self.starts + torch.tensor(amounts), self.size)


@dataclass(frozen=True)
class _Local:
    """A step that runs on crops: its output's boxes, the boxes its inputs are read in, and what it computes of them."""

    step: Step
    boxes: Boxes
    read: Boxes
    shift: tuple[int, ...]
    around: dict[int, Tensor]
    compute: Callable[[Callable[[Value], Tensor]], Tensor]


class PartialForward:
    """Logits of copies of ``own`` (1, C, *space) that differ from it within ``places``; ``recording`` is one of such a batch."""

    def __init__(self, recording: Recording, goal: Value, own: Tensor, places: Sequence[Place]) -> None:
        self._recording = recording
        self._goal = goal
        self._own = own
        last = next(number for number, step in enumerate(recording.steps) if goal in step.outputs)
        self._steps = recording.steps[: last + 1]
        self._places = places
        starts = torch.tensor([[axis.start for axis in place] for place in places])
        size = tuple(axis.stop - axis.start for axis in places[0])
        self._boxes = {recording.input.index: Boxes(starts, size)}
        self._clean = {recording.input.index: own}
        self._local: list[_Local] = []
        with torch.no_grad():
            self._grow()
        self._tail = self._steps[len(self._local) :]
        self._last_use = {value.index: number for number, step in enumerate(self._steps) for value in step.inputs}
        needed = {value.index for step in self._tail for value in step.inputs}
        self._pasted = [index for index in self._boxes if index in needed]
        for step in recording.steps:  # what was recorded has been looked at: only its steps are needed now
            for value in step.outputs:
                if not value.is_constant:
                    value.tensor = None

    @property
    def pays(self) -> bool:
        """Whether any convolution or pool is run on crops."""
        return any(any(local.shift) or local.read.size != local.boxes.size for local in self._local)

    def _grow(self) -> None:
        """Plan step after step on crops, running each once on the unchanged image, as long as it is local and the crop small."""
        for step in self._steps[:-1]:
            clean = self._planned(step)
            if clean is None:
                return
            self._clean[step.outputs[0].index] = clean

    def _planned(self, step: Step) -> Tensor | None:
        """Add ``step`` to those run on crops and return its output on the unchanged image; None where it has to run whole."""
        geometry = geometry_of(step)
        if geometry is None or any(value.index not in self._boxes for value in step.inputs):
            return None
        space = tuple(step.outputs[0].shape[2:])
        inputs = [self._boxes[value.index] for value in step.inputs]
        low = torch.stack([one.starts for one in inputs]).amin(0)
        high = torch.stack([one.ends for one in inputs]).amax(0)
        joined = Boxes.around(low, high, step.inputs[0].shape[2:])
        boxes = joined.through(geometry, space)
        if _volume(boxes.size) > MOST_AREA * _volume(space):
            return None
        read = boxes.read_by(geometry)
        grown = [
            max((size - 1) * stride + dilation * (kernel - 1) + 1 - padding - own, padding)
            for size, own, kernel, stride, padding, dilation in zip(
                space, step.inputs[0].shape[2:], *geometry.axes, strict=True
            )
        ]
        sides = [side for pair in zip(reversed(geometry.axes[2]), reversed(grown), strict=True) for side in pair]
        around = {
            value.index: pad(self._clean[value.index], sides, value=geometry.outside)
            if any(sides)
            else self._clean[value.index]
            for value in step.inputs
        }
        self._local.append(_Local(step, boxes, read, geometry.axes[2], around, geometry.compute))
        self._boxes[step.outputs[0].index] = boxes
        return _whole(step, lambda value: self._clean[value.index])

    def __call__(self, copies: Tensor, part: range) -> Tensor:
        """Logits of ``copies``, those of the windows of ``part``; the recorded batch is filled up with the last one."""
        batch = self._recording.x.shape[0]
        windows = [*part, *[part[-1]] * (batch - len(part))]
        rows = [min(row, len(part) - 1) for row in range(batch)]
        crops = [copies[row][(slice(None), *self._places[window])] for row, window in zip(rows, windows, strict=True)]
        values = {self._recording.input.index: laid_out(torch.stack(crops))}
        with torch.no_grad():
            for number, local in enumerate(self._local):
                values[local.step.outputs[0].index] = local.compute(
                    lambda value, local=local: self._patch(values, value, local, windows)  # type: ignore[misc]
                )
                self._forget(values, local.step, number)
            for index in self._pasted:
                values[index] = self._whole_layers(values[index], index, windows)
            for number, step in enumerate(self._tail, start=len(self._local)):
                _run(step, values)
                self._forget(values, step, number)
        return values[self._goal.index][: len(part)]

    def _patch(self, values: dict[int, Tensor], value: Value, local: _Local, windows: Sequence[int]) -> Tensor:
        """What ``local`` reads of ``value``: the unchanged layer with each window's crop laid over it."""
        crop, own = values[value.index], self._boxes[value.index].shifted(local.shift)
        read = local.read
        if own.size == read.size and bool((own.starts == read.starts).all()):
            return crop
        around = local.around[value.index]
        batch = [around[0][(slice(None), *read.place(window))] for window in windows]
        patch = laid_out(torch.stack(batch))
        low, high = own.starts.maximum(read.starts), own.ends.minimum(read.ends)
        for row, window in enumerate(windows):
            _paste(patch[row], crop[row], read.starts[window], own.starts[window], low[window], high[window])
        return patch

    def _whole_layers(self, crop: Tensor, index: int, windows: Sequence[int]) -> Tensor:
        """Copies of an unchanged layer with each window's crop pasted in."""
        clean = laid_out(self._clean[index].expand(len(windows), *self._clean[index].shape[1:]).clone())
        for row, window in enumerate(windows):
            clean[row][(slice(None), *self._boxes[index].place(window))] = crop[row]
        return clean

    def _forget(self, values: dict[int, Tensor], step: Step, number: int) -> None:
        for value in step.inputs:
            if self._last_use[value.index] <= number and value is not self._goal:
                values.pop(value.index, None)


def plan(recording: Recording, goal: Value, own: Tensor, places: Sequence[Place]) -> PartialForward | None:
    """How to run copies of ``own`` partially, or None where it cannot be done or does not pay; ``recording``: of a batch of copies.

    The unchanged image is recorded too, twice over: where the two recordings differ in more than the batch, what the network does
    depends on what it sees, and one recording does not stand for other copies.
    """
    arguments = [part for step in recording.steps for part in (*step.arguments, *step.options.values())]
    if any(value.is_constant for value in values_of(arguments)):
        return None  # it may stem from the image after all, by way of a comparison
    twice = record(recording.module, laid_out(own.repeat((2,) + (1,) * (own.ndim - 1))))
    ratio = (2, recording.x.shape[0])
    if len(recording.steps) != len(twice.steps):
        return None
    if not all(_is_same(one, other, ratio) for one, other in zip(recording.steps, twice.steps, strict=True)):
        return None
    found = PartialForward(recording, goal, own, places)
    return found if found.pays else None


def _is_same(one: Step, other: Step, ratio: tuple[int, int]) -> bool:
    return one.function is other.function and _agree(one.arguments, other.arguments, ratio)


def _agree(one: Any, other: Any, ratio: tuple[int, int]) -> bool:
    """Whether arguments agree, whole numbers up to the size of the batch."""
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(_agree(a, b, ratio) for a, b in zip(one, other, strict=True))
    if isinstance(one, Value):
        return isinstance(other, Value) and one.index == other.index
    if isinstance(one, Tensor):
        return isinstance(other, Tensor) and one.shape == other.shape and (one is other or torch.equal(one, other))
    if isinstance(one, int) and isinstance(other, int):
        return one == other or one * ratio[0] == other * ratio[1]
    return bool(one == other)


def _run(step: Step, values: dict[int, Tensor]) -> None:
    """The step as it was recorded, in place where it was so: the tensors here share memory as the recorded ones did."""
    if step.function is OVERWRITE:
        values[step.outputs[0].index] = values[step.arguments[0].index]
        return

    def read(value: Value) -> Tensor:
        return values[value.index]

    options = {name: put(option, read) for name, option in step.options.items()}
    results = step.function(*put(step.arguments, read), **options)
    for value, tensor in zip(step.outputs, (part for part in tensors_of(results) if part.numel()), strict=True):
        values[value.index] = tensor


def _whole(step: Step, tensor: Callable[[Value], Tensor]) -> Tensor:
    """The first output of a step with ``tensor`` for its values, writing into none of them."""
    arguments = put(step.arguments, tensor)
    for position in describe(step.function).written:
        if position < len(arguments):
            arguments[position] = arguments[position].clone()
    return next(tensors_of(step.function(*arguments, **step.options)))


def _paste(patch: Tensor, crop: Tensor, patch_start: Tensor, crop_start: Tensor, low: Tensor, high: Tensor) -> None:
    """Copy [low, high) of one grid from a crop that starts at ``crop_start`` to a patch that starts at ``patch_start``."""
    spans = list(zip(low.tolist(), high.tolist(), patch_start.tolist(), crop_start.tolist(), strict=True))
    into = tuple(slice(a - p, b - p) for a, b, p, _ in spans)
    out_of = tuple(slice(a - c, b - c) for a, b, _, c in spans)
    patch[(slice(None), *into)] = crop[(slice(None), *out_of)]


def laid_out(batch: Tensor) -> Tensor:
    """Films with channels last, as the recorded batch is."""
    return batch.contiguous(memory_format=torch.channels_last) if batch.ndim == 4 else batch


def _volume(size: Sequence[int]) -> int:
    return torch.Size(size).numel()
