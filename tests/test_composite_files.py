"""Composites written as files: found, run as the same table in Python, read again when changed, refused in one sentence."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import platformdirs
import pytest
import torch

import xai_core as xc
from tests.networks import Plain, randomised, smooth
from xai_core import composite_files
from xai_core.composites import COMPOSITES, Assignment
from xai_core.explain import _provenance
from xai_core.rules.linear import PLUS, AlphaBeta, Box, Epsilon, Flat, Gamma, WeightSquare, Z
from xai_core.rules.named import RULES, rule_named

GOOD = """
name = "lrp-soft"
title = "Soft"
rows = [["first", "flat"], ["convolution", "gamma", {gamma = 0.1}], ["any", "epsilon"]]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a researcher; nothing of the machine's own user is seen, and all is forgotten afterwards."""
    monkeypatch.setattr(platformdirs, "user_config_dir", lambda *_a, **_k: str(tmp_path / "config"))
    monkeypatch.setenv("LIGHTBOX_COMPOSITES", str(tmp_path / "own"))
    (tmp_path / "own").mkdir()
    yield tmp_path / "own"
    for seen in list(composite_files._SEEN.values()):
        composite_files._forget(seen)
    composite_files._SEEN.clear()
    monkeypatch.undo()
    xc.explainers()


