"""The benchmark itself: it measures what it says, survives a competitor that fails, and judges by its targets."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from tests.benchmarks import bench
from tests.benchmarks.bench import Row


def test_a_ratio_counts_forward_passes() -> None:
    module = nn.Sequential(nn.Conv2d(3, 32, 3), nn.ReLU(), nn.Conv2d(32, 32, 3)).eval()
    x = torch.randn(1, 3, 96, 96)

    def three_passes() -> None:
        with torch.no_grad():
            for _ in range(3):
                module(x)

    def breaks() -> None:
        raise RuntimeError("no rule")

    found = bench.ratios(module, x, {"three": lambda: three_passes, "broken": lambda: breaks}, rounds=5)
    assert 1.2 < found["three"] < 8.0
    assert found["broken"] == "fails: RuntimeError: no rule"


def test_targets_decide() -> None:
    rows = [
        Row("a", "slow", 3.4, "x forward", 3.3),
        Row("a", "quick", 3.2, "x forward", 3.3),
        Row("a", "ahead", 2.6, "times faster", 2.5),
        Row("a", "broken", None, "x forward", 3.3),
        Row("a", "free", 9.0, "x forward"),
    ]
    assert [row.passed for row in rows] == [False, True, True, False, None]
    lines = bench.table(rows).splitlines()
    assert [("FAIL" in line, "pass" in line) for line in lines[1:4]] == [(True, False), (False, True), (False, True)]


def test_json_and_exit_status(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(bench, "network_rows", lambda *_: [Row("vgg16", "grad-cam", 1.3, "x forward", 1.2)])
    status = bench.main(["--networks", "vgg16", "--no-film", "--json"])
    printed = json.loads(capsys.readouterr().out)
    assert status == 1
    assert printed["rows"][0]["passed"] is False
    assert printed["threads"] == torch.get_num_threads()
