"""Which vessel feeds what: territories of the cerebral arteries, schematic, as the nearest of a few places in MNI space.

The places follow the usual maps of arterial territories (Tatu et al., Neurology 1998;50:1699-1708) by eye; they are for teaching and
no atlas. Vessels of one side are given with x > 0, the right one's as it is, the left one's mirrored.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

# Vessel to places (x, y, z) in mm.
PLACES: dict[str, tuple[tuple[int, int, int], ...]] = {
    "MCA, superior division": ((45, 25, 25), (50, 0, 38), (48, -18, 45), (38, 38, 12), (38, 8, 8), (30, -5, 45)),
    "MCA, inferior division": (
        (56, -40, 12),
        (50, -55, 28),
        (58, -18, -10),
        (45, 5, -28),
        (40, -32, 22),
        (38, -58, 42),
    ),
    "lenticulostriate branches": ((24, 4, 4), (24, -8, 8), (18, 12, 10)),
    "ACA": ((7, 52, 8), (10, 42, 30), (9, 20, 50), (9, -10, 58), (9, -40, 55), (14, 48, -12), (8, 20, 20)),
    "PCA": ((12, -88, 2), (16, -70, 0), (28, -62, -12), (34, -38, -18), (14, -58, 22), (12, -20, 6), (30, -82, 8)),
    "posterior fossa": ((20, -65, -38), (5, -50, -25), (38, -60, -38), (4, -28, -32), (6, -78, -30)),
}
HALVES = ("MCA, superior division", "MCA, inferior division", "lenticulostriate branches")


@dataclass(frozen=True)
class Occlusion:
    """A closed vessel: the ``places`` whose supply stops, and how often it is drawn."""

    places: tuple[str, ...]
    share: float


OCCLUSIONS: dict[str, Occlusion] = {
    "MCA trunk": Occlusion(HALVES, 0.3),
    "MCA, superior division": Occlusion(HALVES[:1], 0.2),
    "MCA, inferior division": Occlusion(HALVES[1:2], 0.2),
    "lenticulostriate branches": Occlusion(HALVES[2:], 0.08),
    "PCA": Occlusion(("PCA",), 0.14),
    "ACA": Occlusion(("ACA",), 0.08),
}


def territory(mni_mm: NDArray[np.float32], is_tissue: NDArray[np.bool_], vessel: str, side: int) -> NDArray[np.bool_]:
    """The tissue (D, H, W) that ``vessel`` (of :data:`OCCLUSIONS`) feeds on the side of x times ``side`` > 0 (1 or -1)."""
    places = np.concatenate([np.asarray(of, np.float32) for of in PLACES.values()])
    owners = np.repeat(np.arange(len(PLACES)), [len(of) for of in PLACES.values()])
    fed = mni_mm[is_tissue]
    _, nearest = cKDTree(places).query(np.abs(fed[:, :1]) * [1, 0, 0] + fed * [0, 1, 1])
    names = list(PLACES)
    closed = [names.index(name) for name in OCCLUSIONS[vessel].places]
    found = np.zeros(is_tissue.shape, bool)
    found[is_tissue] = np.isin(owners[nearest], closed) & (fed[:, 0] * side > 0)
    return found