def put(folder: Path, name: str, text: str, seconds: int = 0) -> Path:
    """A file, with a time of its own where it replaces another."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    if seconds:
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime + seconds))
    return path


def network() -> tuple[torch.nn.Module, torch.Tensor]:
    return randomised(Plain(2), 3).double(), smooth(2, 3, 10, 9, dtype=torch.float64)


def test_a_file_in_the_folder_is_an_explainer(folder: Path) -> None:
    put(folder, "soft.toml", GOOD)
    info = xc.explainers()["lrp-soft"]
    assert (info.title, info.family, info.has_account) == ("Soft", "LRP", True)
    module, x = network()
    found = xc.attribute(module, x, explainer="lrp-soft", target=1)
    assert found.rules["features.0"] == str(Flat())
    assert found.rules["features.3"] == str(Gamma(0.1))
    assert found.rules["head.1"] == str(Epsilon())
    assert float(found.account["error"].abs().max()) < 1e-9


def test_it_computes_what_the_shipped_table_does(folder: Path) -> None:
    put(folder, "same.toml", 'name = "same"\ntitle = "Same"\nrows = [["fully-connected", "epsilon"], ["any", "plus"]]')
    xc.explainers()
    module, x = network()
    found, shipped = (xc.attribute(module, x, explainer=name, target=2) for name in ("same", "lrp-epsilon-plus"))
    assert torch.equal(found.relevance, shipped.relevance)


def test_a_place_may_be_a_pattern_on_the_path(folder: Path) -> None:
    rows = '[["name:head.*", "z"], ["name:features.0", "w-square"], ["any", "alpha-beta", {alpha = 2, beta = 1}]]'
    xc.load_composite(put(folder, "paths.toml", f'name = "paths"\ntitle = "Paths"\nrows = {rows}'))
    module, x = network()
    rules = xc.attribute(module, x, explainer="paths", target=0).rules
    assert rules["features.0"] == str(WeightSquare())
    assert rules["features.3"] == str(AlphaBeta(2.0, 1.0, "signed"))
    assert rules["head.4"] == str(Z)


def test_a_box_without_bounds_takes_those_of_the_request(folder: Path) -> None:
    put(folder, "boxed.toml", 'name = "boxed"\ntitle = "Boxed"\nrows = [["first", "box"], ["any", "plus"]]')
    put(
        folder,
        "fixed.toml",
        'name = "fixed"\ntitle = "F"\nrows = [["first", "box", {low = -3, high = 5}], ["any", "plus"]]',
    )
    infos = xc.explainers()
    module, x = network()
    boxed = xc.attribute(module, x, explainer="boxed", target=0, bounds=(-3.0, 5.0))
    assert boxed.rules["features.0"] == str(Box(-3.0, 5.0))
    fixed = xc.attribute(module, x, explainer="fixed", target=0)
    assert torch.equal(fixed.relevance, boxed.relevance)
    assert {"low", "high"} <= {parameter.name for parameter in infos["boxed"].parameters}
    assert "low" not in {parameter.name for parameter in infos["fixed"].parameters}


def test_the_users_configuration_is_read_too(folder: Path) -> None:
    put(folder.parent / "config" / "composites", "soft.toml", GOOD)
    put(folder, "other.toml", GOOD.replace("lrp-soft", "lrp-other"))
    assert {"lrp-soft", "lrp-other"} <= set(xc.explainers())


def test_a_changed_file_changes_its_explainer_and_its_revision(folder: Path) -> None:
    put(folder, "soft.toml", GOOD)
    first = xc.explainers()["lrp-soft"]
    put(folder, "soft.toml", GOOD.replace("0.1", "0.7").replace("Soft", "Softer"), seconds=5)
    second = xc.explainers()["lrp-soft"]
    assert second.title == "Softer"
    assert first.revision != second.revision
    module, x = network()
    assert xc.attribute(module, x, explainer="lrp-soft", target=1).rules["features.3"] == str(Gamma(0.7))
    put(folder, "soft.toml", GOOD.replace("lrp-soft", "lrp-renamed"), seconds=10)
    names = set(xc.explainers())
    assert "lrp-renamed" in names
    assert "lrp-soft" not in names


def test_what_is_part_of_the_program_has_no_revision() -> None:
    assert xc.explainers()["lrp-epsilon-plus"].revision == ""


def test_a_file_that_is_gone_is_forgotten_and_its_name_free(folder: Path) -> None:
    first, second = put(folder, "a.toml", GOOD), put(folder, "b.toml", GOOD.replace("Soft", "Late"))
    assert xc.explainers()["lrp-soft"].title == "Soft"
    first.unlink()
    assert xc.explainers()["lrp-soft"].title == "Late"
    second.unlink()
    assert "lrp-soft" not in xc.explainers()
    assert "lrp-soft" not in COMPOSITES


def test_a_broken_file_hides_no_other_and_is_said_once(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    put(folder, "a-broken.toml", "name = ")
    put(folder, "b-taken.toml", GOOD.replace("lrp-soft", "gradient"))
    put(folder, "c-shipped.toml", GOOD.replace("lrp-soft", "lrp-z"))
    put(folder, "d-good.toml", GOOD)
    (folder / "e-folder.toml").mkdir()
    (folder / "f-bytes.toml").write_bytes(b"\xff\xfe\x00")
    with caplog.at_level(logging.WARNING):
        infos = xc.explainers()
    assert "lrp-soft" in infos
    assert infos["gradient"].family == "gradient"
    assert infos["lrp-z"].title == "LRP-0"
    said = [record.getMessage() for record in caplog.records]
    assert [name for name in "abcdef" if any(f" {name}-" in message for message in said)] == ["a", "b", "c", "f"]
    caplog.clear()
    put(folder, "a-broken.toml", "name = 3", seconds=5)
    with caplog.at_level(logging.WARNING):
        xc.explainers()
        xc.explainers()
    assert [record.getMessage().count("a-broken.toml") for record in caplog.records] == [1]


def test_a_mended_file_comes_back(folder: Path) -> None:
    put(folder, "soft.toml", GOOD)
    xc.explainers()
    put(folder, "soft.toml", "rows = 3", seconds=5)
    assert "lrp-soft" not in xc.explainers()
    put(folder, "soft.toml", GOOD, seconds=10)
    assert "lrp-soft" in xc.explainers()


def test_a_file_loaded_by_name_stays_and_may_be_loaded_again(folder: Path, tmp_path: Path) -> None:
    path = put(tmp_path / "elsewhere", "soft.toml", GOOD)
    assert xc.load_composite(path) == "lrp-soft"
    put(tmp_path / "elsewhere", "soft.toml", GOOD.replace("Soft", "Softer"))
    assert xc.load_composite(str(path)) == "lrp-soft"
    assert xc.explainers()["lrp-soft"].title == "Softer"
    put(tmp_path / "elsewhere", "soft.toml", "name = ")
    with pytest.raises(xc.LightboxError):
        xc.load_composite(path)
    path.unlink()
    assert xc.explainers()["lrp-soft"].title == "Softer"


ROWS = 'rows = [["any", "plus"]]'
WRONG = {
    "not toml": ("name = ", "not TOML"),
    "no name": (f'title = "T"\n{ROWS}', "'name' is missing"),
    "no title": (f'name = "t"\n{ROWS}', "'title' is missing"),
    "no rows": ('name = "t"\ntitle = "T"', "'rows' is missing"),
    "a number for a title": (f'name = "t"\ntitle = 3\n{ROWS}', "'title' is not a text"),
    "an empty summary": (f'name = "t"\ntitle = "T"\nsummary = " "\n{ROWS}', "'summary' is not a text"),
    "a name with spaces": (f'name = "My own"\ntitle = "T"\n{ROWS}', "name 'My own' is not possible"),
    "a name that is taken": (f'name = "rap"\ntitle = "T"\n{ROWS}', "name 'rap' is taken"),
    "a shipped composite": (f'name = "lrp-epsilon-plus"\ntitle = "T"\n{ROWS}', "is taken"),
    "an unknown key": (f'name = "t"\ntitle = "T"\nrule = "z"\n{ROWS}', "no 'rule'"),
    "a text for a truth": (f'name = "t"\ntitle = "T"\nneeds_positive = "yes"\n{ROWS}', "neither true nor false"),
    "rows as a text": ('name = "t"\ntitle = "T"\nrows = "plus"', "not a list of rows"),
    "no row": ('name = "t"\ntitle = "T"\nrows = []', "not a list of rows"),
    "a row of one": ('name = "t"\ntitle = "T"\nrows = [["any"]]', "row 1 is not a place and a rule"),
    "a place that is none": ('name = "t"\ntitle = "T"\nrows = [["conv", "plus"], ["any", "plus"]]', "place 'conv'"),
    "a rule that is none": ('name = "t"\ntitle = "T"\nrows = [["any", "zplus"]]', "no rule 'zplus'"),
    "a parameter that is none": ('name = "t"\ntitle = "T"\nrows = [["any", "gamma", {g = 1}]]', "no parameter 'g'"),
    "a value out of range": ('name = "t"\ntitle = "T"\nrows = [["any", "gamma", {gamma = -1}]]', "gamma = -1"),
    "an infinite value": ('name = "t"\ntitle = "T"\nrows = [["any", "epsilon", {epsilon = inf}]]', "epsilon = inf"),
    "parameters without names": ('name = "t"\ntitle = "T"\nrows = [["any", "gamma", [0.1]]]', "have no names"),
    "alpha without its beta": ('name = "t"\ntitle = "T"\nrows = [["any", "alpha-beta", {alpha = 2}]]', "alpha = 2"),
    "an empty box": ('name = "t"\ntitle = "T"\nrows = [["any", "box", {low = 2, high = 1}]]', "low = 2"),
    "nothing for the rest": ('name = "t"\ntitle = "T"\nrows = [["first", "flat"]]', "the last row"),
    "rows that are never reached": ('name = "t"\ntitle = "T"\nrows = [["any", "z"], ["first", "z"]]', "the last row"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_malformed_file_costs_one_sentence(case: str, folder: Path, tmp_path: Path) -> None:
    text, told = WRONG[case]
    with pytest.raises(xc.LightboxError) as caught:
        xc.load_composite(put(tmp_path, "table.toml", text))
    assert told in caught.value.sentence
    assert "table.toml" in caught.value.sentence
    assert caught.value.remedy
    assert "t" not in xc.explainers()


def test_a_file_that_is_not_there_costs_one_sentence(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(xc.LightboxError, match=r"none\.toml cannot be read"):
        xc.load_composite(tmp_path / "none.toml")


def test_a_folder_that_is_not_there_is_no_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIGHTBOX_COMPOSITES", str(folder / "missing"))
    assert "lrp-z" in xc.explainers()


@pytest.mark.parametrize("name", RULES)
def test_every_rule_has_a_name_and_works_at_its_defaults(name: str) -> None:
    module, x = network()
    rule = rule_named(name)
    recording = xc.record(module, x)
    table = Assignment((("any", rule),), recording)
    assert table.rule(recording.steps[0]) is rule
    assert rule == rule_named(name, {parameter.name: parameter.default for parameter in RULES[name].parameters})


def test_names_mean_what_the_page_says() -> None:
    assert rule_named("plus") == PLUS
    assert rule_named("z") == Z
    assert rule_named("epsilon", {"epsilon": 1, "relative": True}) == Epsilon(1.0, True)
    assert rule_named("epsilon-no-bias") == Epsilon(1e-6, bias=False)
    assert rule_named("alpha-beta", {"alpha": 2, "beta": 1, "bias_split": "none"}) == AlphaBeta(2.0, 1.0, "none")


def test_maps_say_which_revision_of_the_file_made_them(folder: Path) -> None:
    """A kept map of an older file must not be taken for one of the new file."""
    put(folder, "soft.toml", GOOD)

    class Stub:
        weights_digest, device = "w", "cpu"

        class card:  # noqa: N801
            name = "m"

    class Film:
        digest = "c"

    facts = [_provenance(Stub, Film, xc.explainers()[name], {}, "label", 0.0, None) for name in ("lrp-soft", "lrp-z")]
    assert len(facts[0]["revision"]) == 64
    assert "revision" not in facts[1]
