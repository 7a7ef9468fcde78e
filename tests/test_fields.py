"""The share of a map on the head: of slices as pictures and of volumes, against masks drawn by the test."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import xai_core as xc
from xai_core.case import Case, Geometry, digest_of
from xai_core.fields import head_field
from xai_core.models import Card, InputSpec, Model

SIDE = 64


def ball(space: tuple[int, ...], radius: float) -> np.ndarray:
    grids = np.meshgrid(*(np.arange(size) - (size - 1) / 2 for size in space), indexing="ij")
    return sum(grid**2 for grid in grids) <= radius**2


def slice_of_mr() -> tuple[Case, np.ndarray]:
    """A bright skull around a dim brain with a dark hole, on noise like that of JPEG, and a letter in the corner."""
    head = ball((SIDE, SIDE), 22)
    image = np.random.default_rng(0).integers(0, 6, (SIDE, SIDE))
    image[head] = 90
    image[head & ~ball((SIDE, SIDE), 19)] = 220
    image[ball((SIDE, SIDE), 4)] = 3
    image[2:6, 2:5] = 255
    pixels = image.astype(np.uint8)[None]
    return Case("film", ("film",), pixels, Geometry(), {"bits": 8}, digest_of(pixels, "film")), head


class Weighted(nn.Module):
    """Logits whose gradient is ``weight`` everywhere that it is set."""

    def __init__(self, weight: np.ndarray) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.from_numpy(weight.astype(np.float32)).reshape(1, -1))

    def forward(self, x):
        return torch.nn.functional.linear(x.flatten(1), self.weight)


def test_the_head_of_a_slice_has_its_holes_and_not_the_letters() -> None:
    case, head = slice_of_mr()
    np.testing.assert_array_equal(head_field(case).mask, head)


def test_the_head_of_a_volume_is_above_air() -> None:
    head = ball((12, 14, 16), 5)
    pixels = np.where(head, 500, 0).astype(np.int16)[None]
    case = Case("volume", ("T1",), pixels, Geometry(), {}, digest_of(pixels, "volume"))
    np.testing.assert_array_equal(head_field(case).mask, head)


@pytest.mark.parametrize("on_frame", [False, True])
def test_a_map_on_the_frame_is_said_in_the_badge(on_frame: bool) -> None:
    case, head = slice_of_mr()
    weight = ~head if on_frame else head
    card = Card(
        "slices", "Slices", "weighted", "MR", "classification", ("tumour",), ("film",), False,
        InputSpec((SIDE, SIDE), intensity="eight-bit"),
    )  # fmt: skip
    found = xc.explain(Model(card, Weighted(weight).eval(), "cpu", "x"), case, explainer="gradient", target="tumour")
    numbers = found.badge.numbers
    assert numbers["mass_inside_head"] == pytest.approx(0.0 if on_frame else 1.0)
    assert numbers["head_share"] == pytest.approx(head.mean(), abs=1e-6)
    assert ("outside the head" in [one.word for one in found.badge.findings]) == on_frame
