"""Growers of layers: convolutions of every kind, fully connected ones, norms, activations, pools, resizes, attention."""

from __future__ import annotations

from tests.fuzz.growth import Growth, grows

ACTIVATIONS = (
    "F.relu({})",
    "torch.relu({})",
    "F.relu6({})",
    "F.leaky_relu({}, 0.2)",
    "F.elu({})",
    "F.celu({})",
    "F.selu({})",
    "F.silu({})",
    "F.gelu({})",
    "F.mish({})",
    "F.softplus({})",
    "F.hardswish({})",
    "F.hardsigmoid({})",
    "F.hardtanh({})",
    "F.logsigmoid({})",
    "F.threshold({}, 0.1, 0.0)",
    "F.hardshrink({}, 0.1)",
    "F.softshrink({}, 0.1)",
    "F.rrelu({})",
    "torch.tanh({})",
    "torch.sigmoid({})",
    "{}.clamp(min=0)",
    "torch.clamp({}, -1, 2)",
    "F.dropout({}, 0.5, False)",
)
MODULES = (
    "nn.ReLU()",
    "nn.ReLU(inplace=True)",
    "nn.LeakyReLU(0.1)",
    "nn.LeakyReLU(0.1, inplace=True)",
    "nn.ELU(inplace=True)",
    "nn.SiLU()",
    "nn.SiLU(inplace=True)",
    "nn.GELU(approximate='tanh')",
    "nn.Hardswish(inplace=True)",
    "nn.PReLU()",
    "nn.ReLU6(inplace=True)",
    "nn.Mish()",
    "nn.Softplus()",
    "nn.Dropout(0.3)",
    "nn.Identity()",
    "nn.CELU(inplace=True)",
    "nn.Tanh()",
    "nn.Sigmoid()",
)


def options(**given: object) -> str:
    """``, name=value`` for every entry that is not None."""
    return "".join(f", {name}={value!r}" for name, value in given.items() if value is not None)


def activation(g: Growth, name: str) -> str:
    """An expression that activates ``name``."""
    return (
        g.choose(["F.relu({})", *ACTIVATIONS]).format(name) if g.often(0.6) else f"{g.layer(g.choose(MODULES))}({name})"
    )


