"""Volumes with an outlined lesion to learn from: cases in the layout of ISLES 2017, or phantoms made on the spot.

Each is read and prepared by what a loaded model does with a person's files, so that training and use see the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from xai_core.case import Case
from xai_core.errors import ReadError
from xai_core.models.card import Card
from xai_core.models.model import Model
from xai_core.phantoms import MODALITIES, Phantom, perfusion_phantom
from xai_core.phantoms.isles import image_of, mask_of
from xai_core.readers import read_case, read_region
from xai_core.training.loop import Batch

OUTLINE = "*.OT.*.nii*"
"""The lesion's file of ISLES 2015 and 2017."""


@dataclass(frozen=True)
class LesionCase:
    """``case`` of six modalities with its ``lesion`` (D, H, W)."""

    name: str
    case: Case
    lesion: NDArray[np.bool_]


@dataclass(frozen=True)
class Lesson:
    """What a network is given: ``image`` (C, D, H, W) float16 and ``lesion`` (D, H, W) bool on its grid."""

    image: torch.Tensor
    lesion: torch.Tensor


def isles_cases(data: Path) -> list[LesionCase]:
    """The cases below ``data`` that have the six modalities and an outline, by name.

    Raises :class:`ReadError` where there are none, and what reading raises for one that is damaged.
    """
    outlines = sorted(path for path in data.rglob(OUTLINE) if path.is_file())
    found = []
    for outline in outlines:
        folder = outline.parents[1] if outline.parent.name.startswith("VSD") else outline.parent
        case = read_case(folder, kind="volume")
        if set(MODALITIES) <= set(case.channels):
            found.append(LesionCase(folder.name, case, read_region(outline, case).mask))
    if not found:
        raise ReadError(
            f"'{data.name}' holds no case with {', '.join(MODALITIES)} and an outline (OT).",
            "Give the folder of ISLES 2017, or make phantoms: python scripts/make_phantoms.py --out FOLDER.",
        )
    return found


def phantom_case(phantom: Phantom) -> LesionCase:
    """A phantom as the files would be read."""
    case = read_case({name: image_of(phantom, name).to_bytes() for name in MODALITIES})
    return LesionCase(
        f"phantom {phantom.seed}", case, read_region(mask_of(phantom, phantom.lesion).to_bytes(), case).mask
    )


def phantom_cases(seeds: Iterable[int]) -> Iterator[LesionCase]:
    """The phantoms of ``seeds``, one after another."""
    return (phantom_case(perfusion_phantom(seed)) for seed in seeds)


def lesson(of: LesionCase, card: Card) -> Lesson:
    """A case as the network of ``card`` is given it; an outline that is half in a voxel of its grid holds it."""
    prepared = Model(card, torch.nn.Identity(), "cpu", "").prepare(of.case)
    lesion = prepared.grid.to_input(of.lesion[None].astype(np.float32))[0] >= 0.5
    return Lesson(prepared.tensor[0].half(), torch.from_numpy(lesion))


def drawn(lessons: Sequence[Lesson], dice: np.random.Generator, varied: bool) -> Iterator[Batch]:
    """Batches of one case each, in a new order; ``varied``: mirrored in half of all draws, and each channel a little brighter and
    noisier or not."""
    for place in dice.permutation(len(lessons)):
        image, lesion = lessons[place].image.float(), lessons[place].lesion
        if varied:
            if dice.random() < 0.5:
                image, lesion = image.flip(-1), lesion.flip(-1)
            image = _varied(image, dice)
        yield {"image": image[None].contiguous(memory_format=torch.channels_last_3d), "lesion": lesion[None].long()}


def _varied(image: torch.Tensor, dice: np.random.Generator) -> torch.Tensor:
    shape = (len(image), 1, 1, 1)
    gain = torch.from_numpy(np.exp(dice.normal(0, 0.08, shape)).astype(np.float32))
    noise = torch.from_numpy(dice.standard_normal(image.shape, dtype=np.float32)) * float(dice.uniform(0, 0.03))
    return ((image * gain + noise) * (image > 0)).clamp(0, 1)


def dice_of(found: NDArray[Any], truth: NDArray[Any]) -> float:
    """2 |both| / (|found| + |truth|) of two masks; NaN where both are empty."""
    found, truth = np.asarray(found, bool), np.asarray(truth, bool)
    together = int(found.sum()) + int(truth.sum())
    return 2 * int((found & truth).sum()) / together if together else float("nan")
