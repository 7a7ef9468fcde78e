"""Two recordings of one network side by side: the image's and its baseline's, step by step.

Differences from the baseline, points on the straight line between the two, and one operation's output anywhere on it:
what DeepLIFT's rules are written with. The steps of both passes must be the same ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from xai_core.errors import ModuleStateError
from xai_core.steps import Recording, Step, Value

_UNREAD = frozenset({"copy", "overwrite"})  # write over a constant without reading what it held
_UNSET = frozenset({"empty", "new_empty", "empty_like", "empty_strided", "new_empty_strided"})


class Pair:
    """``image`` and ``baseline``, recorded with the same network; values are named as the image's recording has them.

    Raises :class:`ModuleStateError` where the network took another way for the baseline (a branch that depends on the samples).
    """

    def __init__(self, image: Recording, baseline: Recording) -> None:
        self.image = image
        self.baseline = baseline
        self._other: dict[int, Value] = {image.input.index: baseline.input}
        same = len(image.steps) == len(baseline.steps)
        for here, there in zip(image.steps, baseline.steps, strict=False):
            same = same and here.operation == there.operation and shapes(here.outputs) == shapes(there.outputs)
            if not same:
                break
            self._other.update(zip((v.index for v in here.outputs), there.outputs, strict=True))
            self._other.update(zip((v.index for v in here.inputs), there.inputs, strict=False))
        if not same:
            raise ModuleStateError(
                "The network takes another way for the baseline than for the image.",
                "Choose another baseline, or an explainer that looks at the image alone, such as lrp-epsilon-plus.",
            )

    def at(self, value: Value) -> tuple[Tensor, Tensor]:
        """The samples of ``value`` for the image and for the baseline."""
        return self.image.tensor(value), self.baseline.tensor(self._other[value.index])

    def delta(self, value: Value) -> Tensor:
        """Difference from the baseline."""
        image, baseline = self.at(value)
        return image - baseline

    def between(self, step: Step, share: float) -> Recording:
        """The pass as ``step`` sees it with every input at baseline + ``share`` * (image - baseline)."""
        line = {}
        for value in step.inputs:
            if not value.is_constant:
                image, baseline = self.at(value)
                line[value.index] = torch.lerp(baseline, image, share)
        return Substituted(self.image, line, step)

    def results(self, step: Step, samples: Tensor) -> tuple[Tensor, ...]:
        """Outputs of ``step``, which has one input that is not constant, with ``samples`` in the place of that."""
        line = {value.index: samples for value in step.inputs if not value.is_constant}
        return Substituted(self.image, line, step).replay(step)

    def constants_differ(self, step: Step) -> bool:
        """Whether something counted as constant, such as a mask made by comparing, is another one for the baseline."""
        if step.operation in _UNREAD:
            return False
        for value in step.inputs:
            if value.is_constant and not (value.producer is not None and value.producer.operation in _UNSET):
                image, baseline = self.at(value)
                if not torch.equal(image, baseline):
                    return True
        return False


class Substituted(Recording):
    """A recording in which some values hold other samples, as far as one step looks: its outputs are computed anew."""

    def __init__(self, of: Recording, samples: Mapping[int, Tensor], step: Step) -> None:
        super().__init__(of.output, of.steps, of.input, of.result, of.module, of.x)
        self._samples = samples
        self._step = step
        self._outputs = {value.index: place for place, value in enumerate(step.outputs)}

    def tensor(self, value: Value) -> Tensor:
        known = self._samples.get(value.index)
        if known is not None:
            return known
        if value.index in self._outputs:
            return self.replay(self._step)[self._outputs[value.index]]
        return super().tensor(value)


def shapes(values: tuple[Value, ...]) -> list[Any]:
    return [tuple(value.shape) for value in values]