@grows(7)
def convolution(g: Growth) -> None:
    a = g.pick()
    space, c = g.space(a), g.channels(a)
    groups = g.choose([1, 1, 1, *(part for part in (2, 3, c) if c % part == 0)])
    out = groups * g.between(1, max(1, 6 // groups))
    kernel = tuple(g.between(1, 3) for _ in space)
    dilation = tuple(g.choose([1, 1, 2]) for _ in space)
    stride = tuple(g.choose([1, 1, 1, 2]) for _ in space)
    padding = tuple(g.between(0, 2) for _ in space)
    mode = g.choose([None, None, None, None, "reflect", "replicate", "circular"])
    if mode is not None:
        padding = tuple(min(pad, size - 1) for pad, size in zip(padding, space, strict=True))
    pairs = zip(space, kernel, dilation, stride, padding, strict=True)
    g.need_room(out, *((s + 2 * p - d * (k - 1) - 1) // t + 1 for s, k, d, t, p in pairs))
    rest = options(
        stride=stride if max(stride) > 1 else None,
        padding=padding if max(padding) else None,
        dilation=dilation if max(dilation) > 1 else None,
        groups=groups if groups > 1 else None,
        bias=None if g.often(0.6) else False,
        padding_mode=mode,
    )
    g.grow(f"{g.layer(f'nn.Conv{g.dims}d({c}, {out}, {kernel}{rest})')}({a})")
    follow(g)


def follow(g: Growth) -> None:
    """What often stands behind a convolution: a norm, an activation, both, nothing."""
    if g.often(0.4):
        norm(g, g.maps[-1])
    if g.often(0.6):
        g.grow(activation(g, g.maps[-1]))


@grows(2)
def same_convolution(g: Growth) -> None:
    """A convolution that keeps its shape, so that it can be called again."""
    a = g.pick()
    c = g.channels(a)
    g.need_room(c, *g.space(a))
    called = g.layer(f"nn.Conv{g.dims}d({c}, {c}, 3, padding=1)")
    g.callable[called] = c
    b = g.grow(f"{called}({a})")
    if g.often(0.5):
        g.grow(f"{activation(g, b)} + {a}")


@grows(2)
def layer_called_again(g: Growth) -> None:
    a = g.pick()
    fitting = [name for name, c in g.callable.items() if c == g.channels(a)]
    g.need(bool(fitting))
    g.grow(f"F.relu({g.choose(fitting)}({a}))")


@grows(1)
def functional_convolution(g: Growth) -> None:
    """Weights that are worked out in the forward pass (weight standardisation)."""
    a = g.pick()
    c, out = g.channels(a), g.between(1, 5)
    g.need_room(out, *g.space(a))
    w = g.layer(f"nn.Parameter(torch.empty({out}, {c}, {', '.join(['3'] * g.dims)}))")
    weight = g.choose([w, f"{w} - {w}.mean(1, keepdim=True)", f"F.normalize({w}, dim=1)", f"{w}.abs()"])
    g.grow(f"F.conv{g.dims}d({a}, {weight}, padding=1)")


@grows(3)
def transposed_convolution(g: Growth) -> None:
    a = g.pick()
    space, c = g.space(a), g.channels(a)
    groups = g.choose([1, 1, *(part for part in (2, c) if c % part == 0)])
    out = groups * g.between(1, max(1, 4 // groups))
    kernel = tuple(g.between(1, 3) for _ in space)
    stride = tuple(g.choose([1, 2, 2]) for _ in space)
    dilation = tuple(g.choose([1, 1, 1, 2]) for _ in space)
    padding = tuple(g.between(0, 1) for _ in space)
    extra = tuple(g.between(0, max(t, d) - 1) if g.often(0.4) else 0 for t, d in zip(stride, dilation, strict=True))
    pairs = zip(space, kernel, stride, dilation, padding, extra, strict=True)
    g.need_room(out, *((s - 1) * t - 2 * p + d * (k - 1) + e + 1 for s, k, t, d, p, e in pairs))
    rest = options(
        stride=stride if max(stride) > 1 else None,
        padding=padding if max(padding) else None,
        output_padding=extra if max(extra) else None,
        groups=groups if groups > 1 else None,
        bias=None if g.often(0.6) else False,
        dilation=dilation if max(dilation) > 1 else None,
    )
    g.grow(f"{g.layer(f'nn.ConvTranspose{g.dims}d({c}, {out}, {kernel}{rest})')}({a})")
    follow(g)


@grows(2)
def channels_mixed(g: Growth) -> None:
    """A fully connected layer over the channels of every place (tokens)."""
    a = g.pick()
    out = g.between(1, 6)
    g.need_room(out, *g.space(a))
    code = g.layer(f"nn.Linear({g.channels(a)}, {out}{options(bias=None if g.often(0.7) else False)})")
    moved = g.let(f"{code}({a}.movedim(1, -1))")
    if g.often(0.4):
        moved = g.let(f"{g.layer(f'nn.LayerNorm({out})')}({moved})")
    if g.often(0.5):
        moved = g.let(activation(g, moved))
    g.grow(f"{moved}.movedim(-1, 1)")


@grows(4, needs_space=False)
def fully_connected(g: Growth) -> None:
    g.need(g.dims == 0)
    a = g.pick()
    g.grow(
        f"{g.layer(f'nn.Linear({g.channels(a)}, {g.between(2, 8)}{options(bias=None if g.often(0.7) else False)})')}({a})"
    )
    follow(g)


@grows(2, needs_space=False)
def normed(g: Growth) -> None:
    norm(g, g.pick())


def norm(g: Growth, a: str) -> None:
    c, space = g.channels(a), g.space(a)
    batch = "BatchNorm1d" if g.dims <= 1 else f"BatchNorm{g.dims}d"
    codes = [f"nn.{batch}({c})", f"nn.{batch}({c}, eps=0.01)", f"nn.{batch}({c}, affine=False)"]
    if g.dims:
        groups = g.choose([n for n in range(1, c + 1) if c % n == 0])
        if g.value(a)[0].numel() > groups:
            codes += [f"nn.GroupNorm({groups}, {c})", f"nn.GroupNorm({groups}, {c}, affine=False)"]
        last = g.choose([space, space[-1:]])
        codes += [f"nn.LayerNorm({tuple(last)})", f"nn.LayerNorm({(c, *space)}, elementwise_affine=False)"]
        if len(set(g.value(a).flatten(2)[0, 0].tolist())) > 1:
            codes += [f"nn.InstanceNorm{g.dims}d({c}, affine=True)", f"nn.InstanceNorm{g.dims}d({c})"]
        codes += [f"nn.InstanceNorm{g.dims}d({c}, affine=True, track_running_stats=True)"]
    else:
        codes += [f"nn.LayerNorm({c})", f"nn.LayerNorm({c}, bias=False)"]
    g.grow(f"{g.layer(g.choose(codes))}({a})")


@grows(4, needs_space=False)
def activated(g: Growth) -> None:
    g.grow(activation(g, g.pick()))


@grows(3)
def pooled(g: Growth) -> None:
    a = g.pick()
    space = g.space(a)
    g.need(max(space) >= 2)
    kernel = tuple(min(g.between(1, 3), size) for size in space)
    stride = g.choose([None, tuple(g.between(1, 2) for _ in space)])
    padding = tuple(g.between(0, size // 2) for size in kernel)
    ceil = True if g.often(0.2) else None
    given = options(stride=stride, padding=padding if max(padding) else None, ceil_mode=ceil)
    if g.often(0.5):
        dilation = 2 if g.often(0.15) and all(s >= 2 * k - 1 for s, k in zip(space, kernel, strict=True)) else None
        given += options(dilation=dilation)
        g.grow(
            g.choose(
                [
                    f"F.max_pool{g.dims}d({a}, {kernel}{given})",
                    f"{g.layer(f'nn.MaxPool{g.dims}d({kernel}{given})')}({a})",
                ]
            )
        )
    else:
        given += options(count_include_pad=False if g.often(0.3) else None)
        g.grow(f"F.avg_pool{g.dims}d({a}, {kernel}{given})")


@grows(1.5)
def adaptively_pooled(g: Growth) -> None:
    a = g.pick()
    size = tuple(g.between(1, side) for side in g.space(a))
    g.grow(f"F.adaptive_{g.choose(['avg', 'avg', 'max'])}_pool{g.dims}d({a}, {size})")


@grows(1)
def reduced(g: Growth) -> None:
    """One axis, or all of space, brought to one place by a mean, sum or maximum."""
    a = g.pick()
    axes = g.choose([tuple(range(2, g.dims + 2)), (g.between(1, g.dims + 1),), (-1,)])
    how = g.choose(["mean", "mean", "sum", "amax"])
    g.grow(f"{a}.{how}({axes if len(axes) > 1 else axes[0]}, keepdim=True)")


@grows(2.5)
def resized(g: Growth) -> None:
    a = g.pick()
    space = g.space(a)
    smooth_mode = {1: ["linear"], 2: ["bilinear", "bicubic"], 3: ["trilinear"]}[g.dims]
    mode = g.choose(["nearest", "nearest", "nearest-exact", *smooth_mode, *smooth_mode])
    size = tuple(g.between(max(1, side - 1), side * 2) for side in space)
    g.need_room(g.channels(a), *(2 * side for side in space))
    where = g.choose([f"size={size}", "scale_factor=2"])
    corners = options(align_corners=g.often(0.5) if "linear" in mode or "cubic" in mode else None)
    g.grow(f"F.interpolate({a}, {where}, mode={mode!r}{corners})")


@grows(3)
def attended(g: Growth) -> None:
    """Self-attention over the places, in one of its three spellings, with the way around it."""
    a = g.pick()
    c, space = g.channels(a), g.space(a)
    g.need_room(3 * c, *space)
    g.need(len(g.value(a)[0, 0].flatten()) <= 80)
    tokens = g.let(f"{a}.flatten(2).transpose(1, 2)")
    how = g.between(0, 2)
    if how == 0:
        heads = g.choose([n for n in (1, 2) if c % n == 0])
        part = g.layer(f"nn.MultiheadAttention({c}, {heads}, batch_first=True)")
        mixed = g.let(f"{part}({tokens}, {tokens}, {tokens}, need_weights={g.often(0.5)})[0]")
    else:
        joined = g.let(f"{g.layer(f'nn.Linear({c}, {3 * c})')}({tokens})")
        q, k, v = (g.let(f"{joined}.chunk(3, -1)[{n}]") for n in range(3))
        if how == 1:
            weights = g.let(f"torch.softmax({q} @ {k}.transpose(1, 2) * {c**-0.5:.3f}, -1)")
            mixed = g.let(f"{weights} @ {v}")
        else:
            mixed = g.let(f"F.scaled_dot_product_attention({q}, {k}, {v})")
    if g.often(0.7):
        mixed = g.let(f"{tokens} + {mixed}")
    g.grow(f"{mixed}.transpose(1, 2).unflatten(2, {space})")
