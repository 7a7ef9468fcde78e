"""Volumes as the networks of lesions learn from them: prepared by the code that prepares a person's volume.

A network that was taught on one grid and scale and asked on another fails without a word. So every volume goes through
:func:`xai_core.preprocess.prepare` here too, and masks are laid onto that grid by millimetres.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xai_core.case import Case, Geometry
from xai_core.errors import ModelError
from xai_core.head import with_channels
from xai_core.preprocess import InputSpec, prepare
from xai_core.readers import read_case
from xai_core.resampling import onto

Values = NDArray[np.float32]
Truth = NDArray[np.bool_]


@dataclass(frozen=True)
class Anatomy:
    """One head as the network meets it: ``image`` (C, D, H, W), ``regions`` (L, D, H, W) the share of each voxel within
    each region (0 to 1), ``head`` (D, H, W) bool, and ``geometry`` of this grid."""

    name: str
    image: Values
    regions: Values
    head: Truth
    geometry: Geometry


@dataclass(frozen=True)
class Subject:
    """A ``case`` on its own grid with the ``truth`` (L, *space) that people drew on it."""

    name: str
    case: Case
    truth: Truth


def mr_root(data: Path, study: str) -> Path:
    """The folder of one study ("ms", "brats") in ``data`` or its folder "mri"; raises :class:`ModelError` where neither has it."""
    for folder in (data / "mri" / study, data / study):
        if folder.is_dir():
            return folder
    raise ModelError(f"There are no volumes in {data.name}.", f"Give the folder that holds mri/{study}.")


def read_subject(name: str, files: Mapping[str, Path], mask: Path, labels: Sequence[Sequence[int]]) -> Subject:
    """A case of one file a modality and, for each region, the voxels of ``mask`` whose value is one of ``labels``."""
    case, drawn = read_case(dict(files)), read_case(mask, kind="volume")
    laid, _ = onto(drawn.pixels[0], drawn.geometry, case.geometry, case.space, is_mask=True)
    return Subject(name, case, np.stack([np.isin(laid, values) for values in labels]))


def anatomy_of(subject: Subject, channels: Sequence[str], spec: InputSpec) -> Anatomy:
    """The subject on the grid and in the scale of ``spec``, as a model with this input would get it."""
    case = subject.case
    prepared = prepare(with_channels(case, channels), spec, None)
    if case.geometry.affine is None or prepared.field is None:
        raise ModelError(f"'{subject.name}' does not say how the head lies.", "Leave it out.")
    grid = prepared.grid
    return Anatomy(
        subject.name,
        prepared.tensor[0].numpy(),
        grid.to_input(subject.truth.astype(np.float32)),
        grid.to_input(prepared.field.mask[None].astype(np.float32))[0] >= 0.5,
        Geometry.of_affine(case.geometry.affine @ grid.matrix()),
    )


def mask_on(anatomy: Anatomy, file: Path, labels: Sequence[Sequence[int]]) -> Values:
    """(L, D, H, W) share of each of the anatomy's voxels within the regions of a mask drawn in the same space."""
    drawn = read_case(file, kind="volume")
    shape = anatomy.head.shape
    shares = [
        onto(np.isin(drawn.pixels[0], values).astype(np.float32), drawn.geometry, anatomy.geometry, shape)[0]
        for values in labels
    ]
    return np.asarray(np.clip(np.stack(shares), 0, 1), dtype=np.float32)
