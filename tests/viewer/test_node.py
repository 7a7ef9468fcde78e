"""The viewer's modules under node's own test runner, against walks that the reference computed."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np

from components.viewer.outline import outline
from tests.conftest import absent
from xai_core.render import View, axis_positions

ROOT = Path(__file__).resolve().parents[2]


def walks() -> list[dict[str, object]]:
    base = View((299, 401), 0.43, 310.0, 402.5)
    found = []
    for scale, turn, flip_x, flip_y in itertools.product((0.43, 1.0, 3.7), range(4), (False, True), (False, True)):
        view = replace(base, scale=scale, turn=turn, flip_x=flip_x, flip_y=flip_y)
        plain = {
            "width": 401,
            "height": 299,
            "scale": scale,
            "row": view.row,
            "column": view.column,
            "turn": turn,
            "flipX": flip_x,
            "flipY": flip_y,
        }
        for along, count in (("x", 401), ("y", 299)):
            axis, positions = axis_positions(count, view, along)
            found.append({"view": plain, "along": along, "axis": axis, "positions": positions.tolist()})
    return found


def outlines() -> list[dict[str, object]]:
    """Masks of odd shapes, with holes, on the edge, and none."""
    masks = [np.random.default_rng(seed).random((5 + seed, 9)) > 0.5 for seed in range(4)]
    masks += [np.zeros((3, 4), bool), np.ones((3, 4), bool)]
    return [{"mask": mask.astype(int).tolist(), "runs": outline(mask).tolist()} for mask in masks]


def test_the_modules_pass_under_node(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        absent("node is not installed.")
    path = tmp_path / "walks.json"
    path.write_text(json.dumps(walks()))
    drawn = tmp_path / "outlines.json"
    drawn.write_text(json.dumps(outlines()))
    done = subprocess.run(
        [node, "--test", "tests/viewer/"],
        cwd=ROOT,
        env={**os.environ, "LIGHTBOX_WALKS": str(path), "LIGHTBOX_OUTLINES": str(drawn)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "# skipped 0" in done.stdout or "skipped 0" in done.stdout
