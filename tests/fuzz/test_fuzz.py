"""Random networks of whatever is supported keep every promise; ``make fuzz`` checks thousands."""

from __future__ import annotations

import pytest
import torch

from tests.fuzz.checks import problems
from tests.fuzz.growth import KINDS, program_of
from tests.fuzz.program import Program

SEEDS = range(150)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_network_is_explained_as_promised(seed: int) -> None:
    program = program_of(seed)
    found = problems(program)
    assert not found, "\n".join([f"python -m tests.fuzz --seed {seed} --count 1", program.text, *found])


def test_equal_seeds_grow_equal_networks() -> None:
    assert program_of(7) == program_of(7)
    assert program_of(7).text != program_of(8).text


def test_a_network_is_its_text() -> None:
    for seed in range(20):
        program = program_of(seed)
        again = Program.parse(program.text)
        assert again.text == program.text
        with torch.no_grad():
            assert torch.equal(again.network()(again.input()), program.network()(program.input()))


def test_every_kind_of_block_is_grown() -> None:
    program_of(0)
    kept = {name: kind.grow for name, kind in KINDS.items()}
    assert len(kept) > 25
    texts = "\n".join(program_of(seed).text for seed in SEEDS)
    for word in ("Conv1d", "Conv2d", "Conv3d", "ConvTranspose", "groups=", "dilation=", "BatchNorm", "InstanceNorm"):
        assert word in texts, word
    for word in (
        "GroupNorm",
        "LayerNorm",
        "MultiheadAttention",
        "softmax",
        "hardsigmoid",
        "interpolate",
        "+= ",
        "relu_(",
    ):
        assert word in texts, word
    for word in (
        "max_pool",
        "avg_pool",
        "adaptive",
        "torch.cat",
        "torch.stack",
        ".chunk(",
        ".split(",
        ".flip(",
        "F.pad(",
    ):
        assert word in texts, word
