"""The benchmark itself: it measures what it says, survives a competitor that fails, and judges by its targets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.benchmarks import bench, peers, rows
from tests.benchmarks.memory import RUNS
from tests.benchmarks.table import Row, markdown, table
from tests.benchmarks.timing import ratios
from tests.readme import README


def test_a_ratio_counts_forward_passes() -> None:
    module = nn.Sequential(nn.Conv2d(3, 32, 3), nn.ReLU(), nn.Conv2d(32, 32, 3)).eval()
    x = torch.randn(1, 3, 96, 96)

    def three_passes() -> None:
        with torch.no_grad():
            for _ in range(3):
                module(x)

    def breaks() -> None:
        raise RuntimeError("no rule")

    found = ratios(module, x, {"three": lambda: three_passes, "broken": lambda: breaks}, rounds=5)
    assert 1.2 < found["three"] < 8.0
    assert found["broken"] == "fails: RuntimeError: no rule"


def test_targets_decide() -> None:
    judged = [
        Row("a", "slow", 3.4, "x forward", 3.3),
        Row("a", "quick", 3.2, "x forward", 3.3),
        Row("a", "ahead", 2.6, "times faster", 2.5),
        Row("a", "broken", None, "x forward", 3.3),
        Row("a", "free", 9.0, "x forward"),
    ]
    assert [row.passed for row in judged] == [False, True, True, False, None]
    lines = table(judged).splitlines()
    assert [("FAIL" in line, "pass" in line) for line in lines[1:4]] == [(True, False), (False, True), (False, True)]
    assert markdown(judged, "1 thread").splitlines()[5] == "| a | quick | 3.20 | x forward | <= 3.3 | pass |"


def test_a_race_is_run_against_the_best_setting_that_works() -> None:
    figures = {
        "smoothgrad": 50.0,
        "captum NoiseTunnel, 1 at once": 90.0,
        "captum NoiseTunnel, 5 at once": 75.0,
        "captum NoiseTunnel, 25 at once": "fails: MemoryError: ",
    }
    race = rows.judged("vgg16", figures)[-1]
    assert (race.what, race.figure, race.passed) == ("smoothgrad ahead of captum NoiseTunnel", 1.5, True)


def test_every_race_and_memory_row_names_what_is_run() -> None:
    module, x = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).eval(), torch.randn(1, 3, 64, 64)
    ours = {*rows.ours.few(module, x, "vgg16"), *rows.ours.many(module, x)}
    theirs = {*peers.few(module, x, "vgg16"), *peers.many(module, x)}
    assert {race.ours for race in rows.RACES} | set(rows.MOST) <= ours
    assert all(any(name.startswith(race.theirs) for name in theirs) for race in rows.RACES)
    assert {name for own, peer, _, _ in rows.LEAN for name in (own, peer)} <= set(RUNS)


def test_json_and_exit_status(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(rows.PARTS, "walks", lambda _: iter([[Row("vgg16", "grad-cam", 1.3, "x forward", 1.2)]]))
    status = bench.main(["--parts", "walks", "--json"])
    printed = json.loads(capsys.readouterr().out)
    assert status == 1
    assert printed["rows"][0]["passed"] is False
    assert printed["threads"] == torch.get_num_threads()


def test_the_table_goes_into_the_readme(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copied = tmp_path / "README.md"
    copied.write_text(README.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(bench, "README", copied)
    monkeypatch.setitem(rows.PARTS, "walks", lambda _: iter([[Row("vgg16", "grad-cam", 1.1, "x forward", 1.2)]]))
    assert bench.main(["--parts", "walks", "--write"]) == 0
    capsys.readouterr()
    written = copied.read_text(encoding="utf-8")
    assert "| vgg16 | grad-cam | 1.10 | x forward | <= 1.2 | pass |" in written
    assert written.count("bench:begin") == written.count("bench:end") == 1
