"""Painted lesions lie where they were drawn and look like real ones; the rest of the head stays as it is."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from xai_core.case import Geometry
from xai_core.training.lesion_painting import Look, look_of, painted, some_lesions, tissue, white_matter
from xai_core.training.volumes import Anatomy

WHITE = np.array([0.2, 1.0])
OFFSET = np.array([1.4, -0.7])


def anatomy(seed: int = 0) -> Anatomy:
    """Two channels, FLAIR-like and T1-like: white matter (bright on T1), grey matter, fluid in the middle, two lesions."""
    dice = np.random.default_rng(seed)
    places = np.stack(np.meshgrid(*[np.arange(32)] * 3, indexing="ij"), axis=-1)
    away = np.linalg.norm(places - 15.5, axis=-1)
    head = away < 15
    image = np.where(away < 12, WHITE[:, None, None, None], np.array([0.6, 0.0])[:, None, None, None])
    image = np.where(away < 5, np.array([-2.5, -2.0])[:, None, None, None], image)
    lesion = np.zeros(head.shape, dtype=np.float32)
    for centre, radius in (((8, 15, 15), 2.5), ((24, 18, 15), 3)):
        lesion[np.linalg.norm(places - centre, axis=-1) < radius] = 1
    image = np.where(lesion > 0, (WHITE + OFFSET)[:, None, None, None], image)
    image = (image + dice.normal(0, 0.05, image.shape)) * head
    return Anatomy("one", image.astype(np.float32), lesion[None], head, Geometry())


@pytest.fixture(scope="module")
def clay() -> Anatomy:
    return anatomy()


def fresh(shape: tuple[int, ...]) -> NDArray[np.float32]:
    share = np.zeros(shape, dtype=np.float32)
    share[6:11, 20:25, 14:19] = 1
    return share


def test_white_matter_and_fluid_are_told_by_their_grey(clay: Anatomy) -> None:
    white = white_matter(clay, bright=1)
    np.testing.assert_allclose(white, WHITE, atol=0.1)
    held = tissue(clay, dark=0, white=white)
    away = np.linalg.norm(np.stack(np.meshgrid(*[np.arange(32)] * 3, indexing="ij"), axis=-1) - 15.5, axis=-1)
    assert not held[away < 5].any()
    assert held[(away > 5) & (away < 15)].all()
    assert not held[away >= 15].any()


def test_the_look_of_lesions_is_their_distance_from_white_matter(clay: Anatomy) -> None:
    look = look_of([clay], bright=1)
    assert look.offsets.shape == (2, 2)
    np.testing.assert_allclose(look.offsets, [OFFSET] * 2, atol=0.1)
    inside = clay.image[:, clay.regions[0] > 0].astype(float)
    np.testing.assert_allclose(look.texture @ look.texture.T, np.cov(inside), atol=1e-3)


def test_heads_without_lesions_have_no_look(clay: Anatomy) -> None:
    healthy = Anatomy("none", clay.image, np.zeros_like(clay.regions), clay.head, clay.geometry)
    with pytest.raises(ValueError, match="no lesion"):
        look_of([healthy], bright=1)


def test_what_is_painted_looks_like_a_lesion_where_it_was_drawn_and_nowhere_else(clay: Anatomy) -> None:
    look = Look(np.array([OFFSET]), 0.05 * np.eye(2))
    share = fresh(clay.head.shape)
    changes = []
    for seed in range(20):
        result = painted(clay.image, share, look, WHITE, np.random.default_rng(seed))
        changes.append((result - clay.image)[:, 8, 22, 16])
        far = np.ones(share.shape, dtype=bool)
        far[1:16, 15:30, 9:24] = False
        np.testing.assert_array_equal(result[:, far], clay.image[:, far])
    # the middle of the drawn cube, its strength being 1 on average
    np.testing.assert_allclose(np.mean(changes, axis=0), OFFSET, atol=0.2)


def test_a_voxel_half_within_a_lesion_changes_by_half(clay: Anatomy) -> None:
    look = Look(np.array([OFFSET]), 1e-6 * np.eye(2))
    flat = np.broadcast_to(WHITE[:, None, None, None], clay.image.shape).astype(np.float32)
    whole = painted(flat, fresh(clay.head.shape), look, WHITE, np.random.default_rng(5))
    half = painted(flat, fresh(clay.head.shape) / 2, look, WHITE, np.random.default_rng(5))
    np.testing.assert_allclose(half - flat, (whole - flat) / 2, atol=1e-4)


def test_nothing_drawn_nothing_painted(clay: Anatomy) -> None:
    look = look_of([clay], bright=1)
    result = painted(clay.image, np.zeros(clay.head.shape, np.float32), look, WHITE, np.random.default_rng(0))
    np.testing.assert_array_equal(result, clay.image)


def test_lesions_are_kept_or_dropped_as_wholes(clay: Anatomy) -> None:
    kept = {0: 0, 1: 0, 2: 0}
    for seed in range(40):
        chosen = some_lesions(clay.regions, 0.5, np.random.default_rng(seed))
        first, second = (bool(chosen[0, *place]) for place in ((8, 15, 15), (24, 18, 15)))
        kept[first + second] += 1
        np.testing.assert_array_equal(chosen[0, :14], clay.regions[0, :14] * first)
        np.testing.assert_array_equal(chosen[0, 14:], clay.regions[0, 14:] * second)
    assert min(kept.values()) > 0
