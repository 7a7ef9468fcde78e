"""Gradients of many copies of one image: what integrated gradients, SmoothGrad and gradient SHAP spend their time on.

Copies run a few at a time as one batch. Each batch is recorded for gradients alone, walked back once and let go before
the next, so that the peak stays near that of a single ordinary recording. A gradient is linear below the network's first
convolution: sums of gradients are taken above it and pass through it once, not once a copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from xai_core.errors import ForwardError, MemoryLimitError
from xai_core.explainers.request import Request, logits_of, summed
from xai_core.keeping import FOR_GRADIENTS, has_fixed_statistics
from xai_core.propagate import Rule, gradient_walk
from xai_core.record import record
from xai_core.rules.derivative import derivative_of
from xai_core.rules.layers import is_free
from xai_core.steps import NORMS, Recording, Step

Backward = Callable[[Recording], Mapping[str, Rule]]
MOST_COPIES = 4
LARGEST_MAP_BYTES = 16 << 20
"""Copies run together while the batch's greatest map stays below: a greater batch of greater maps gains nothing."""
WEIGHTS_SHARE = 8
"""Weights are copied into the layout of the batches where that takes no more than this part of the memory; never for
single copies, the leanest way."""


def chain_rule(recording: Recording) -> Mapping[str, Rule]:
    """No operation is replaced: the gradient itself."""
    return {}


