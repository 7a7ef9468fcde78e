"""The arithmetic of known films, against scipy, torch and scikit-learn, and the shipped file against its table."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

import xai_core as xc
from xai_core.models.shelf import SHELF, shipped_cards
from xai_core.quality import statistics
from xai_core.quality.statistics import POSES, pooled, quality_table, squared_distances, statistics_for
from xai_core.training import film_quality
from xai_core.training.film_quality import Films, discriminant, fitted

MOST_BYTES = 300_000


def points(films: int, features: int, seed: int = 0) -> np.ndarray:
    dice = np.random.default_rng(seed)
    return dice.normal(size=(films, features)) @ dice.normal(size=(features, features))


def test_distances_are_those_of_scipy() -> None:
    place, means = points(20, 6), points(3, 6, 1)
    precision = np.linalg.inv(np.cov(points(50, 6, 2).T))
    expected = cdist(place, means, "mahalanobis", VI=precision) ** 2
    np.testing.assert_allclose(squared_distances(place, means, precision), expected, rtol=1e-9)


def test_maps_are_pooled_as_torch_pools_them() -> None:
    maps = np.random.default_rng(0).normal(size=(5, 6, 6)).astype(np.float32)
    expected = torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(maps), 3).flatten()
    np.testing.assert_allclose(pooled(maps), expected.numpy(), rtol=1e-5, atol=1e-6)


def test_the_discriminant_is_that_of_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(film_quality, "SHRINKAGE", 0.0)
    place = np.concatenate([points(400, 5), points(400, 5, 1) + 1.0])
    group = np.repeat([0, 1], 400)
    found = discriminant(place, group)
    peer = LinearDiscriminantAnalysis(solver="lsqr", priors=[0.5, 0.5]).fit(place, 1 - group)
    np.testing.assert_allclose(place @ found[:-1] + found[-1], peer.decision_function(place), rtol=5e-3, atol=1e-2)


def test_the_axes_are_the_principal_ones() -> None:
    features = points(300, 12).astype(np.float32)
    group, pose = np.repeat([0, 1], 150), np.arange(300) % len(POSES)
    everyone = np.ones(300, bool)
    upright = Films(features, group, np.zeros(300, np.int64), np.zeros(300, np.int64), everyone)
    found = fitted(upright, Films(features, group, np.where(pose == 0, 1, pose), pose, everyone), 4)
    peer = PCA(4).fit((features - features.mean(0)) / features.std(0))
    np.testing.assert_allclose(np.abs(found.axes @ peer.components_.T), np.eye(4), atol=0.02)


def test_the_shipped_file_is_small_and_the_one_its_table_describes() -> None:
    content = (SHELF / f"{statistics.NAME}.safetensors").read_bytes()
    table = quality_table()
    assert hashlib.sha256(content).hexdigest() == table["sha256"]
    assert len(content) == table["bytes"] < MOST_BYTES
    assert table["serves"]["sha256"] == shipped_cards()["cxr-lungs"].sha256


def test_another_lung_network_has_no_statistics() -> None:
    assert statistics_for("0" * 64) is None


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    shutil.copy(SHELF / statistics.MANIFEST, tmp_path)
    (tmp_path / f"{statistics.NAME}.safetensors").write_bytes(b"other")
    with pytest.raises(xc.LightboxError, match="absent or not the ones"):
        statistics_for(quality_table()["serves"]["sha256"], tmp_path)
