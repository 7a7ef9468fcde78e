"""Linear operations seen alike: z = W a + b with its transposed map, whatever the operation.

A convolution (1-D to 3-D, transposed, grouped), a fully connected layer and a batch norm standing alone are each a
:class:`LinearLayer`: rules in ``rules.linear`` are written once against it. A batch norm right behind a convolution
is folded into it here, with its eps, on copies: the caller's module is never touched.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from copy import copy
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from xai_core.steps import Recording, Step, Value

BLOCK = 1 << 20
"""Weights of a block of a fully connected layer: what a processor's cache can hold."""


class NormFold:
    """A batch norm as scale * x + shift, (C,) each; the batch's own statistics count as constant. Computed when asked for."""

    def __init__(self, recording: Recording, step: Step) -> None:
        self._recording = recording
        self._step = step

    @cached_property
    def scale_shift(self) -> tuple[Tensor, Tensor]:
        step = self._step
        if step.operation == "_native_batch_norm_legit_no_training":
            _, weight, bias, mean, variance, _, eps = step.arguments
            is_training = False
        else:
            _, weight, bias, mean, variance, is_training, _, eps = step.arguments
        if is_training or mean is None:
            _, mean, inverse = self._recording.replay(step)
        else:
            mean, inverse = constant(mean), torch.rsqrt(constant(variance) + eps)
        scale = inverse if weight is None else constant(weight) * inverse
        shift = -mean * scale
        return scale, shift if bias is None else constant(bias) + shift

    @cached_property
    def signs(self) -> Tensor | None:
        """Sign of the scale of each channel, None where all are positive."""
        weight = constant(self._step.arguments[1])
        return None if weight is None or float(weight.amin()) > 0 else weight.sign()


class BiasFold:
    """A constant added to every output right behind a linear operation: its bias, written as an operation of its own."""

    signs: Tensor | None = None

    def __init__(self, bias: Tensor) -> None:
        self.scale_shift = (torch.ones_like(bias), bias)


Fold = NormFold | BiasFold


