"""What an explainer is asked and what it answers.

A :class:`Request` holds the network, the input and what is to be explained; its recording is made once, on first use, and
shared by every explainer asked with it. An :class:`Attribution` is a signed map per input channel, with its account.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import index
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from xai_core.closing import logit_of
from xai_core.errors import Cancelled, ModuleStateError, TargetError
from xai_core.keeping import FOR_GRADIENTS
from xai_core.record import forward_of, hides_operations, record, record_after
from xai_core.steps import Recording, Value, tensors_of

Target = int | Sequence[int] | None


@dataclass(frozen=True)
class Attribution:
    """``relevance`` (N, C, *space) like the input, signed; ``account``: the books (floats for one sample, else (N,) tensors), or None;
    ``target`` the label index of every sample; ``notes``: sentences for the person; ``rules``: rule by module path; ``facts``: numbers of the method;
    ``replaced``: what stood in for the method's rule, and in which layers; ``idle``: what was asked for and had nothing to act on.
    """

    relevance: Tensor
    account: Mapping[str, Any] | None
    target: tuple[int, ...]
    notes: tuple[str, ...] = ()
    rules: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, float | str] = field(default_factory=dict)
    replaced: Mapping[str, Sequence[str]] = field(default_factory=dict)
    idle: tuple[str, ...] = ()


@dataclass(frozen=True)
class Companion:
    """A network trained for one model and one label, for one explainer: ``label`` is the index, ``cut`` the logit from which on
    the model says yes to it, ``size`` the space of its inputs."""

    network: nn.Module
    label: int
    title: str
    cut: float
    size: tuple[int, ...]


@dataclass
class Request:
    """``module``, ``x`` (N, C, *space); ``target``: label index, one per sample, or None for the greatest logit; ``where``: for segmentation,
    a bool mask over the output's space (None: the predicted region); ``bounds``: least and greatest possible input value;
    ``companion``: the network that goes with a loaded model, for an explainer that was trained for that model.
    """

    module: nn.Module
    x: Tensor
    target: Target = None
    where: Tensor | None = None
    bounds: tuple[float, float] | None = None
    target_layer: str = ""
    progress: Callable[[float], None] | None = None
    cancel: threading.Event | None = None
    memory_bytes: int = 1 << 30
    shared: Recording | None = None
    companion: Companion | None = None

    @property
    def recording(self) -> Recording:
        if self.shared is None:
            self.shared = record(self.module, self.x)
        return self.shared

    def behind(self, path: str) -> Request:
        """The same request for what lies behind the layer ``path`` (or the card's) alone: where nobody shares a recording, the pass up to
        the layer then costs a plain forward."""
        path = path or self.target_layer
        if self.shared is not None or not path or path not in dict(self.module.named_modules()):
            return self
        tail = record_after(self.module, self.x, path, FOR_GRADIENTS)
        return replace(self, shared=tail) if len(tail.input.shape) == self.x.ndim > 2 else self

    def report(self, share: float) -> None:
        """Tell the listener how far it is, and stop where the person asked to."""
        if self.cancel is not None and self.cancel.is_set():
            raise Cancelled
        if self.progress is not None:
            self.progress(min(max(share, 0.0), 1.0))

    def samples(self) -> Iterator[Request]:
        """One request a sample, each with a recording of its own."""
        for sample, label in enumerate(self.targets()):
            yield replace(self, x=self.x[sample : sample + 1], target=label, shared=None)

    @property
    def can_be_recorded(self) -> bool:
        """False for a module that hides its operations (a program): black-box explainers only."""
        return self.shared is not None or not hides_operations(self.module)

    @property
    def logit_value(self) -> Value:
        """The value whose samples are explained: the network's logits."""
        return logit_of(self.recording)

    @property
    def closes_with_activation(self) -> bool:
        """Whether the network returns probabilities, so that logits have to be read from a recording."""
        return self.can_be_recorded and self.logit_value is not self.recording.result

    @property
    def logits(self) -> Tensor:
        """What is explained, (N, L) or (N, L, *space)."""
        if not self.can_be_recorded:
            return logits_of(self.module, self.x, strip=False)
        logits = self.recording.tensor(self.logit_value)
        if logits.ndim == 0:
            raise TargetError(
                "The network returns one number for the whole batch.", "Give a network that returns (N, L)."
            )
        return logits

    def targets(self) -> tuple[int, ...]:
        """The label index of every sample; raises :class:`TargetError` for one that does not exist."""
        logits = self.logits
        labels = logits.shape[1] if logits.ndim > 1 else 1
        samples = logits.shape[0]
        if self.target is None:
            scores = logits.reshape(samples, labels, -1).mean(2)
            return tuple(int(best) for best in scores.argmax(1))
        given = self.target.tolist() if isinstance(self.target, Tensor | np.ndarray) else self.target
        chosen = (
            [as_index(label) for label in given] if isinstance(given, list | tuple) else [as_index(given)] * samples
        )
        if len(chosen) != samples:
            raise TargetError(
                f"{len(chosen)} targets were given for {samples} samples.", "Give one target, or one for each sample."
            )
        for label in chosen:
            if not 0 <= label < labels:
                raise TargetError(f"There is no label {label}.", f"This network has labels 0 to {labels - 1}.")
        return tuple(chosen)

    def selection(self) -> Tensor:
        """1 where an output is part of the explained sum, 0 elsewhere; shaped like the logits."""
        logits = self.logits
        chosen = torch.zeros_like(logits)
        for sample, label in enumerate(self.targets()):
            if logits.ndim <= 2:
                chosen.reshape(logits.shape[0], -1)[sample, label] = 1
            else:
                chosen[sample, label] = self._region(logits[sample], label).to(logits.dtype)
        return chosen

    def _region(self, logits: Tensor, label: int) -> Tensor:
        if self.where is not None:
            if self.where.shape != logits.shape[1:]:
                raise TargetError(
                    f"The region has the shape {tuple(self.where.shape)}, the output {tuple(logits.shape[1:])}.",
                    "Draw the region on the grid of the output.",
                )
            region = self.where.to(torch.bool)
        else:
            region = logits.argmax(0) == label if logits.shape[0] > 1 else logits[0] > 0
        if not bool(region.any()):
            raise TargetError("Nothing is predicted here for this label.", "Choose another label, or draw a region.")
        return region

    def scores(self, output: Tensor) -> Tensor:
        """The explained scalar (N,) of outputs shaped like the network's (logits)."""
        return summed(output * self.selection().to(output.dtype))


def as_index(label: Any) -> int:
    """A label's index as an int; raises :class:`TargetError` for anything that is none."""
    try:
        if isinstance(label, bool | str):
            raise TypeError
        return index(label)
    except TypeError:
        raise TargetError(
            f"{label!r} is not a label's index.", "Give a whole number, one per sample, or None."
        ) from None


def logits_of(module: nn.Module, x: Tensor, strip: bool) -> Tensor:
    """``module(x)`` as logits; where the network closes with a sigmoid or softmax, that is undone by recording."""
    if strip:
        request = Request(module, x)
        return request.logits
    with torch.no_grad():
        output = next(tensors_of(forward_of(module, x)), None)
    if output is None:
        raise ModuleStateError("The network returned no tensor.", "Give a module whose forward(x) returns a tensor.")
    return output


def summed(explained: Tensor) -> Tensor:
    """(N, L, *space), or (N,) of a network with one output, summed per sample."""
    return explained.reshape(explained.shape[0], -1).sum(1)


def joined(parts: Sequence[Attribution]) -> Attribution:
    """Attributions of single samples as one of the batch."""
    accounts = [part.account for part in parts]
    account = None
    if accounts[0] is not None:
        account = {
            name: torch.tensor([entry[name] for entry in accounts if entry is not None], dtype=torch.float64)
            for name in accounts[0]
        }
    return replace(
        parts[0],
        relevance=torch.cat([part.relevance for part in parts]),
        account=account,
        target=tuple(label for part in parts for label in part.target),
    )


def closed(account: Mapping[str, Tensor]) -> Mapping[str, Any]:
    """Account entries as floats where there is one sample."""
    return {name: float(entry[0]) if entry.shape[0] == 1 else entry for name, entry in account.items()}
