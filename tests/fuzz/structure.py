"""Growers of everything between layers: sums, products and gates, concatenations, slices, moves, pads, skips."""

from __future__ import annotations

from tests.fuzz.growth import Growth, grows
from tests.fuzz.layers import activation


@grows(4, needs_space=False)
def summed(g: Growth) -> None:
    a = g.pick()
    b = g.partner(a)
    k = g.number()
    g.grow(
        g.choose(
            [
                f"{a} + {b}",
                f"{b} + {a}",
                f"{a} - {b}",
                f"torch.add({a}, {b}, alpha={k})",
                f"torch.sub({a}, {b}, alpha={k})",
                f"{k} * {a} + {b}",
                f"{a} + {a}",
                f"({a} + {b}) / 2",
            ]
        )
    )


@grows(1.5, needs_space=False)
def with_constant(g: Growth) -> None:
    a = g.pick()
    k = g.number()
    shape = (1, g.channels(a), *[1] * g.dims)
    parameter = f"nn.Parameter(torch.empty{shape})"
    g.grow(
        g.choose(
            [
                lambda: f"{a} + {k}",
                lambda: f"{a} - {k}",
                lambda: f"{k} - {a}",
                lambda: f"{a} * {k}",
                lambda: f"{a} / {k}",
                lambda: f"-{a}",
                lambda: f"{a} + {g.layer(parameter)}",
                lambda: f"{a} * {g.layer(parameter)}",
                lambda: f"{g.layer(parameter)} - {a}",
                lambda: f"torch.ones_like({a}) + {a}",
            ]
        )()
    )


@grows(1)
def sum_broadcast(g: Growth) -> None:
    """A summand that is spread over space or channels."""
    a = g.pick()
    axes = g.choose([tuple(range(2, g.dims + 2)), (1,)])
    pooled = g.let(f"{a}.mean({axes}, keepdim=True)")
    g.grow(g.choose([f"{a} + {pooled}", f"{pooled} + {a}", f"{a} - {pooled}"]))


@grows(3)
def gated(g: Growth) -> None:
    """A gate that multiplies the signal: squeeze and excitation, spatial attention, softmax over channels."""
    a = g.pick()
    c = g.channels(a)
    every = tuple(range(2, g.dims + 2))
    gate = g.choose(["torch.sigmoid({})", "F.hardsigmoid({})", "torch.softmax({}, 1)"])
    how = g.between(0, 3)
    if how == 0:
        hidden = g.let(f"{g.layer(f'nn.Linear({c}, {c})')}({a}.mean({every}))")
        opened = gate.format(hidden) + f".reshape(-1, {c}, {', '.join(['1'] * g.dims)})"
    elif how == 1:
        opened = gate.format(f"{g.layer(f'nn.Conv{g.dims}d({c}, {c}, 1)')}({a}.mean({every}, keepdim=True))")
    elif how == 2:
        opened = gate.format(f"{g.layer(f'nn.Conv{g.dims}d({c}, 1, 1)')}({a})")
    else:
        opened = gate.format(g.partner(a))
    gate_name = g.let(opened)
    g.grow(g.choose([f"{a} * {gate_name}", f"{gate_name} * {a}", f"{a}.mul({gate_name})"]))


@grows(1, needs_space=False)
def multiplied(g: Growth) -> None:
    a = g.pick()
    b = g.partner(a)
    g.grow(g.choose([f"{a} * {b}", f"{a} * {a}", f"{a} * torch.sigmoid({a})"]))


@grows(4, needs_space=False)
def concatenated(g: Growth) -> None:
    a = g.pick()
    shape = g.value(a).shape
    others = [name for name in g.maps if g.value(name).shape[2:] == shape[2:]]
    b = g.choose(others)
    g.need_room(g.channels(a) + g.channels(b), *shape[2:])
    same = [name for name in others if g.channels(name) == g.channels(a)]
    ways = [
        lambda: f"torch.cat([{a}, {b}], 1)",
        lambda: f"torch.cat(({b}, {a}), dim={-1 - g.dims})",
        lambda: f"torch.cat([{a}, torch.zeros_like({b})], 1)",
        lambda: f"torch.stack([{a}, {g.choose(same)}], 1).flatten(1, 2)",
        lambda: f"torch.stack([{a}, {g.choose(same)}], 2).flatten(1, 2)",
    ]
    if g.dims:
        ways.append(lambda: f"torch.cat([{a}, {g.choose(same)}], {g.between(2, g.dims + 1)})")
    g.grow(g.choose(ways)())


@grows(2)
def skipped(g: Growth) -> None:
    """A skip: an older value resized to the latest one's grid, then concatenated or added."""
    a, b = g.maps[-1], g.choose(g.maps)
    g.need_room(g.channels(a) + g.channels(b), *g.space(a))
    mode = g.choose(["nearest", {1: "linear", 2: "bilinear", 3: "trilinear"}[g.dims]])
    older = g.let(f"F.interpolate({b}, size={a}.shape[2:], mode={mode!r})")
    if g.channels(a) == g.channels(older) and g.often(0.5):
        g.grow(f"{a} + {older}")
    else:
        g.grow(f"torch.cat([{a}, {older}], 1)")


