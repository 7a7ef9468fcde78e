"""A whole run of a classifier's recipe on a small folder of made-up films: weights, manifest and card, and going on after a stop."""

from __future__ import annotations

import csv
import tomllib
from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import xai_core as xc
from xai_core.training import chosen, recipes
from xai_core.training.classroom import logits_of, plain_classroom
from xai_core.training.film_figures import OUTSIDE
from xai_core.training.loop import Journal

COLUMNS = (
    "path",
    "source",
    "split",
    "patient",
    "age",
    "sex",
    "view",
    "labels",
    "licence",
    "train_ok",
    "width",
    "height",
)
OPTIONS = {"small": 1, "large": 0, "size": 32, "batch": 16}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise films: children in both parts, the ill on taller films; adults with and without readers, COVID films."""
    folder = tmp_path_factory.mktemp("films")
    dice = np.random.default_rng(0)
    films, readers = [], []
    for number in range(260):
        source = ("kermany", "kermany", "nih", "covid_hannover")[number % 4]
        ill = number // 4 % 2 == 1
        name = f"{number}.png"
        shape = (56, 48) if ill else (48, 56)
        film = cv2.GaussianBlur(dice.uniform(0, 255, shape).astype(np.uint8), (0, 0), 1 + 2 * ill)
        cv2.imwrite(str(folder / name), film)
        labels = {"kermany": "pneumonia;bacterial" if ill else "normal", "nih": "Effusion" if ill else "No_Finding"}
        split = "test" if source == "kermany" and number % 5 == 0 else "train"
        view = "AP" if ill else "PA"
        films.append(
            (
                name,
                source,
                split,
                f"p{number}",
                "",
                "",
                view,
                labels.get(source, "COVID-19"),
                "",
                "yes",
                shape[1],
                shape[0],
            )
        )
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
    frame = table["metrics"]["auroc_pneumonia_children_frame"]["value"]
    assert frame in (0.0, 1.0), "two shapes, one of the ill: the frame alone sorts them one way or the other"
    assert table["shortcuts"][OUTSIDE]["children, the frame of a grey film alone"] == frame
    assert all(len(told["reliability"]) for told in table["calibration"].values())
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


def test_the_ensemble_is_measured_on_the_mean_of_its_members_probabilities(data: Path, tmp_path: Path) -> None:
    names = ("cxr-resnet18", "cxr-efficientnet-lite0")
    recipes()["cxr-ensemble"].run(data, tmp_path, members=",".join(names))
    table = tomllib.loads((tmp_path / "manifest.toml").read_text())["cxr-ensemble"]
    assert tuple(table["members"]) == names
    room = plain_classroom(data, tmp_path, Journal(tmp_path, None))
    test = room.rows("test")
    both = [xc.load_model(name) for name in names]
    shares = [model.calibrated(logits_of(model.module, room, test, 224).T).T for model in both]
    ill = room.lessons.targets[test, 1]
    child = (room.crops.table.iloc[test]["source"] == "kermany").to_numpy()
    mean = sum(share[child, 1] for share in shares)
    found = table["metrics"]["auroc_pneumonia_children"]["value"]
    assert found == pytest.approx(roc_auc_score(ill[child], mean), abs=1e-4)
