"""The shipped models: in order, loaded only when unchanged, as good as their cards say on a few held-out films."""

from __future__ import annotations

import csv
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import xai_core as xc
from xai_core.case import Case, Geometry
from xai_core.grid import Grid
from xai_core.models.places import SHELF
from xai_core.training.scores import auroc

CARDS = {card.name: card for card in xc.models()}


def film(pixels: np.ndarray, photometric: str = "MONOCHROME2", digest: str = "") -> Case:
    facts = {"bits": 8, "photometric": photometric}
    return Case(
        "film", ("film",), pixels[None], Geometry(), facts, digest or hashlib.sha256(pixels.tobytes()).hexdigest()
    )


def rows(shared: Path, split: str) -> list[dict[str, str]]:
    with (shared / "cxr" / "films.csv").open() as table:
        return [row for row in csv.DictReader(table) if row["source"] == "kermany" and row["split"] == split]


@pytest.mark.parametrize("name", [name for name, card in CARDS.items() if not card.members])
def test_weights_are_those_of_the_manifest(name: str) -> None:
    content = (SHELF / f"{name}.safetensors").read_bytes()
    assert hashlib.sha256(content).hexdigest() == CARDS[name].sha256
    assert len(content) == CARDS[name].bytes
    assert (SHELF / "cards" / f"{name}.md").stat().st_size > 1000


def test_an_unknown_model_is_refused_by_naming_the_known_ones() -> None:
    with pytest.raises(xc.LightboxError, match="cxr-resnet18"):
        xc.load_model("cxr-resnet19")


def test_changed_weights_are_refused(tmp_path: Path) -> None:
    content = bytearray((SHELF / "cxr-lungs.safetensors").read_bytes())
    content[-1] ^= 1
    (tmp_path / "own.safetensors").write_bytes(content)
    card = CARDS["cxr-lungs"]
    (tmp_path / "card.toml").write_text(
        f'architecture = "lung-unet"\ntask = "segmentation"\nlabels = ["Lungs"]\nsha256 = "{card.sha256}"\n'
        '[input]\nsize = [192, 192]\ncrop = "study"\n'
    )
    with pytest.raises(xc.LightboxError):
        xc.load_model(tmp_path)


def test_children_with_pneumonia_are_told_from_healthy_ones_and_lungs_are_found(shared: Path) -> None:
    model = xc.load_model("cxr-resnet18")
    chosen = rows(shared, "test")[::11]
    scores, truth, covered = [], [], []
    for row in chosen:
        pixels = cv2.imread(str(shared / "cxr" / row["path"]), cv2.IMREAD_GRAYSCALE)
        assert pixels is not None
        case = film(pixels)
        scores.append(model.predict(case).logits[1])
        truth.append("pneumonia" in row["labels"])
        found = model.lungs(case)
        covered.append(0.0 if found is None else found.mask.mean())
    assert auroc(np.array(truth), np.array(scores)) > 0.9
    assert min(covered) > 0.1


def test_polarity_makes_no_difference(shared: Path) -> None:
    model = xc.load_model("cxr-resnet18")
    pixels = cv2.imread(str(shared / "cxr" / rows(shared, "test")[0]["path"]), cv2.IMREAD_GRAYSCALE)
    assert pixels is not None
    plain, inverted = model.predict(film(pixels)), model.predict(film(255 - pixels, "MONOCHROME1"))
    np.testing.assert_allclose(plain.logits, inverted.logits, atol=1e-3)


def test_a_prediction_is_the_same_to_the_bit() -> None:
    model, case = xc.load_model("cxr-resnet18"), xc.read_case(next(iter(xc.sample_cases().values())))
    assert np.array_equal(model.predict(case).logits, model.predict(case).logits)


@pytest.mark.parametrize("scale", [0.6, 1.0, 4.2])
def test_a_single_sample_comes_back_to_where_it_was(scale: float) -> None:
    grid = Grid((scale, scale), (3.3, 5.1), (900, 700), (128, 128))
    spot = np.zeros((1, 128, 128), np.float32)
    spot[0, 60, 40] = 1
    back = grid.to_case(spot)[0]
    rows_of, columns = np.nonzero(back)
    assert abs(np.average(rows_of, weights=back[rows_of, columns]) - (3.3 + scale * 60)) <= max(0.5, scale / 2)
    assert abs(np.average(columns, weights=back[rows_of, columns]) - (5.1 + scale * 40)) <= max(0.5, scale / 2)


def test_the_command_line_says_one_sentence_and_exits_with_one() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "xai_core", "explain", "no-such-film.dcm"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1
    assert "no-such-film" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_line_writes_a_map_a_picture_and_a_sidecar(tmp_path: Path) -> None:
    sample = next(iter(xc.sample_cases().values()))
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "xai_core",
            "explain",
            str(sample.path),
            "--explainer",
            "grad-cam",
            "--out",
            str(tmp_path),
            "--json",
        ],
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)
    assert np.load(row["files"]["npy"]).shape == (1, *xc.read_case(sample).space)
    assert cv2.imread(row["files"]["png"]) is not None
    assert "Nih" not in Path(row["files"]["json"]).read_text()


@pytest.mark.parametrize("name", [card.name for card in xc.models() if card.shipped and card.target_layers])
def test_the_layers_that_a_card_offers_are_the_networks(name: str) -> None:
    model = xc.load_model(name, "cpu")
    assert {model.card.target_layer, *model.card.target_layers} <= set(dict(model.module.named_modules()))
