"""The worked examples of CONTRIBUTING.md run as they stand there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

import xai_core as xc
from xai_core import composite_files
from xai_core.composites import COMPOSITES, PLACES
from xai_core.explainers import lrp, registry
from xai_core.rules.named import RULES

TEXT = (Path(__file__).resolve().parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(?:python|toml)\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture
def clean_registries() -> Iterator[None]:
    """What an example registers is forgotten again."""
    kept = dict(registry._REGISTRY), dict(COMPOSITES), dict(lrp._REGISTERED)
    yield
    for held, before in zip((registry._REGISTRY, COMPOSITES, lrp._REGISTERED), kept, strict=True):
        held.clear()
        held.update(before)
    composite_files._SEEN.clear()


@pytest.mark.parametrize("block", BLOCKS)
def test_an_example_is_found_and_explains(
    block: str, clean_registries: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = set(xc.explainers())
    if block.startswith("name = "):
        (tmp_path / "own.toml").write_text(block, encoding="utf-8")
        monkeypatch.setenv("LIGHTBOX_COMPOSITES", str(tmp_path))
    else:
        exec(compile(block, "CONTRIBUTING.md", "exec"), {})
    (name,) = set(xc.explainers()) - before
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3)).eval()
    found = xc.attribute(network, torch.randn(2, 1, 8, 8), explainer=name, target=1)
    assert found.relevance.shape == (2, 1, 8, 8)
    assert found.relevance.abs().sum() > 0


def test_the_example_of_a_file_takes_five_lines_at_most() -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    assert len(block.splitlines()) <= 5


def test_every_rule_and_place_of_a_file_is_named() -> None:
    assert all(f"`{name}`" in TEXT for name in (*RULES, *PLACES, "name:PATTERN"))
