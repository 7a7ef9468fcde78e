"""The training loop: a step without a finite gradient is left out, and volumes are laid out as volumes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from xai_core.training.loop import Batch, Journal, Plan, fit, laid_out


def test_a_gradient_that_is_no_number_changes_nothing(tmp_path: Path) -> None:
    """Half the batches divide zero by zero; the other half still teach."""
    torch.manual_seed(0)
    module = nn.Linear(3, 1)
    dice = torch.Generator().manual_seed(0)
    x = torch.randn(64, 3, generator=dice)
    y = x @ torch.tensor([[1.0], [-2.0], [0.5]])

    def batches_of(epoch: int) -> Iterator[Batch]:
        for number in range(20):
            yield {"x": x, "y": y, "scale": torch.tensor(float(number % 2))}

    def loss_of(network: nn.Module, batch: Batch) -> torch.Tensor:
        return ((network(batch["x"]) - batch["y"]).square() * batch["scale"] / batch["scale"]).mean()

    before = float((module(x) - y).square().mean().detach())
    plan = Plan(8, 20, learning_rate=0.1, average=0.5, half_precision=False)
    fit(module, plan, batches_of, loss_of, tmp_path, Journal(tmp_path, None))
    assert all(bool(torch.isfinite(p).all()) for p in module.parameters())
    assert float((module(x) - y).square().mean().detach()) < 0.1 * before


@pytest.mark.parametrize(
    ("network", "kept"),
    [(nn.Conv2d(4, 4, 3), torch.channels_last), (nn.Conv3d(4, 4, 3), torch.channels_last_3d)],
)
def test_weights_of_films_and_of_volumes_are_laid_out_channels_last(
    network: nn.Module, kept: torch.memory_format
) -> None:
    assert laid_out(network).weight.is_contiguous(memory_format=kept)
