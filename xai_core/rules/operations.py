"""LRP rules of every operation that is not linear with weights of its own: activations, structure, pools, sums, products, norms.

Semantics, section 4. Values pass an activation unchanged, go back through structure the way they came, and are shared
out by sums and pools as by linear operations with non-negative weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from xai_core.rules.context import Context, Shares, relevance_rule
from xai_core.rules.derivative import derivative_of, pool_settings
from xai_core.rules.layers import BiasFold, Diagonal, MatrixProduct, NormFold, constant, is_free, layer_of
from xai_core.rules.linear import Box, Epsilon, Study, applied, described, divided, positive
from xai_core.steps import Step, Value, parted

ACTIVATIONS = (
    "relu hardtanh silu gelu elu celu selu leaky_relu sigmoid tanh hardsigmoid hardswish mish softplus threshold "
    "_prelu_kernel prelu rrelu_with_noise clamp clamp_min native_dropout log_sigmoid_forward softsign hardshrink softshrink"
).split()
STRUCTURE = (
    "view _unsafe_view reshape _reshape_alias t transpose permute slice select squeeze unsqueeze expand clone "
    "alias _to_copy to contiguous split split_with_sizes unsafe_split unsafe_split_with_sizes unbind chunk narrow cat stack flip roll index index_select gather "
    "constant_pad_nd reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d replication_pad2d replication_pad3d "
    "as_strided pixel_shuffle pixel_unshuffle channel_shuffle unfold diagonal repeat lift_fresh"
).split()
HOLDS_CONSTANTS = frozenset(
    "constant_pad_nd where masked_fill slice_scatter select_scatter index_put masked_scatter tril triu".split()
)
RESIZES = (
    "upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d _upsample_nearest_exact2d "
    "_upsample_nearest_exact3d upsample_linear1d upsample_bilinear2d upsample_trilinear3d upsample_bicubic2d"
).split()
AVERAGES = "avg_pool1d avg_pool2d avg_pool3d _adaptive_avg_pool2d _adaptive_avg_pool3d mean sum".split()
MAXIMA = (
    "max_pool2d_with_indices max_pool3d_with_indices adaptive_max_pool2d adaptive_max_pool3d amax max maximum".split()
)
GATES = frozenset({"sigmoid", "_softmax", "_safe_softmax", "hardsigmoid"})
_POOL_EPSILON = Epsilon(1e-6)


@relevance_rule("convolution", "addmm", "mm")
def share_linear(context: Context, step: Step, relevance: Sequence[Tensor | None]) -> Shares:
    """A linear operation: by the rule that the composite gives it, its batch norm folded in."""
    fold = context.folded.pop(id(step), None)
    found = layer_of(step, fold)
    if found is None:
        if step.operation == "convolution":
            raise context.unsupported(step)
        return share_matrix_product(context, step, relevance)
    layer, a = found
    layer.valid = _valid_taps(context, a)
    behind = context.rectified.pop(id(step), None)
    layer.rectified = None if behind is None else behind.tensor
    layer.output = None if fold is not None else step.outputs[0].tensor
    rule = context.linear_rule(step)
    context.chosen[step.path or step.operation] = described(rule)
    share = applied(rule, layer, context.tensor(a), arrived(relevance), context.books, a.is_non_negative)
    return [(a, share)]


def _valid_taps(context: Context, value: Value) -> Tensor | None:
    """1 where ``value`` holds samples, 0 on zeros that a padding step of its own put around them; None without one."""
    step = value.producer
    if step is None or step.operation != "constant_pad_nd":
        return None
    samples = torch.ones((1, *step.inputs[0].shape[1:]), dtype=value.dtype, device=context.recording.output.device)
    return torch.constant_pad_nd(samples, step.arguments[1])


@relevance_rule(*ACTIVATIONS, "detach")
def pass_unchanged(context: Context, step: Step, relevance: Sequence[Tensor | None]) -> Shares:
    """Every elementwise activation, dropout in eval, detach (a gradient stops there, a value does not): unchanged."""
    if step.operation == "relu" and step.inputs[0].consumers == 1:
        context.rectified[id(step.inputs[0].producer)] = step.outputs[0]
    return [(step.inputs[0], arrived(relevance))]


@relevance_rule(*STRUCTURE, *HOLDS_CONSTANTS)
def return_the_way(context: Context, step: Step, relevance: Sequence[Tensor | None]) -> Shares:
    """Structure: back the way the values came; what lies on padding or constants ends in ``stopped``."""
    shares = list(derivative_of(context.recording, step, relevance))
    if step.operation in HOLDS_CONSTANTS or (step.operation in ("cat", "stack") and not all_depend(step)):
        context.books.stopped += context.books.total(arrived(relevance)) - sum(
            context.books.total(share) for _, share in shares
        )
    return shares


def all_depend(step: Step) -> bool:
    """True where every part of a concatenation comes from the input."""
    return not any(is_free(part) for part in step.arguments[0])


@relevance_rule("overwrite")
def part_overwritten(context: Context, step: Step, relevance: Sequence[Tensor | None]) -> Shares:
    """Memory written through another view: the overwritten part to the new value, the rest to the old one."""
    old, new = step.arguments
    left, written = parted(arrived(relevance), step.options["old"], step.options["new"])
    shares = []
    for value, share in ((old, left), (new, written)):
        if value.is_constant:
            context.books.stopped += context.books.total(share)
        else:
            shares.append((value, share))
    return shares


@relevance_rule("copy")
def copy_over(context: Context, step: Step, relevance: Sequence[Tensor | None]) -> Shares:
    """x.copy_(y): everything comes from y."""
    source = step.arguments[1]
    r = arrived(relevance)
    if is_free(source):
        context.books.stopped += context.books.total(r)
        return []
    return [(source, summed_to(r, source.shape))]


@relevance_rule("fill", "zero")
def blank(context: Context, step: Step, relevance: Sequence[Tensor | None]) -> Shares:
    """x.fill_(c), x[...] = c: nothing of what was there is left; what lies on the constant ends in ``stopped``."""
    context.books.stopped += context.books.total(arrived(relevance))
    return []


@relevance_rule(*MAXIMA)
def share_maximum(context: Context, step: Step, relevance: Sequence[Tensor | None]) -> Shares:
    """Max pool: all to the winner, or in proportion to the positive values of the window."""
    value = step.inputs[0]
    r = relevance[0]
    if r is None:
        return []
    if context.pooling == "proportional":
        if step.operation.startswith("max_pool"):
            return [(value, _proportional(context, step, r))]
        context.note(step, "all to the winner of a maximum that is no max pool")
    return list(derivative_of(context.recording, step, [r, *([None] * (len(step.outputs) - 1))]))


def _proportional(context: Context, step: Step, relevance: Tensor) -> Tensor:
    a = positive(context.tensor(step.inputs[0]))
    kernel, stride, padding, dilation, ceil_mode = pool_settings(step)
    if dilation not in (1, [1], [1, 1], [1, 1, 1]):
        raise context.unsupported(step)
    pool = torch.nn.functional.avg_pool2d if a.ndim == 4 else torch.nn.functional.avg_pool3d
    with torch.enable_grad():
        source = a.clone().requires_grad_()
        z = pool(source, kernel, stride or None, padding, bool(ceil_mode), True, 1)
    s = divided(relevance, z.detach().clone(), context.books)
    return torch.autograd.grad(z, source, s)[0] * a


@relevance_rule(*AVERAGES, *RESIZES)
def share_average(context: Context, step: Step, relevance: Sequence[Tensor | None]) -> Shares:
    """Pools by the mean, resizes: rule ``epsilon`` (or ``z``, where the composite has it) on non-negative weights."""
    value = step.inputs[0]
    rule = context.sum_rule(step)
    epsilon = rule if isinstance(rule, Epsilon) else _POOL_EPSILON
    if epsilon is not rule:
        context.note(step, "averages and resizes by epsilon")
    s = epsilon.ratio(context.tensor(step.outputs[0]), arrived(relevance), context.books)
    ((_, share),) = derivative_of(context.recording, step, [s])
    return [(value, share * context.tensor(value))]


@relevance_rule("add", "sub", "rsub")
def share_sum(context: Context, step: Step, relevance: Sequence[Tensor | None]) -> Shares:
    """a + b: a linear operation with weights 1; a constant takes a bias's share where the rule has biases, else nothing."""
    r = arrived(relevance)
    left, right = step.arguments[0], step.arguments[1]
    factor = step.options.get("alpha", step.arguments[2] if len(step.arguments) > 2 else 1)
    signs = {"add": (1, factor), "sub": (1, -factor), "rsub": (-factor, 1)}[step.operation]
    rule = context.sum_rule(step)
    free = [part for part in (left, right) if not is_free(part)]
    if len(free) == 1 and step.operation == "add" and factor == 1 and _folds_bias(context, step, free[0]):
        return [(free[0], r)]
    if len(free) == 1 and not rule.keeps_norms:
        return [(free[0], summed_to(r, free[0].shape))]
    if isinstance(rule, Box | Study):
        context.note(step, "sums by alpha 1 beta 0")
    parts = [_term(context, part, sign, r) for part, sign in zip((left, right), signs, strict=True)]
    known = all(isinstance(part, Value) and part.is_non_negative for part in (left, right)) and min(signs) > 0
    shares = []
    for part, share in zip((left, right), rule.share_sum(parts, r, context.books, known), strict=True):
        if is_free(part):
            context.books.bias += context.books.total(share.expand_as(r))
        else:
            shares.append((part, summed_to(share, part.shape)))
    return shares


