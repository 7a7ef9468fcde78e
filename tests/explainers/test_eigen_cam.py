"""Class activation maps that are the same whatever the label: Eigen-CAM and FEM."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.explainers.test_cams import LAYERS, ours, theirs
from tests.explainers.test_score_cam import Flat
from tests.networks import small, smooth
from tests.oracles import cams
from tests.oracles.gradients import on_image
from tests.oracles.test_oracles import deviation
from xai_core.explainers.eigen_cam import first_component


@pytest.mark.parametrize("network", LAYERS)
def test_centred_eigen_cam_is_that_of_pytorch_grad_cam_up_to_its_open_sign(network: str) -> None:
    module, x = small(network)
    layer = LAYERS[network]
    expected = theirs("EigenCAM", module, layer, x, [0, 0])
    found = ours(module, x, "eigen-cam", 0, target_layer=layer, centred=True)
    for n in range(2):
        either = [
            deviation(found[n : n + 1], on_image((sign * expected[n : n + 1]).clamp(min=0), x[:1])) for sign in (1, -1)
        ]
        assert min(either) < 1e-5  # it returns float32


@pytest.mark.parametrize("network", LAYERS)
def test_eigen_cam_is_the_first_singular_vectors_map(network: str) -> None:
    module, x = small(network)
    maps = cams.outputs_of(module, LAYERS[network], x)
    found = ours(module, x, "eigen-cam", 0, target_layer=LAYERS[network])
    for n in range(2):
        u, s, _ = np.linalg.svd(maps[n].flatten(1).T.numpy(), full_matrices=False)
        projection = torch.from_numpy(u[:, 0] * s[0]).reshape(1, 1, *maps.shape[2:])
        projection = projection if float(projection.sum()) > 0 else -projection
        assert deviation(found[n : n + 1], on_image(projection.clamp(min=0), x[:1])) < 1e-9


@pytest.mark.parametrize(("positions", "channels"), [(4, 9), (9, 4), (5, 5)])
def test_the_first_component_has_the_sign_of_the_activity(positions: int, channels: int) -> None:
    rows = smooth(6, positions, channels, dtype=torch.float64)
    assert bool((first_component(rows, False).sum(1) > 0).all())
    assert deviation(first_component(-rows, False), first_component(rows, False)) < 1e-9
    positive = first_component(rows.abs(), False)
    assert bool((positive >= 0).all())
    mean = rows.mean(1)
    for is_centred in (False, True):
        found = first_component(rows, is_centred)
        matrix = rows - rows.mean(1, keepdim=True) if is_centred else rows
        vectors = (found[:, None] @ matrix)[:, 0]  # O^T O v = s^2 v
        assert bool(((vectors * mean).sum(1) >= 0).all())
    assert bool((first_component(torch.zeros_like(rows), False) == 0).all())


@pytest.mark.parametrize("k", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("network", ["plain1d", "plain2d", "plain3d", "residual2d", "dense2d"])
def test_fem_place_by_place(network: str, k: float) -> None:
    module, x = small(network)
    layer = {"plain1d": "features.4", **LAYERS}[network]
    expected = cams.fem(cams.outputs_of(module, layer, x), k, x)
    found = ours(module, x, "fem", 0, target_layer=layer, k=k)
    if float(expected.max()) > 0.0:
        assert deviation(found, expected) < 1e-9
    else:
        assert float(found.max()) == 0.0


def test_fem_marks_all_of_a_constant_map() -> None:
    module, x = Flat().double().eval(), smooth(1, 3, 8, 8, dtype=torch.float64)
    maps = torch.relu(module.conv(x)).detach()
    found = ours(module, x, "fem", 0)
    assert deviation(found, cams.fem(maps, 1.0, x)) < 1e-9
    assert float(found.min()) >= 2.0  # the constant map's mean
