"""The worked examples of CONTRIBUTING.md run as they stand there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

import xai_core as xc
from xai_core.composites import COMPOSITES
from xai_core.explainers import lrp, registry

TEXT = (Path(__file__).resolve().parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture
def clean_registries() -> Iterator[None]:
    """What an example registers is forgotten again."""
    kept = dict(registry._REGISTRY), dict(COMPOSITES), set(lrp._REGISTERED)
    yield
    for held, before in zip((registry._REGISTRY, COMPOSITES), kept, strict=False):
        held.clear()
        held.update(before)
    lrp._REGISTERED.clear()
    lrp._REGISTERED.update(kept[2])


@pytest.mark.parametrize("block", BLOCKS)
def test_an_example_is_found_and_explains(block: str, clean_registries: None) -> None:
    before = set(xc.explainers())
    exec(compile(block, "CONTRIBUTING.md", "exec"), {})
    (name,) = set(xc.explainers()) - before
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3)).eval()
    found = xc.attribute(network, torch.randn(2, 1, 8, 8), explainer=name, target=1)
    assert found.relevance.shape == (2, 1, 8, 8)
    assert found.relevance.abs().sum() > 0