def _folds_bias(context: Context, step: Step, value: Value) -> bool:
    """Whether the constant of ``step`` is the bias of the fully connected layer that made ``value``; then it is folded in."""
    bias = constant(next(part for part in step.arguments[:2] if part is not value))
    while value.consumers == 1 and value.producer is not None and value.producer.operation in ("view", "_unsafe_view"):
        if value.producer.inputs[0].shape[-1] != value.shape[-1]:
            return False
        value = value.producer.inputs[0]
    producer = value.producer
    if value.consumers != 1 or producer is None or producer.operation not in ("mm", "addmm") or not layer_of(producer):
        return False
    if not isinstance(bias, Tensor) or bias.shape != value.shape[-1:]:
        return False
    context.folded[id(producer)] = BiasFold(bias)
    return True


def _term(context: Context, part: Any, sign: float, like: Tensor) -> Tensor:
    part = constant(part)
    tensor = (
        context.tensor(part) if isinstance(part, Value) else torch.as_tensor(part, dtype=like.dtype, device=like.device)
    )
    return tensor if sign == 1 else tensor * sign


@relevance_rule("mul", "div")
def share_product(context: Context, step: Step, relevance: Sequence[Tensor | None]) -> Shares:
    """Scaled by a constant: unchanged. Gated: all to the signal. Two signals: half and half."""
    r = arrived(relevance)
    left, right = step.arguments[:2]
    if is_free(right):
        return [(left, summed_to(r, left.shape))]
    if step.operation == "div":
        raise context.unsupported(step)
    if is_free(left):
        return [(right, summed_to(r, right.shape))]
    for gate, signal in ((left, right), (right, left)):
        if is_gate(gate):
            return [(signal, summed_to(r, signal.shape))]
    if left is right:
        return [(left, r)]
    return [(left, summed_to(r / 2, left.shape)), (right, summed_to(r / 2, right.shape))]


