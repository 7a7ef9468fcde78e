"""Growers of writes into memory: in place, through views, into what was made beforehand."""

from __future__ import annotations

import torch

from tests.fuzz.growth import Growth, grows

IN_PLACE = (
    "{}.relu_()",
    "F.relu({}, inplace=True)",
    "F.leaky_relu_({}, 0.2)",
    "F.elu_({})",
    "torch.tanh_({})",
    "{}.sigmoid_()",
    "F.silu({}, inplace=True)",
    "F.hardswish({}, inplace=True)",
    "{}.clamp_(min=0)",
    "{}.mul_(0.5)",
    "{}.add_(0.3)",
    "{}.sub_(0.2)",
    "{}.div_(2)",
    "{}.neg_()",
)


def writable(g: Growth) -> str:
    """A value that may be written into; mostly not the input."""
    a = g.pick()
    g.need(torch._debug_has_internal_overlap(g.value(a)) != 1)
    g.need(a != "x" or g.often(0.2))
    return a


def part(g: Growth, a: str) -> str:
    """A view of a part of ``a``, as an index."""
    c = g.channels(a)
    k = g.between(1, c)
    choices = [f"[:, :{k}]", f"[:, {k - 1}:]", "[:, ::2]", f"[:, {k - 1}]"]
    if g.dims:
        side = g.space(a)[-1]
        choices += [f"[..., {g.between(0, side - 1)}]", "[..., 1:]", "[..., ::2]", f"[:, :{k}, ..., :1]", "[:, :, 0]"]
    return g.choose(choices)


@grows(3, needs_space=False)
def written(g: Growth) -> None:
    """The whole value changed where it lies; what shares its memory changes too."""
    g.do(g.choose(IN_PLACE).format(writable(g)))


@grows(3, needs_space=False)
def written_through_view(g: Growth) -> None:
    a = writable(g)
    if g.often(0.6):
        target = f"{a}{part(g, a)}"
    else:
        target = f"{a}." + g.choose(["view(x.shape[0], -1)", "flatten(1)", "transpose(0, 1)", "unsqueeze(0)"])
        g.need("view" not in target or g.value(a).is_contiguous())
    g.do(g.choose(IN_PLACE).format(target))


@grows(4, needs_space=False)
def part_grown(g: Growth) -> None:
    """x[:, :2] += ..., with a part of another value or of itself."""
    a = writable(g)
    b = a if g.often(0.2) else g.partner(a)
    where = part(g, a)
    other = g.choose([f"{b}{where}", f"torch.relu({b}{where})", f"{b}{where} * 0.5"])
    g.need("::2" not in where or g.value(a)[(slice(None), slice(None, None, 2))].numel() > 0)
    g.do(f"{a}{where} {g.choose(['+=', '+=', '-=', '=', '='])} {other}")


@grows(2, needs_space=False)
def grown_in_place(g: Growth) -> None:
    a = writable(g)
    b = g.partner(a)
    g.do(
        g.choose(
            [
                f"{a} += {b}",
                f"{a} -= {b}",
                f"{a}.add_({b}, alpha=0.5)",
                f"{a} *= torch.sigmoid({b})",
                f"{a}.copy_({b})",
                f"{a}.mul_({b})",
            ]
        )
    )


@grows(1.5, needs_space=False)
def part_blanked(g: Growth) -> None:
    a = writable(g)
    where = part(g, a)
    g.need(g.channels(a) > 1 or g.dims > 0)
    kept = g.let(f"{a} * 1.5")
    g.do(g.choose([f"{a}{where} = 0", f"{a}{where} = 0.7", f"{a}{where}.zero_()", f"{a}{where}.fill_(0.2)"]))
    g.grow(f"{a} + {kept}")


@grows(1.5, needs_space=False)
def halves_written(g: Growth) -> None:
    """Both halves of a cut written in their own way, the whole read afterwards."""
    a = writable(g)
    g.need(g.channels(a) >= 2)
    first, second = g.choose([("chunk(2, 1)[0]", "chunk(2, 1)[1]"), ("narrow(1, 0, 1)", "narrow(1, 1, 1)")])
    one, two = g.let(f"{a}.{first}"), g.let(f"{a}.{second}")
    g.do(g.choose(IN_PLACE).format(one))
    if g.often(0.6):
        g.do(f"{two} += 0.5 * {g.choose([f'{one}[:, :1]', f'{a}[:, :1]'])}")
    g.grow(g.choose([f"{a} * 1.0", f"torch.cat([{two}, {one}], 1)", f"torch.cat([{two}, {a}], 1)"]))


@grows(1.5, needs_space=False)
def buffer_filled(g: Growth) -> None:
    """Memory made first and filled part by part."""
    a, b = g.pick(), g.pick()
    c, e = g.channels(a), g.channels(b)
    g.need(g.space(a) == g.space(b))
    g.need_room(c + e, *g.space(a))
    shape = ", ".join(map(str, ("x.shape[0]", c + e, *g.space(a))))
    make = g.choose(["new_zeros", "new_empty", "new_ones"])
    buffer = g.let(f"{a}.{make}({shape})")
    g.do(f"{buffer}[:, :{c}] = {a}")
    g.do(f"{buffer}[:, {c}:] {'=' if make == 'new_empty' else g.choose(['=', '+='])} {b}")
    g.maps.append(buffer)
