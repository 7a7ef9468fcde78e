"""The recipe of known films, on a small folder: it runs through, keeps held-out people out, and its figures are there."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from xai_core.quality.statistics import MANIFEST, NAME, POSES
from xai_core.training import recipes
from xai_core.training.film_poses import laid
from xai_core.training.film_quality import known_films
from xai_core.training.films import films_table


@pytest.fixture
def small(shared: Path, tmp_path: Path) -> Path:
    """A few films of every part of two sources, as a data folder of its own."""
    table = films_table(shared)
    rows = table[table["source"].isin(["kermany", "nih"])].groupby(["source", "part"]).head(12).index
    folder = tmp_path / "cxr"
    folder.mkdir()
    films = pd.read_csv(shared / "cxr" / "films.csv", dtype=str)
    films[films["path"].isin(table.loc[rows, "path"])].to_csv(folder / "films.csv", index=False)
    pd.read_csv(shared / "cxr" / "negatives.csv", dtype=str)[:2].to_csv(folder / "negatives.csv", index=False)
    for name in ("nih_readers.csv", "kermany", "nih", "negatives"):
        (folder / name).symlink_to(shared / "cxr" / name)
    return tmp_path


def test_it_runs_through(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    path = recipes()[NAME].run(small, out, children=24, turned=24, measured=4, judged=5, axes=4)
    assert path == out / f"{NAME}.safetensors"
    metrics = tomllib.loads((out / MANIFEST).read_text())[NAME]["metrics"]
    assert {"false_kermany", "false_nih", "found_inverted", "found_dark", "negative_other_body_part"} <= set(metrics)
    assert all(0 <= one["value"] <= 1 for one in metrics.values())
    assert metrics["false_nih"]["films"] == 5
    assert "other body part" in (out / "cards" / f"{NAME}.md").read_text()


def test_only_films_that_may_train_set_limits(shared: Path) -> None:
    known = known_films(shared, 500, np.random.default_rng(0))
    table = films_table(shared)
    table["who"] = table["source"] + "/" + table["patient"]
    held = set(table["who"][(table["part"] == "test") | (table["train_ok"] != "yes")])
    assert (known["train_ok"] == "yes").all()
    assert not held & set(known["source"] + "/" + known["patient"])
    assert (known["source"] == "kermany").sum() == 500


@pytest.mark.parametrize("way", range(4))
def test_a_film_is_laid_as_its_pose_says(way: int) -> None:
    image = np.arange(12, dtype=np.uint8).reshape(3, 4)
    poses = {pose: laid(image, k, way) for k, pose in enumerate(POSES)}
    mirrored = image[:, ::-1] if way % 2 else image
    assert (poses["upright", False] == mirrored).all()
    assert (poses["upside down", False] == mirrored[::-1, ::-1]).all()
    assert poses["a quarter", False].shape == (4, 3)
    for turn in ("upright", "a quarter", "upside down"):
        assert (poses[turn, True] == 255 - poses[turn, False]).all()
