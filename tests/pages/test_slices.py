"""A slice of MR as a picture on Film review, with a network for slices among one's own models."""

from __future__ import annotations

import tomllib
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.pages.conftest import opened, settled
from tests.test_fields import slice_of_mr
from xai_core.models.architectures import build
from xai_core.models.shelf import card_of

CARD = """
title = "Brain slices"
architecture = "brain-cnn4"
modality = "MR"
labels = ["glioma", "meningioma", "notumor", "pituitary"]
activation = "softmax"
target_layer = "conv_layers.4"
[input]
size = [64, 64]
intensity = "file-range"
mean = [0.5]
std = [0.5]
"""


@pytest.fixture(autouse=True)
def brain_net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "brain-slices"
    own.mkdir()
    (own / "card.toml").write_text(CARD, "utf-8")
    torch.manual_seed(0)
    module = build(card_of({"name": "brain-slices", **tomllib.loads(CARD)}))
    save_file(module.state_dict(), own / "brain-slices.safetensors")
    monkeypatch.setenv("LIGHTBOX_MODELS", str(tmp_path))


def test_a_slice_is_explained_and_the_badge_says_how_much_lies_outside_the_head() -> None:
    case, _ = slice_of_mr()
    picture = cv2.imencode(".png", np.ascontiguousarray(case.pixels[0]))[1].tobytes()
    app = opened(["gradient", "lrp-epsilon-plus"])
    app.selectbox(key="model").select("brain-slices").run()
    app.file_uploader[0].upload("slice.png", picture, "image/png").run()
    settled(app)
    panes = app.session_state["job"].panes
    assert {target for _, target in panes} <= {"glioma", "meningioma", "notumor", "pituitary"}
    for pane in panes.values():
        assert pane.state == "ready"
        assert 0 <= pane.explanation.badge.numbers["mass_inside_head"] <= 1
        assert any("outside the head" in sentence for sentence in pane.explanation.badge.sentences)
