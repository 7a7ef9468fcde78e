"""The command line: explainers by kind and complete as JSON, and a digit explained."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

import xai_core as xc
from xai_core import __main__ as command_line
from xai_core.explainers.registry import grouped
from xai_core.samples.digits import digit_samples

INFOS = xc.explainers()


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch):
    """What the command prints, on lines as wide as they come."""

    def run(*arguments: str) -> str:
        monkeypatch.setattr(command_line.out, "_width", 400)
        found = CliRunner().invoke(command_line.app, ["explainers", *arguments])
        assert found.exit_code == 0
        return found.output

    return run


def test_the_list_goes_by_kind(listed) -> None:
    lines = listed().splitlines()
    at = {title: lines.index(title) for title in grouped(INFOS.values())}
    assert list(at.values()) == sorted(at.values())
    for info in INFOS.values():
        row = next(number for number, line in enumerate(lines) if line.startswith(f"│ {info.name} "))
        assert max((title for title in at if at[title] < row), key=at.__getitem__) == info.group


def test_the_json_holds_parameters_and_text(listed) -> None:
    rows = json.loads(listed("--json"))
    assert [row["name"] for row in rows] == [i.name for members in grouped(INFOS.values()).values() for i in members]
    for row in rows:
        info = INFOS[row["name"]]
        assert (row["text"], row["group"], row["taxonomy"]) == (info.text, info.group, list(info.taxonomy))
        assert list(row["parameters"]) == [parameter.name for parameter in info.parameters]
        for parameter in info.parameters:
            declared = row["parameters"][parameter.name]
            assert declared["help"] == parameter.help
            assert declared["choices"] == list(parameter.choices)
            default = declared["default"]
            assert (tuple(default) if isinstance(default, list) else default) == parameter.default


@pytest.mark.parametrize(("turns", "level"), [(0, "good"), (2, "bad")])
def test_a_film_that_lies_wrong_is_told_on_stderr_and_in_the_json(tmp_path: Path, turns: int, level: str) -> None:
    film = xc.read_case(xc.sample_cases()["child-pneumonia"]).pixels[0]
    cv2.imwrite(str(tmp_path / "film.png"), np.rot90(film, turns))
    found = CliRunner().invoke(
        command_line.app, ["explain", str(tmp_path / "film.png"), "--explainer", "gradient", "--json"]
    )
    assert found.exit_code == 0, found.output
    (row,) = json.loads(found.stdout)
    assert row["input"]["level"] == level
    told = [line for line in found.stderr.splitlines() if line]
    assert told == row["input"]["warnings"]
    assert any("upside down" in line for line in told) == (turns == 2)


def test_a_digit_is_explained_by_a_model_of_digits(tmp_path: Path) -> None:
    sample = digit_samples()["digit-7-a"]
    cv2.imwrite(str(tmp_path / "seven.png"), sample.case.pixels[0])
    found = CliRunner().invoke(
        command_line.app,
        ["explain", str(tmp_path / "seven.png"), "--model", "mnist-mlp-relu", "--explainer", "lrp-z", "--json"],
    )
    assert found.exit_code == 0, found.output
    (row,) = json.loads(found.output)
    assert (row["target"], row["case"]) == ("7", sample.case.digest)