@grows(3, needs_space=False)
def cut(g: Growth) -> None:
    """A part of the channels, taken in one of many spellings."""
    a = g.pick()
    c = g.channels(a)
    g.need(c >= 2)
    start, stop = sorted(g.random.sample(range(c + 1), 2))
    picked = [g.between(0, c - 1) for _ in range(g.between(1, c))]
    g.grow(
        g.choose(
            [
                f"{a}[:, {start}:{stop}]",
                f"{a}[:, ::2]",
                f"{a}[:, {start}:]" if start < c else f"{a}[:, :1]",
                f"{a}.narrow(1, {start}, {stop - start})",
                f"{a}[:, {start}].unsqueeze(1)" if start < c else f"{a}[:, :1]",
                f"{a}.select(1, -1)[:, None]",
                f"{a}[:, {picked}]",
                f"torch.index_select({a}, 1, torch.tensor({picked}))",
                f"{a}.chunk(2, 1)[{g.between(0, 1)}]",
                f"{a}.split([{start + (start == 0)}, {c - start - (start == 0)}], 1)[{g.between(0, 1)}]",
                f"torch.cat({a}.split(1, 1)[::-1], 1)",
                f"torch.stack({a}.unbind(1)[1:], 1)",
                f"torch.stack([part.squeeze(1) for part in {a}.tensor_split({c}, 1)], 1)",
                f"{a}.repeat_interleave(2, 1)[:, 1:]",
                f"torch.cat([p * k for p, k in zip({a}.chunk(2, 1), (2.0, -0.5))], 1)",
            ]
        )
    )


@grows(3)
def cropped_or_padded(g: Growth) -> None:
    a = g.pick()
    space = g.space(a)
    g.need(min(space) >= 2)
    axis = g.between(2, g.dims + 1)
    side = space[axis - 2]
    pads = [g.between(0, 1) for _ in range(2 * g.dims)]
    g.need_room(g.channels(a), *(size + 2 for size in space))
    crops = [g.choose([0, -1]) if space[-1 - n // 2] > 2 else 0 for n in range(2 * g.dims)]
    slices = ", ".join(g.choose([":", "1:", ":-1", "::2"]) for _ in space)
    ways = [
        f"F.pad({a}, {pads})",
        f"F.pad({a}, {pads}, value={g.number()})",
        f"F.pad({a}, {pads}, mode='replicate')",
        f"F.pad({a}, {pads}, mode='reflect')",
        f"F.pad({a}, {pads}, mode='circular')",
        f"F.pad({a}, {crops})",
        f"{a}[:, :, {slices}]",
        f"{a}[..., 1:]",
        f"{a}.narrow({axis}, {g.between(0, 1)}, {side - 1})",
        f"{a}.index_select({axis}, torch.tensor({[g.between(0, side - 1) for _ in range(side)]}))",
        f"{a}.flip({axis})",
        f"torch.flip({a}, [1, {axis}])",
        f"torch.roll({a}, {g.between(-1, 2)}, {axis})",
        f"torch.cat({a}.chunk(2, {axis})[::-1], {axis})",
    ]
    if g.dims == 2:
        ways += [f"nn.ZeroPad2d((0, 1, 1, 0))({a})", f"nn.ReflectionPad2d(1)({a})"]
    g.grow(g.choose(ways))


@grows(2)
def moved(g: Growth) -> None:
    """The same samples laid out otherwise."""
    a = g.pick()
    c, space, batch = g.channels(a), g.space(a), "x.shape[0]"
    axis = g.between(2, g.dims + 1)
    ways = [
        f"{a}.transpose(1, {axis})",
        f"{a}.movedim(1, {axis}).contiguous()",
        f"{a}.permute(0, {', '.join(str(n) for n in range(g.dims + 1, 0, -1))})",
        f"{a}.flatten(1).reshape({batch}, {c}, {', '.join(map(str, space))})",
        f"{a}.reshape({batch}, {c}, -1).unflatten(2, {space[::-1]})",
        f"{a}.reshape({batch}, -1, {', '.join(map(str, space))}).clone()",
        f"{a}.unsqueeze(1).squeeze(1)",
        f"{a}[:, None].expand({batch}, 2, {c}, {', '.join(map(str, space))}).reshape({batch}, {2 * c}, {', '.join(map(str, space))})",
        f"{a}.repeat(1, 2, {', '.join(['1'] * g.dims)})",
        f"{a}.double().to({a}.dtype)",
        f"{a}.contiguous()",
        f"{a}.detach().clone()",
        f"torch.where(torch.ones_like({a}) > 0, {a}, torch.zeros_like({a}))",
        f"{a}.masked_fill(torch.arange({space[-1]}) % 2 == 0, 0.0)",
    ]
    if g.dims == 2:
        ways += [f"{a}.contiguous(memory_format=torch.channels_last)", f"{a}.tril()", f"{a}.mT"]
        if all(side % 2 == 0 for side in space):
            ways += [f"F.pixel_unshuffle({a}, 2)"] * 2
        if c % 4 == 0:
            ways += [f"F.pixel_shuffle({a}, 2)"] * 2
    if g.dims >= 2 and c % 2 == 0:
        ways.append(f"F.channel_shuffle({a}, 2)")
    g.need_room(2 * c, *space)
    g.grow(g.choose(ways))


@grows(2)
def residual_block(g: Growth) -> None:
    """Two convolutions with norms and the way around them, added in place or not."""
    a = g.pick()
    c, d = g.channels(a), g.dims
    g.need_room(c, *g.space(a))
    norm = f"nn.BatchNorm{d}d({c})"
    first = g.let(f"{g.layer(norm)}({g.layer(f'nn.Conv{d}d({c}, {c}, 3, padding=1, bias=False)')}({a}))")
    active = g.let(activation(g, first))
    b = g.let(f"{g.layer(norm)}({g.layer(f'nn.Conv{d}d({c}, {c}, 3, padding=1, bias=False)')}({active}))")
    if g.often(0.5):
        g.do(f"{b} += {a}")
        g.grow(f"F.relu({b}, inplace=True)")
    else:
        g.grow(f"F.relu({a} + {b})")
