"""Patches of heads: cut where they say, image and mask moved as one, mirrored left to right alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from xai_core.case import Geometry
from xai_core.training.lesion_painting import Look
from xai_core.training.volume_batches import (
    RIM,
    Canvas,
    Mixture,
    augmented,
    batches,
    boxed,
    lesion_centres,
    overlap_loss,
    retoned,
)
from xai_core.training.volumes import Anatomy

LOOK = Look(np.array([[1.4, -0.7]]), 0.01 * np.eye(2))


def canvas(is_ill: bool = True) -> Canvas:
    dice = np.random.default_rng(0)
    shape = (30, 34, 32)
    image = dice.normal(0, 1, (2, *shape)).astype(np.float32)
    regions = np.zeros((1, *shape), np.float32)
    regions[0, 10:13, 10:13, 10:13] = is_ill
    drawn = np.zeros((1, *shape), np.uint8)
    drawn[0, 20:23, 20:23, 20:23] = 255
    head = np.ones(shape, dtype=bool)
    anatomy = Anatomy("one", image, regions, head, Geometry())
    return Canvas(anatomy, np.zeros(2), head, (drawn,), lesion_centres(regions))


@pytest.mark.parametrize("start", [(0, 0, 0), (-5, 3, 20), (25, -9, 30), (-40, 0, 0), (5, 6, 40)])
def test_a_box_is_what_padding_and_slicing_give(start: tuple[int, int, int]) -> None:
    array = np.random.default_rng(1).normal(size=(2, 12, 14, 16)).astype(np.float32)
    wide = np.pad(array, ((0, 0), (50, 50), (50, 50), (50, 50)))
    expected = wide[:, *(slice(first + 50, first + 60) for first in start)]
    np.testing.assert_array_equal(boxed(array, np.asarray(start), 10), expected)


def test_without_strength_a_patch_is_the_middle_of_its_cube_or_its_mirror_image() -> None:
    side = 16
    cube = np.random.default_rng(2).normal(size=(2, *[side + 2 * RIM] * 3)).astype(np.float32)
    middle = cube[:, *[slice(RIM, -RIM)] * 3]
    seen = set()
    for seed in range(12):
        mixture = Mixture(side, 1, strength=0.0)
        image, mask = augmented(cube, cube[:1], np.ones_like(cube[:1]), mixture, np.random.default_rng(seed))
        is_mirrored = not np.allclose(image.numpy(), middle, atol=1e-4)
        expected = middle[..., ::-1] if is_mirrored else middle
        np.testing.assert_allclose(image.numpy(), expected, atol=1e-4)
        np.testing.assert_allclose(mask.numpy(), expected[:1], atol=1e-4)
        seen.add(is_mirrored)
    assert seen == {True, False}


def test_a_turned_patch_keeps_its_lesion_where_its_mask_is() -> None:
    """Centres of mass of a bright ball and of its mask, after turns and stretches at full strength."""
    side, reach = 24, 24 + 2 * RIM
    places = np.stack(np.meshgrid(*[np.arange(reach)] * 3, indexing="ij"), axis=-1)
    ball = (np.linalg.norm(places - (15, 20, 18), axis=-1) < 5).astype(np.float32)[None]
    for seed in range(8):
        twice = np.concatenate([30 * ball] * 2)  # one of two modalities may go missing
        image, mask = augmented(twice, ball, np.ones_like(ball), Mixture(side, 1), np.random.default_rng(seed))
        bright = (image.amax(0) > 0.4 * image.max()).float()
        grid = torch.stack(torch.meshgrid(*[torch.arange(side).float()] * 3, indexing="ij"))
        centres = [(grid * weight).sum((1, 2, 3)) / weight.sum() for weight in (bright, mask[0])]
        torch.testing.assert_close(centres[0], centres[1], atol=0.5, rtol=0)
        # half a ball of 5 voxels, however it is turned, at 0.85 to 1.15 of its size
        assert 0.6 < float(mask.sum()) / float(ball.sum()) < 1.7


def test_outside_the_head_a_patch_is_zero_whatever_its_tone() -> None:
    cube = np.ones((2, *[8 + 2 * RIM] * 3), np.float32)
    head = np.zeros_like(cube[:1])
    head[:, :, :, : RIM + 4] = 1
    image, _ = augmented(cube, cube[:1], head, Mixture(8, 1, strength=0.0), np.random.default_rng(0))
    assert (image[..., :4].abs() > 0.5).all() or (image[..., 4:].abs() > 0.5).all()
    assert (image == 0).sum() == image.numel() // 2


def test_batches_are_equal_for_equal_seeds_and_hold_lesions_drawn_and_own() -> None:
    mixture = Mixture(12, 2, painted=0.5, lesion=1.0)

    def drawn(seed: int, is_ill: bool = True) -> list[dict[str, torch.Tensor]]:
        return [dict(b) for b in batches([canvas(is_ill)], [LOOK], mixture, 4, np.random.default_rng(seed))]

    first, again, other = drawn(1), drawn(1), drawn(2)
    for one, two, three in zip(first, again, other, strict=True):
        assert one["image"].shape == (2, 2, 12, 12, 12)
        assert one["mask"].shape == (2, 1, 12, 12, 12)
        torch.testing.assert_close(one, two, rtol=0, atol=0)
        assert not torch.equal(one["image"], three["image"])
    assert all(float(batch["mask"].amax()) > 0.5 for batch in first)
    healthy = torch.cat([batch["mask"] for batch in drawn(1, is_ill=False)]).amax((1, 2, 3, 4))
    assert 0 < int((healthy > 0.5).sum()) < len(healthy)


def test_a_drawn_lesion_stays_out_of_the_heads_own() -> None:
    """The head's own lesion keeps its grey: only what was drawn elsewhere is painted."""
    whole = canvas()
    everywhere = np.full_like(whole.masks[0], 255)
    own = Canvas(whole.anatomy, whole.white, whole.tissue, (everywhere,), whole.centres)
    image = whole.anatomy.image.copy()
    mixture = Mixture(12, 1, painted=1.0, lesion=0.0, strength=0.0)
    batch = next(batches([own], [LOOK], mixture, 1, np.random.default_rng(3)))
    assert float(batch["mask"].min()) == pytest.approx(1.0, abs=1e-4)
    np.testing.assert_array_equal(whole.anatomy.image, image)


def test_a_modality_goes_missing_now_and_then() -> None:
    image = np.ones((4, 6, 6, 6), np.float32)
    missing = [
        int((retoned(image, np.random.default_rng(seed), 1.0) == 0).all(-1).all(-1).all(-1).sum())
        for seed in range(200)
    ]
    assert set(missing) == {0, 1}
    # one in ten: 20 of 200, within four standard deviations
    assert abs(sum(missing) - 20) < 4 * np.sqrt(200 * 0.1 * 0.9)


def test_the_loss_is_cross_entropy_and_soft_dice() -> None:
    class Constant(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.full((2, 1, 4, 4, 4), 2.0)

    truth = torch.zeros(2, 1, 4, 4, 4)
    truth[:, :, :2] = 1
    share = 1 / (1 + np.exp(-2.0))
    entropy = -(np.log(share) + np.log(1 - share)) / 2
    dice = (2 * share * 64 + 1) / (share * 128 + 64 + 1)
    found = overlap_loss(Constant(), {"image": truth, "mask": truth})
    assert float(found) == pytest.approx(entropy + 1 - dice, rel=1e-5)
