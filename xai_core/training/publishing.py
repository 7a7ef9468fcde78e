"""From trained weights to what the shelf holds: half precision safetensors, a table of the manifest, a card to read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import nn

from xai_core.models.card_text import toml_table


def packed(module: nn.Module, path: Path) -> tuple[str, int]:
    """Write a module's weights in half precision (whole numbers as they are); gives SHA-256 and bytes."""
    state = {
        key: (value.half() if value.is_floating_point() else value).contiguous().clone()
        for key, value in module.state_dict().items()
    }
    if not all(bool(torch.isfinite(v).all()) for v in state.values() if v.is_floating_point()):
        raise ValueError("weights leave the range of half precision")
    content = save(state)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest(), len(content)


def shelve(out: Path, name: str, table: Mapping[str, Any], text: str, manifest: str = "manifest.toml") -> Path:
    """Write ``out/MANIFEST`` anew with this model's table, and ``out/cards/NAME.md``; gives the weights' path."""
    path = out / manifest
    kept = _tables(path.read_text("utf-8")) if path.is_file() else {}
    kept[name] = toml_table(name, table)
    path.write_text("".join(kept[key] for key in sorted(kept)), "utf-8")
    (out / "cards").mkdir(parents=True, exist_ok=True)
    (out / "cards" / f"{name}.md").write_text(text, "utf-8")
    return out / f"{name}.safetensors"


def rows_of(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first row is the head."""
    head, *body = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([head, "|" + " --- |" * len(rows[0]), *body])


def spelled(measure: Mapping[str, Any]) -> str:
    """A measured statistic as "0.951 (0.940 to 0.960)"."""
    low, high = measure["interval"]
    return f"{measure['value']:.3f} ({low:.3f} to {high:.3f})"


def _tables(text: str) -> dict[str, str]:
    kept: dict[str, str] = {}
    name = ""
    for line in text.splitlines(keepends=True):
        if line.startswith("[") and "." not in line:
            name = line.strip()[1:-1]
        if name:
            kept[name] = kept.get(name, "") + line
    return kept
