"""A whole run of a classifier's recipe on a small folder of made-up films: weights, manifest and card, and going on after a stop."""

from __future__ import annotations

import csv
import tomllib
from pathlib import Path

import cv2
import numpy as np
import pytest

import xai_core as xc
from xai_core.training import chosen, recipes

COLUMNS = ("path", "source", "split", "patient", "age", "sex", "view", "labels", "licence", "train_ok")
OPTIONS = {"small": 1, "large": 0, "size": 32, "batch": 16}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise films: children in both parts, adults with and without readers, COVID films."""
    folder = tmp_path_factory.mktemp("films")
    dice = np.random.default_rng(0)
    films, readers = [], []
    for number in range(260):
        source = ("kermany", "kermany", "nih", "covid_hannover")[number % 4]
        ill = number // 4 % 2 == 1
        name = f"{number}.png"
        film = cv2.GaussianBlur(dice.uniform(0, 255, (48, 56)).astype(np.uint8), (0, 0), 1 + 2 * ill)
        cv2.imwrite(str(folder / name), film)
        labels = {"kermany": "pneumonia;bacterial" if ill else "normal", "nih": "Effusion" if ill else "No_Finding"}
        split = "test" if source == "kermany" and number % 5 == 0 else "train"
        view = "AP" if ill else "PA"
        films.append((name, source, split, f"p{number}", "", "", view, labels.get(source, "COVID-19"), "", "yes"))
        if source == "nih" and number % 3:
            readers.append((name, "Lung Opacity" if ill else "Normal"))
    for title, head, rows in (("films", COLUMNS, films), ("nih_readers", ("path", "rsna_class"), readers)):
        with (folder / f"{title}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([head, *rows])
    return folder


def test_a_recipe_ends_with_weights_a_table_and_a_card_and_again_after_a_stop(data: Path, tmp_path: Path) -> None:
    heard: list[float] = []
    recipe = recipes()["cxr-resnet18-study"]
    path = recipe.run(data, tmp_path, seed=1, progress=lambda share, line: heard.append(share), **OPTIONS)
    weights = path.read_bytes()
    table = tomllib.loads((tmp_path / "manifest.toml").read_text())["cxr-resnet18-study"]
    assert table["bytes"] == len(weights)
    assert table["input"]["crop"] == "study"
    assert table["metrics"]["auroc_pneumonia_children"]["films"] > 10
    assert "lungs filled in" in (tmp_path / "cards" / "cxr-resnet18-study.md").read_text()
    assert heard[-1] == 1.0
    (tmp_path / "card.toml").write_text(
        (tmp_path / "manifest.toml")
        .read_text()
        .replace("[cxr-resnet18-study]\n", "")
        .replace("[cxr-resnet18-study.", "[")
    )
    (tmp_path / "model").mkdir()
    for name in ("card.toml", "cxr-resnet18-study.safetensors"):
        (tmp_path / name).rename(tmp_path / "model" / name)
    case = xc.read_case(data / "0.png")
    assert xc.load_model(tmp_path / "model").predict(case).probabilities.shape == (6,)
    recipe.run(data, tmp_path, seed=1, resume=True, **OPTIONS)
    assert path.read_bytes() == weights


def test_options_are_read_as_their_kind_and_unknown_ones_refused() -> None:
    options = recipes()["cxr-resnet18"].options
    assert chosen(options, {"small": "3"})["small"] == 3
    assert chosen(options, {})["outside"] == 0.72
    with pytest.raises(xc.LightboxError, match="no option 'epochs'"):
        chosen(options, {"epochs": "3"})
    with pytest.raises(xc.LightboxError, match="no value of the option 'small'"):
        chosen(options, {"small": "many"})