@relevance_rule("neg")
def pass_scaled(context: Context, step: Step, relevance: Sequence[Tensor | None]) -> Shares:
    """Scaled by minus one: unchanged."""
    return [(step.inputs[0], arrived(relevance))]


@relevance_rule("bmm")
def share_matrix_product(context: Context, step: Step, relevance: Sequence[Tensor | None]) -> Shares:
    """Matrix product. One signal (the other a constant, or attention's gate): linear in it, by the composite's rule.

    Two signals: half and half, each linear with the other as weights. None: relevance ends in ``stopped``.
    """
    r = arrived(relevance)
    left, right = step.arguments[:2]
    if step.operation == "addmm":
        raise context.unsupported(step)
    signals = [part for part in (left, right) if not is_free(part) and not is_gate(part)]
    if not signals:
        context.books.stopped += context.books.total(r)
        return []
    a, b = (context.tensor(part) if isinstance(part, Value) else part for part in (left, right))
    if len(signals) == 1:
        on_left = signals[0] is right
        return [(signals[0], _linear_in(context, step, MatrixProduct(a if on_left else b, on_left), signals[0], r))]
    context.note(step, "products of two signals half and half")
    s = _POOL_EPSILON.ratio(context.tensor(step.outputs[0]), r, context.books)
    return [(left, a * (s @ b.transpose(-1, -2)) / 2), (right, b * (a.transpose(-1, -2) @ s) / 2)]


def _linear_in(context: Context, step: Step, layer: MatrixProduct, value: Value, relevance: Tensor) -> Tensor:
    rule = context.sum_rule(step)
    return rule(layer, context.tensor(value), relevance, context.books, value.is_non_negative)