class LinearLayer(ABC):
    """z = W a + b. ``weight`` and ``bias`` are the folded ones; ``scale_free_weight`` has them but for a positive
    factor per output, which rules without bias and with a common denominator do not see. ``valid`` (1, in, *space):
    0 on taps that a padding step of its own put there, None where there is no such step. ``rectified``: what a ReLU right
    behind made of z, where there is one. ``output``: z itself, where the recording holds it.
    """

    weight: Tensor
    bias: Tensor | None
    valid: Tensor | None = None
    rectified: Tensor | None = None
    output: Tensor | None = None

    @property
    def scale_free_weight(self) -> Tensor:
        return self.weight

    def ones(self, like: Tensor) -> Tensor:
        """One sample of ones on the valid taps."""
        return torch.ones_like(like[:1]) if self.valid is None else self.valid

    def is_silent_below(self, relevance: Tensor) -> bool:
        """Whether only outputs z > 0 are known to have relevance, as they do behind a ReLU under rules that share by products."""
        if self.rectified is None or self.rectified.shape != relevance.shape:
            return False
        return not bool(torch.logical_and(relevance, self.rectified.logical_not()).any())

    def blocks(self) -> list[tuple[slice, LinearLayer]]:
        """Layers of some of the outputs each, where the whole weight is better not copied; else nothing."""
        return []

    @abstractmethod
    def forward(self, a: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """z of ``a`` under ``weight``: (N, out, *space)."""

    @abstractmethod
    def backward(self, s: Tensor, weight: Tensor, like: Tensor) -> Tensor:
        """W^T s, shaped like the input ``like``."""

    def forward_pair(self, a: Tensor, b: Tensor, weight: Tensor, other: Tensor, bias: Tensor | None = None) -> Tensor:
        """``weight`` a + ``other`` b."""
        return self.forward(a, weight, bias) + self.forward(b, other)

    def backward_pair(self, s: Tensor, weight: Tensor, other: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """``weight``^T s and ``other``^T s."""
        return self.backward(s, weight, like), self.backward(s, other, like)

    def bias_share(self, s: Tensor, bias: Tensor) -> Tensor:
        """s * b, summed over space: what the bias takes."""
        if bias.ndim == 1 and s.ndim > 2:
            return s.sum(tuple(range(2, s.ndim))) * bias
        return s * self.shaped(bias, s)

    def shaped(self, bias: Tensor, like: Tensor) -> Tensor:
        """``bias`` (out,) broadcast against z."""
        return bias.reshape((1, -1) + (1,) * (like.ndim - 2))


class Convolution(LinearLayer):
    """aten::convolution, any dimension, transposed or grouped; ``fold`` = (scale, shift) of a batch norm behind it."""

    def __init__(self, step: Step, fold: Fold | None = None) -> None:
        _, weight, bias, stride, padding, dilation, transposed, output_padding, groups = step.arguments
        self._settings = (stride, padding, dilation, transposed, output_padding, groups)
        self._raw: Tensor = weight
        self._raw_bias: Tensor | None = bias
        self._fold = fold
        self._transposed = bool(transposed)
        self._groups = int(groups)

    def _per_output(self, factor: Tensor) -> Tensor:
        """``factor`` (out,) shaped to multiply the weight."""
        ones = (1,) * (self._raw.ndim - 2)
        if not self._transposed:
            return factor.reshape(-1, 1, *ones)
        per_group = factor.reshape(self._groups, 1, -1, *ones)
        rows = self._raw.shape[0] // self._groups
        return per_group.expand(-1, rows, -1, *ones).reshape(self._raw.shape[0], -1, *ones)

    @property
    def weight(self) -> Tensor:  # type: ignore[override]
        return self._raw if self._fold is None else self._raw * self._per_output(self._fold.scale_shift[0])

    @property
    def bias(self) -> Tensor | None:  # type: ignore[override]
        if self._fold is None:
            return self._raw_bias
        scale, shift = self._fold.scale_shift
        return shift if self._raw_bias is None else self._raw_bias * scale + shift

    @property
    def scale_free_weight(self) -> Tensor:
        if self._fold is None or self._fold.signs is None:
            return self._raw
        return self._raw * self._per_output(self._fold.signs)

    def forward(self, a: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        z: Tensor = torch.ops.aten.convolution(a, weight, bias, *self._settings)
        return z

    def backward(self, s: Tensor, weight: Tensor, like: Tensor) -> Tensor:
        gradient: Tensor = torch.ops.aten.convolution_backward(
            s, like, weight, None, *self._settings, [True, False, False]
        )[0]
        return gradient

    def forward_pair(self, a: Tensor, b: Tensor, weight: Tensor, other: Tensor, bias: Tensor | None = None) -> Tensor:
        if self._transposed or self._groups > 1:
            return super().forward_pair(a, b, weight, other, bias)
        return self.forward(torch.cat((a, b), 1), torch.cat((weight, other), 1), bias)

    def backward_pair(self, s: Tensor, weight: Tensor, other: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        if self._transposed or self._groups > 1:
            return super().backward_pair(s, weight, other, like)
        channels = like.shape[1]
        both = self.backward(s, torch.cat((weight, other), 1), torch.cat((like, like), 1))
        return both[:, :channels], both[:, channels:]


class FullyConnected(LinearLayer):
    """aten::addmm and aten::mm with a constant matrix: a (N, in), weight (in, out)."""

    def __init__(self, step: Step, fold: Fold | None = None) -> None:
        if step.operation == "addmm":
            self.bias = step.arguments[0] * step.options.get("beta", 1)
            self.weight = step.arguments[2]
            alpha = step.options.get("alpha", 1)
            if alpha != 1:
                self.weight = self.weight * alpha
        else:
            self.bias = None
            self.weight = step.arguments[1]
        if fold is not None:
            scale, shift = fold.scale_shift
            self.weight = self.weight * scale
            self.bias = shift if self.bias is None else self.bias * scale + shift

    def forward(self, a: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return a @ weight if bias is None else torch.addmm(bias.expand(weight.shape[1]), a, weight)

    def backward(self, s: Tensor, weight: Tensor, like: Tensor) -> Tensor:
        return s @ weight.t()

    def blocks(self) -> list[tuple[slice, LinearLayer]]:
        rows, outputs = self.weight.shape
        size = max(1, BLOCK // rows)
        return [(part, self._of(part)) for part in (slice(k, k + size) for k in range(0, outputs, size))]

    def _of(self, outputs: slice) -> FullyConnected:
        part = copy(self)
        part.weight = self.weight[:, outputs]
        part.bias = None if self.bias is None else self.bias.expand(self.weight.shape[1])[outputs]
        part.rectified = None if self.rectified is None else self.rectified[..., outputs]
        part.output = None if self.output is None else self.output[..., outputs]
        return part


class MatrixProduct(LinearLayer):
    """Matrix product with ``weight`` (..., rows, columns), one matrix a sample and head, on the left or on the right of the input."""

    bias = None

    def __init__(self, weight: Tensor, on_left: bool) -> None:
        self.weight = weight
        self._on_left = on_left

    def forward(self, a: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return weight @ a if self._on_left else a @ weight

    def backward(self, s: Tensor, weight: Tensor, like: Tensor) -> Tensor:
        transposed = weight.transpose(-1, -2)
        return transposed @ s if self._on_left else s @ transposed


class Diagonal(LinearLayer):
    """One weight and bias a channel (dimension 1), or of any shape that broadcasts against the input: a norm alone."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self.weight = weight
        self.bias = bias

    def forward(self, a: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        z = a * self.shaped(weight, a)
        return z if bias is None else z + self.shaped(bias, a)

    def backward(self, s: Tensor, weight: Tensor, like: Tensor) -> Tensor:
        return s * self.shaped(weight, s)

    def shaped(self, bias: Tensor, like: Tensor) -> Tensor:
        return super().shaped(bias, like) if bias.ndim == 1 else bias


def layer_of(step: Step, fold: Fold | None = None) -> tuple[LinearLayer, Value] | None:
    """The linear layer that ``step`` is and the value it reads, or None where its weight depends on the input."""
    if step.operation == "convolution":
        a, weight, bias = step.arguments[:3]
        if not is_free(a) and is_free(weight) and is_free(bias):
            return Convolution(with_constants(step), fold), a
    elif step.operation == "addmm":
        bias, a, weight = step.arguments[:3]
        if not is_free(a) and is_free(weight) and is_free(bias):
            return FullyConnected(with_constants(step), fold), a
    elif step.operation == "mm":
        a, weight = step.arguments[:2]
        if not is_free(a) and is_free(weight):
            return FullyConnected(with_constants(step), fold), a
    return None


def is_free(argument: Any) -> bool:
    """True where ``argument`` does not depend on the network's input."""
    if isinstance(argument, Sequence) and not isinstance(argument, str):
        return all(is_free(part) for part in argument)
    return not isinstance(argument, Value) or argument.is_constant


def with_constants(step: Step) -> Step:
    """``step`` with constant values replaced by their tensors."""
    if not any(isinstance(argument, Value) and argument.is_constant for argument in step.arguments):
        return step
    arguments = tuple(constant(argument) for argument in step.arguments)
    return Step(step.operation, step.function, arguments, step.options, step.path, step.inputs)


def constant(argument: Any) -> Any:
    """The tensor of a constant value; anything else unchanged."""
    return argument.tensor if isinstance(argument, Value) and argument.is_constant else argument
