"""The recipe of the adversarial generators, on films of noise: it runs through, resumes, and its losses pull the right way."""

from __future__ import annotations

import tomllib
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

import xai_core as xc
from xai_core.models.companions import MANIFEST
from xai_core.training import recipes
from xai_core.training.adversarial_generators import BEYOND, pair_loss
from xai_core.training.films import draw
from xai_core.training.generators_card import _against, on_lesions

NAME = "adversarial-generators"


class Fixed(nn.Module):
    """A pair that adds one number each."""

    def __init__(self, similar: float, adversarial: float) -> None:
        super().__init__()
        self.by = (similar, adversarial)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x + self.by[0], x + self.by[1]


def brightness(x: Tensor) -> Tensor:
    return 10 * (x.mean((1, 2, 3)) - 0.5)


def batch(grey: float) -> dict[str, Tensor]:
    image = torch.full((2, 1, 32, 32), grey)
    move = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]).expand(2, 2, 3)
    return {"image": image, "move": move, "noise": torch.zeros_like(image)}


@pytest.mark.parametrize(
    ("grey", "similar", "adversarial", "expected"),
    [
        (0.4, 0.0, 0.0, BEYOND + 1.0),  # says -1: one logit short of 0, and one beyond
        (0.4, 0.0, 0.2, 20 * 0.2),  # turned to +1: only the distance is left
        (0.6, 0.0, -0.2, 20 * 0.2),  # and the other way
        (0.4, 0.2, 0.2, 1.5 + 20 * 0.2),  # the similar film has crossed too: smooth L1 of two logits
    ],
)
def test_the_loss_in_closed_form(grey: float, similar: float, adversarial: float, expected: float) -> None:
    found = pair_loss(Fixed(similar, adversarial), batch(grey), brightness, near=20.0, smooth=40.0)
    assert float(found) == pytest.approx(expected, abs=1e-4)


def test_a_map_that_is_the_lesion_finds_it_and_one_beside_it_does_not() -> None:
    inside, lesion = np.ones((8, 8), bool), np.zeros((8, 8), bool)
    lesion[:2] = True
    assert _against(lesion.astype(np.float32), inside, lesion) == (1.0, 1.0, 0.25, 1.0)
    assert _against((~lesion).astype(np.float32), inside, lesion) == (0.0, 0.0, 0.25, 0.0)
    assert np.isnan(_against(np.ones((8, 8), np.float32), inside, inside)).all()


def film_folder(folder: Path) -> Path:
    """Films of noise: eight to train, two to validate, four to test, half of each with pneumonia."""
    dice = np.random.default_rng(0)
    names = [f"p{number}" for number in range(400)]
    wanted = {
        "train": [name for name in names if draw(f"kermany/{name}") >= 0.08][:12],
        "val": [name for name in names if draw(f"kermany/{name}") < 0.08][:2],
    }
    patients = [(name, "train") for name in (*wanted["train"][:8], *wanted["val"])]
    patients += [(name, "test") for name in wanted["train"][8:]]
    rows = []
    for number, (name, split) in enumerate(patients):
        path = f"{name}.png"
        pixels = cv2.GaussianBlur(dice.uniform(0, 255, (96, 96)).astype(np.float32), (0, 0), 4)
        cv2.imwrite(str(folder / path), np.clip((pixels - 127) * 6 + 127, 0, 255).astype(np.uint8))
        label = "pneumonia;bacterial" if number % 2 else "normal"
        rows.append({"path": path, "source": "kermany", "split": split, "patient": name, "labels": label})
    films = pd.DataFrame(rows)
    for column in ("age", "sex", "view", "licence"):
        films[column] = ""
    films["train_ok"] = "yes"
    films.to_csv(folder / "films.csv", index=False)
    pd.DataFrame(columns=["path", "rsna_class"]).to_csv(folder / "nih_readers.csv", index=False)
    boxed = {"path": patients[-1][0] + ".png", "finding": "Lung_Opacity", "x": 0.2, "y": 0.3, "w": 0.3, "h": 0.3}
    pd.DataFrame([{**boxed, "source": "RSNA 2018"}]).to_csv(folder / "boxes.csv", index=False)
    pd.DataFrame(columns=["path", "film", "kind"]).to_csv(folder / "masks.csv", index=False)
    return folder


def test_the_recipe_runs_through_and_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    film_folder(data)
    options = {"small": 1, "large": 0, "size": 32, "films": 8, "batch": 4}
    weights = recipes()[NAME].run(data, out, seed=1, **options)
    first = weights.read_bytes()
    table = tomllib.loads((out / MANIFEST).read_text("utf-8"))[NAME]
    assert table["bytes"] == len(first) < 8_000_000
    assert table["serves"]["model"] == "cxr-resnet18"
    assert "Pneumonia" in (out / "cards" / f"{NAME}.md").read_text("utf-8")
    again = recipes()[NAME].run(data, out, seed=1, resume=True, **options)
    assert again.read_bytes() == first


def test_every_lesion_is_measured_on_the_lungs_of_its_own_film(tmp_path: Path) -> None:
    """A map that is the same everywhere has its mass in a lesion by the lesion's area; films of two shapes, one after the other."""
    films = pd.read_csv(film_folder(tmp_path) / "films.csv")
    held = list(films["path"][films["split"] == "test"])[:2]
    boxed = {"finding": "Lung_Opacity", "x": 0.3, "y": 0.4, "w": 0.4, "h": 0.2, "source": "RSNA 2018"}
    for path, name in zip(held, ("hannover-covid-19", "simulated-consolidation"), strict=True):
        pixels = xc.read_case(xc.sample_cases()[name]).pixels[0].astype(np.float32)
        scaled = (pixels - pixels.min()) / (pixels.max() - pixels.min())
        cv2.imwrite(str(tmp_path / path), np.round(scaled * 255).astype(np.uint8))
    pd.DataFrame([{"path": path, **boxed} for path in held]).to_csv(tmp_path / "boxes.csv", index=False)
    found = on_lesions(Fixed(0.0, 0.1), lambda images: torch.ones(len(images)), tmp_path)  # type: ignore[arg-type]
    assert len(found) == 2
    np.testing.assert_allclose(found["mass"], found["area"], rtol=1e-4)
    assert found["area"].between(0.05, 0.95).all()
