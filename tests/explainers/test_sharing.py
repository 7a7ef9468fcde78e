"""One forward pass for all: explainers that walk a recording share it, over targets too."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import xai_core as xc
from tests.networks import big
from xai_core.case import Case, Geometry
from xai_core.models import Card, InputSpec, Model

EIGHT = (
    "gradient",
    "input-x-gradient",
    "guided-backprop",
    "grad-cam",
    "layer-cam",
    "lrp-epsilon-plus",
    "lrp-gamma",
    "rap",
)
LABELS = tuple(f"label {number}" for number in range(10))
TARGETS = LABELS[2:5]


@pytest.fixture
def model() -> Model:
    card = Card(
        name="dense",
        title="DenseNet-121 with random weights",
        architecture="densenet121",
        modality="CXR",
        task="classification",
        labels=LABELS,
        channels=("red", "green", "blue"),
        shipped=False,
        input=InputSpec((64, 64), channels=3, intensity="percentile"),
        target_layer="features.norm5",
    )
    return Model(card, big("densenet121"), "cpu", "none")


@pytest.fixture
def case() -> Case:
    pixels = np.random.default_rng(0).integers(0, 4096, (3, 80, 72)).astype(np.uint16)
    return Case("film", ("red", "green", "blue"), pixels, Geometry(), {}, "digest")


def counted(module: nn.Module) -> tuple[list[int], torch.utils.hooks.RemovableHandle]:
    """Forward passes that start from now on."""
    calls: list[int] = []
    return calls, module.register_forward_pre_hook(lambda *_: calls.append(1))


def test_eight_explainers_and_three_targets_run_the_network_once(model: Model, case: Case) -> None:
    calls, handle = counted(model.module)
    try:
        found = xc.explain_all(model, case, explainers=EIGHT, targets=TARGETS)
    finally:
        handle.remove()
    assert len(calls) == 1
    assert set(found) == {(name, label) for name in EIGHT for label in TARGETS}


def test_shared_maps_are_those_of_single_questions(model: Model, case: Case) -> None:
    together = xc.explain_all(model, case, explainers=EIGHT, targets=TARGETS)
    for name in EIGHT:
        alone = xc.explain(model, case, explainer=name, target=TARGETS[-1])
        np.testing.assert_allclose(
            together[name, TARGETS[-1]].raw, alone.raw, rtol=1e-5, atol=1e-6 * np.abs(alone.raw).max()
        )
