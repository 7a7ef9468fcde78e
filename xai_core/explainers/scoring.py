"""Scores of changed copies of one sample: what every perturbation explainer asks of the network, chunk by chunk.

The explained scalar (a logit, or a probability) is read of the copies' outputs; the chunk is bounded by the memory that was
granted and halved whenever memory runs out; the listener hears how far it is and may cancel between chunks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from xai_core.errors import MemoryLimitError, ModuleStateError
from xai_core.explainers.fills import filled
from xai_core.explainers.partial import Place, laid_out, plan
from xai_core.explainers.request import Request, logits_of, summed
from xai_core.parameters import Parameter

SCORE = Parameter("score", "choice", "logit", "What is measured.", choices=("logit", "probability"))
SEED = Parameter("seed", "int", 0, "Seed of the random draws: equal seeds give equal maps.", 0, 2**31 - 1)
Make = Callable[[range], Tensor]


class Scoring:
    """Scores of ``total`` copies in all, over every sample of the request; ``notes`` says when memory ran short."""

    def __init__(self, request: Request, kind: str, total: int) -> None:
        self.request = request
        self.notes: list[str] = []
        self._score = _scorer(request, kind)
        self._total = total
        self._done = 0

    def whole(self, sample: int) -> Tensor:
        """The score (1,) of the unchanged sample."""
        return self._score(self.request.logits[sample : sample + 1], sample)

    def of(self, sample: int, count: int, make: Make, places: Sequence[Place] | None = None) -> Tensor:
        """The scores (count,) of copies of ``sample``; ``make(part)`` builds those of a range, (len(part), C, *space).

        ``places``: the one window in which each copy differs from the sample, all of one size, if that is so.
        """
        request = self.request
        parts = []
        for part, output in self._outputs(sample, count, make, places):
            parts.append(self._score(output, sample))
            self._done += len(part)
            request.report(self._done / self._total)
        return torch.cat(parts)

    def _outputs(
        self, sample: int, count: int, make: Make, places: Sequence[Place] | None
    ) -> Iterator[tuple[range, Tensor]]:
        """Logits of the copies: by partial passes where they can be, the others (or all) by whole ones."""
        request = self.request
        chunk = chunk_size(request.x, request.memory_bytes)
        done = 0
        if places is not None and request.x.device.type == "cpu" and request.can_be_recorded:
            for part, output in partial_outputs(request.module, request.x[sample : sample + 1], places, make, chunk):
                done = part.stop
                yield part, output

        def others(part: range) -> Tensor:
            return make(range(done + part.start, done + part.stop))

        strip = request.closes_with_activation
        for part, output in in_chunks(request.module, count - done, others, chunk, strip, self.notes):
            yield range(done + part.start, done + part.stop), output


def partial_outputs(
    module: nn.Module, own: Tensor, places: Sequence[Place], make: Make, chunk: int
) -> Iterator[tuple[range, Tensor]]:
    """Logits of copies of ``own`` that differ from it in a window each, in equal chunks; ends early where whole passes have to go on."""
    chunk = -(-len(places) // -(-len(places) // chunk))
    parts = [range(start, min(start + chunk, len(places))) for start in range(0, len(places), chunk)]
    if len(parts) < 3:
        return  # recording costs what could be saved
    try:
        first = Request(module, laid_out(make(parts[0])))
        logits, goal = first.logits, first.logit_value
        found = plan(first.recording, goal, own, places)
        yield parts[0], logits
        if found is None:
            return
        for part in parts[1:]:
            yield part, found(make(part), part)
    except (MemoryError, RuntimeError, ModuleStateError):
        return  # too much for the memory at once, or not to be run on these layouts


def fill_of(request: Request, sample: int, fill: str) -> Tensor:
    """What hides parts of ``sample``, (C, *space)."""
    own = request.x[sample : sample + 1]
    lowest = request.bounds[0] if request.bounds is not None else float(own.min())
    return filled(own, fill, lowest)[0]


def in_chunks(
    module: nn.Module, count: int, make: Make, chunk: int, strip: bool, notes: list[str]
) -> Iterator[tuple[range, Tensor]]:
    """Outputs of ``count`` inputs made on demand; the chunk is halved whenever memory runs out, which ``notes`` then says."""
    start = 0
    layout = torch.channels_last  # a third faster on films; networks that view() their maps need the plain layout
    while start < count:
        part = range(start, min(start + chunk, count))
        copies = make(part)
        try:
            yield (
                part,
                logits_of(module, copies.contiguous(memory_format=layout) if copies.ndim == 4 else copies, strip),
            )
        except (MemoryError, RuntimeError) as error:
            if "memory" not in str(error).lower() and not isinstance(error, MemoryError):
                if layout is torch.contiguous_format or copies.ndim != 4:
                    raise
                layout = torch.contiguous_format
                continue
            if chunk == 1:
                raise MemoryLimitError(
                    "Not even one masked copy of this image fits into memory.",
                    "Close other programs, or use a smaller model.",
                ) from None
            chunk = max(1, chunk // 2)
            notes[:] = [f"Memory ran short: {chunk} copies were run at a time."]
            continue
        start = part.stop


def chunk_size(x: Tensor, memory_bytes: int) -> int:
    """Copies of one sample that run together: about 150 activations of the input's size each, at most 16."""
    per_copy = x[:1].numel() * x.element_size() * 150
    return int(max(1, min(16, memory_bytes // max(per_copy, 1))))


def _scorer(request: Request, kind: str) -> Callable[[Tensor, int], Tensor]:
    """The explained scalar of outputs (n, L, *space) of one sample's copies."""
    selection = request.selection()
    labels = selection.shape[1] if selection.ndim > 1 else 1
    last = request.recording.result.producer if request.can_be_recorded else None
    is_exclusive = last is not None and last.operation == "_softmax"

    def score(output: Tensor, sample: int) -> Tensor:
        own = selection[sample : sample + 1]
        if kind == "probability":
            output = output.softmax(1) if is_exclusive and labels > 1 else output.sigmoid()
        return summed(output * own)

    return score
