"""How a grown network ends: labels of the whole picture, or of every place; logits, or closed by a sigmoid or softmax."""

from __future__ import annotations

from tests.fuzz.growth import Growth


def close(g: Growth) -> None:
    """Write the head and the return."""
    a = g.maps[-1]
    c, labels = g.channels(a), g.between(2, 5)
    every = tuple(range(2, g.dims + 2))
    if g.dims and g.often(0.2):
        logits = g.let(f"{g.layer(f'nn.Conv{g.dims}d({c}, {labels}, 1)')}({a})")
    else:
        if g.dims == 0:
            flat, size = a, c
        elif g.often(0.4):
            flat, size = g.let(g.choose([f"{a}.flatten(1)", f"{a}.reshape(x.shape[0], -1)"])), g.value(a)[0].numel()
        else:
            ways = [f"{a}.mean({every})", f"F.adaptive_avg_pool{g.dims}d({a}, 1).flatten(1)", f"{a}.amax({every})"]
            flat, size = g.let(g.choose(ways)), c
        if g.often(0.4):
            flat = g.let(f"F.relu({g.layer(f'nn.Linear({size}, 6)')}({flat}))")
            size = 6
        logits = g.let(f"{g.layer(f'nn.Linear({size}, {labels})')}({flat})")
    closing = g.choose(
        ["{}", "{}", "{}", "{}", "torch.sigmoid({})", "torch.softmax({}, 1)", "torch.log_softmax({}, 1)"]
    )
    g.lines.append("return " + closing.format(logits))
