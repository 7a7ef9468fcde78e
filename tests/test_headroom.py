"""A map that would not fit into memory is refused with numbers before anything is computed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import xai_core as xc
from tests.networks import UNet, randomised
from tests.volumes import CHANNELS, volume, volume_model
from xai_core import headroom
from xai_core.record import record


def held_bytes(recording) -> int:
    tensors = {
        value.tensor.untyped_storage().data_ptr(): value.tensor.untyped_storage().nbytes()
        for step in recording.steps
        for value in (*step.inputs, *step.outputs)
        if value.tensor is not None and not value.is_constant
    }
    return sum(tensors.values())


def test_a_corner_tells_what_the_whole_holds() -> None:
    module = randomised(UNet(3, 2, 2), 1).float().eval()
    x = torch.rand(1, 2, 64, 48, 64)
    told = headroom.needed_bytes(module, x)
    assert told == pytest.approx(headroom.WALK * held_bytes(record(module, x)), rel=0.05)


def test_what_does_not_fit_is_refused_and_what_fits_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(headroom, "LARGE", 0)
    case, model = volume(), volume_model(randomised(UNet(3, len(CHANNELS), 2), 3).float())
    whole = headroom.needed_bytes(model.module, model.prepare(case).tensor)
    monkeypatch.setattr(headroom, "free_bytes", lambda device: whole - 1)
    with pytest.raises(xc.LightboxError, match="GB of memory"):
        xc.explain(model, case, explainer="gradient", target="lesion")
    monkeypatch.setattr(headroom, "free_bytes", lambda device: whole)
    assert np.isfinite(xc.explain(model, case, explainer="gradient", target="lesion").raw).all()


def test_a_network_that_needs_its_own_size_is_let_through() -> None:
    fixed = nn.Sequential(nn.Flatten(), nn.Linear(40**3, 2)).eval()
    assert headroom.needed_bytes(fixed, torch.rand(1, 1, 40, 40, 40)) is None