@dataclass
class Copies:
    """One question asked of copies of each sample: ``selection`` (N, L, ...) of the outputs that are explained,
    ``explained`` (N,) their sums at the image, ``targets``; ``at_once`` copies to a batch; ``done`` and ``planned`` gradients.
    """

    request: Request
    selection: Tensor
    explained: Tensor
    targets: tuple[int, ...]
    closes_with_activation: bool
    at_once: int
    planned: int
    backward: Backward = chain_rule
    layout: torch.memory_format = torch.contiguous_format
    laid_out: Mapping[int, Tensor] = field(default_factory=dict)
    done: int = 0
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, request: Request, planned: int, backward: Backward = chain_rule) -> Copies:
        """Runs the image once, unless it is recorded already. ``planned``: gradients that will be asked for in all."""
        recording = request.shared or record(request.module, request.x, FOR_GRADIENTS)
        seen = replace(request, shared=recording)
        layout = torch.channels_last if request.x.ndim == 4 else torch.contiguous_format
        at_once = copies_at_once(recording, request.memory_bytes)
        return cls(
            request,
            seen.selection(),
            seen.scores(seen.logits),
            seen.targets(),
            seen.closes_with_activation,
            at_once,
            planned,
            backward,
            layout,
            weights_laid_out(recording, layout, request.memory_bytes // WEIGHTS_SHARE) if planned > at_once > 1 else {},
        )

    def scores_at(self, sample: int, x: Tensor) -> Tensor:
        """The explained scalar (k,) of inputs (k, C, *space) in the place of ``sample``, k small."""
        module = self.request.module
        if self.closes_with_activation:
            logits = Request(module, x, shared=record(module, x, FOR_GRADIENTS)).logits
        else:
            logits = logits_of(module, x, strip=False)
        return summed(logits * self.selection[sample : sample + 1])

    def gradients(
        self, sample: int, count: int, make: Callable[[range], Tensor]
    ) -> Iterator[tuple[range, Tensor, Tensor]]:
        """Which copies, what ``make`` gave (k, C, *space), and the gradient of ``sample``'s scalar at each, in order."""
        for part, copies in self._batches(count, make):
            found = self._gradient(copies, sample, stops_early=False)
            if found is not None:
                yield part, copies, found.gradient
                self._advance(part)

    def gradient_sum(self, sample: int, weights: Tensor, make: Callable[[range], Tensor]) -> Tensor:
        """Sum of the gradients at the ``len(weights)`` copies, each times its weight; (1, C, *space)."""
        total: Tensor | None = None
        ended: tuple[Recording, Step | None] | None = None
        for part, copies in self._batches(len(weights), make):
            found = self._gradient(copies, sample, stops_early=True)
            if found is None:
                continue
            if total is None:
                total = torch.zeros_like(found.gradient[:1])
            for copy, gradient in zip(part, found.gradient.split(1), strict=True):  # type: ignore[no-untyped-call]
                total.add_(gradient, alpha=float(weights[copy]))
            ended = found.recording, found.entrance
            del found, gradient  # before the next batch runs
            self._advance(part)
        assert total is not None
        assert ended is not None
        recording, entrance = ended
        if entrance is None:
            return total
        ((_, through),) = derivative_of(recording, entrance, [total])
        return through

    def _gradient(self, copies: Tensor, sample: int, stops_early: bool) -> _Gradient | None:
        """The gradient at a batch of copies, or None where it has to be tried again otherwise."""
        try:
            recording = record(self.request.module, copies, FOR_GRADIENTS, self.laid_out)
            entrance = linear_entrance(recording) if stops_early else None
            value = Request(self.request.module, copies, shared=recording).logit_value
            gradient = gradient_walk(
                recording.ending_at(value),
                self.selection[sample : sample + 1].expand(value.shape).contiguous(),
                until=None if entrance is None else entrance.outputs[0],
                replaced=self.backward(recording),
                consumes=True,
            )
            return _Gradient(recording, entrance, gradient)
        except (MemoryError, RuntimeError) as error:
            self._try_otherwise(error)
            return None

    def _try_otherwise(self, error: Exception) -> None:
        """Smaller batches where memory ran short, the plain layout where the network needs it; else the error."""
        if isinstance(error, MemoryError) or "memory" in str(error).lower():
            if self.at_once == 1:
                raise MemoryLimitError(
                    "Not even one copy of this image fits into memory.", "Close other programs, or use a smaller model."
                ) from None
            self.at_once, self.laid_out = self.at_once // 2, {}
            self.notes = (f"Memory ran short: {self.at_once} copies were run at a time.",)
        elif isinstance(error, ForwardError) and self.layout is not torch.contiguous_format:
            self.layout, self.laid_out = torch.contiguous_format, {}  # networks that view() their maps need it
        else:
            raise error

    def _batches(self, count: int, make: Callable[[range], Tensor]) -> Iterator[tuple[range, Tensor]]:
        """Ranges of copies until all are done; a range whose batch failed comes again as it now has to run."""
        start = 0
        while start < count:
            part = range(start, min(start + self.at_once, count))
            layout, before = self.layout, self.at_once
            copies = make(part)
            laid = torch.empty(copies.shape, dtype=copies.dtype, device=copies.device, memory_format=layout)
            yield part, laid.copy_(copies)
            if (layout, before) == (self.layout, self.at_once):
                start = part.stop

    def _advance(self, part: range) -> None:
        self.done += len(part)
        self.request.report(self.done / self.planned)


@dataclass(frozen=True)
class _Gradient:
    """``gradient`` at the input, or at the output of ``entrance`` where the walk stopped there."""

    recording: Recording
    entrance: Step | None
    gradient: Tensor


def copies_at_once(recording: Recording, memory_bytes: int) -> int:
    """How many copies run as one batch: one where the network mixes the samples of a batch, else 1 to 4 by memory."""
    if recording.mixes_samples or any(
        step.operation in NORMS and not has_fixed_statistics(step) for step in recording.steps
    ):
        return 1
    samples = recording.x.shape[0]
    values = [value for step in recording.steps for value in step.outputs if not value.is_constant]
    sizes = [value.shape.numel() * value.dtype.itemsize // samples for value in values]
    fitting = min(LARGEST_MAP_BYTES // max(sizes), memory_bytes // sum(sizes))
    return max(1, min(MOST_COPIES, fitting))


def weights_laid_out(recording: Recording, layout: torch.memory_format, most_bytes: int) -> Mapping[int, Tensor]:
    """The weights of convolutions in ``layout``, by the id of the network's own: else each is turned at every batch, twice.

    None at all where they take more than ``most_bytes``, or where nothing is to be turned.
    """
    read = {id(step.arguments[1]) for step in recording.steps if step.operation == "convolution"}
    own = {id(weight): weight for weight in recording.module.parameters() if id(weight) in read and weight.ndim == 4}
    turned = {key: weight for key, weight in own.items() if not weight.is_contiguous(memory_format=layout)}
    if sum(weight.numel() * weight.itemsize for weight in turned.values()) > most_bytes:
        return {}
    return {key: weight.detach().contiguous(memory_format=layout) for key, weight in turned.items()}


def linear_entrance(recording: Recording) -> Step | None:
    """The convolution or fully connected layer that alone reads the input, if there is one."""
    readers = [step for step in recording.steps if recording.input in step.inputs]
    if len(readers) != 1 or readers[0].operation not in ("convolution", "addmm") or readers[0].options:
        return None
    return readers[0] if sum(not is_free(argument) for argument in readers[0].arguments) == 1 else None