@relevance_rule("_scaled_dot_product_flash_attention_for_cpu", "_scaled_dot_product_attention_math")
def share_attention(context: Context, step: Step, relevance: Sequence[Tensor | None]) -> Shares:
    """Attention in one operation: softmax(q k^T) is a gate, the product linear in the value, by the composite's rule."""
    query, key, value = step.arguments[:3]
    if not isinstance(value, Value) or value.is_constant or (len(step.arguments) > 4 and step.arguments[4]):
        raise context.unsupported(step)
    q, k = (context.tensor(part) if isinstance(part, Value) else part for part in (query, key))
    scale = step.options.get("scale") or q.shape[-1] ** -0.5
    scores = q @ k.transpose(-1, -2) * scale
    mask = constant(step.options.get("attn_mask"))
    weights = (scores if mask is None else scores + mask).softmax(-1)
    return [(value, _linear_in(context, step, MatrixProduct(weights, on_left=True), value, arrived(relevance)))]


@relevance_rule("native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_no_training")
def share_batch_norm(context: Context, step: Step, relevance: Sequence[Tensor | None]) -> Shares:
    """Batch norm: folded into the convolution below, or passed through, or (z, epsilon) a diagonal layer with a bias."""
    r = arrived(relevance)
    value = step.arguments[0]
    producer = context.foldable_producer(step)
    if producer is not None:
        context.folded[id(producer)] = NormFold(context.recording, step)
        if id(step) in context.rectified:
            context.rectified[id(producer)] = context.rectified.pop(id(step))
        return [(value, r)]
    rule = context.linear_rule(step)
    if not context.folds_norms or not rule.keeps_norms:
        context.note(step, "norms passed unchanged")
        return [(value, r)]
    scale, shift = NormFold(context.recording, step).scale_shift
    context.chosen[step.path or step.operation] = described(rule)
    return [(value, rule(Diagonal(scale, shift), context.tensor(value), r, context.books, value.is_non_negative))]


@relevance_rule("native_layer_norm", "native_group_norm")
def share_layer_norm(context: Context, step: Step, relevance: Sequence[Tensor | None]) -> Shares:
    """Layer and group norm: statistics constant, a diagonal affine map."""
    r = arrived(relevance)
    value = step.arguments[0]
    rule = context.linear_rule(step)
    if not rule.keeps_norms:
        context.note(step, "norms passed unchanged")
        return [(value, r)]
    a = context.tensor(value)
    _, mean, inverse = context.recording.replay(step)
    if step.operation == "native_layer_norm":
        weight, bias = constant(step.arguments[2]), constant(step.arguments[3])
        scale = inverse if weight is None else inverse * weight
        shift = -mean * scale
        shift = shift if bias is None else shift + bias
    else:
        weight, bias, groups = constant(step.arguments[1]), constant(step.arguments[2]), step.arguments[6]
        shape = (a.shape[0], a.shape[1]) + (1,) * (a.ndim - 2)
        per_channel = a.shape[1] // groups
        scale = inverse.repeat_interleave(per_channel, 1).reshape(shape)
        shift = -mean.repeat_interleave(per_channel, 1).reshape(shape) * scale
        affine = (1, -1) + (1,) * (a.ndim - 2)
        if weight is not None:
            scale, shift = scale * weight.reshape(affine), shift * weight.reshape(affine)
        if bias is not None:
            shift = shift + bias.reshape(affine)
    return [(value, rule(Diagonal(scale, shift.expand_as(a)), a, r, context.books, value.is_non_negative))]


def is_gate(value: Any) -> bool:
    """True for a value that is a sigmoid, softmax or hard sigmoid, also behind structure."""
    while isinstance(value, Value) and value.producer is not None:
        if value.producer.operation in GATES:
            return True
        if value.producer.operation not in STRUCTURE or len(value.producer.inputs) != 1:
            return False
        value = value.producer.inputs[0]
    return False


def summed_to(relevance: Tensor, shape: torch.Size) -> Tensor:
    """``relevance`` summed over the dimensions along which an operand of ``shape`` was broadcast."""
    return relevance if relevance.shape == shape else relevance.sum_to_size(shape)


def arrived(relevance: Sequence[Tensor | None]) -> Tensor:
    """Relevance of the first output."""
    first = relevance[0]
    assert first is not None
    return first
