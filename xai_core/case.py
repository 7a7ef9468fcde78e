"""What a person opens: an image with its geometry and facts, and regions drawn on it. Plain frozen data.

A :class:`Case` keeps the samples exactly as the file stores them; how they are to be shown (inversion,
windows, rescale) is written in ``facts`` and ``geometry`` and applied by the viewer and the preprocessing.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["film", "volume"]
# Along +x, +y, +z of LPS and against them.
DIRECTIONS = ("LR", "PA", "HF")
SHORTEST_STEP_MM = 1e-3
LEAST_INDEPENDENCE = 1e-3


@dataclass(frozen=True)
class Geometry:
    """Where samples lie in the patient.

    ``spacing_mm``: distance between sample centres along each array axis (rows, columns) or
    (slices, rows, columns); ``None`` where the file does not say.
    ``affine``: (4, 4) float64 from array index (axis order of ``Case.pixels`` without channels, then 1)
    to LPS millimetres, or ``None`` for films and where unknown. Of a volume (C, D, H, W) its columns are the steps
    along D, H and W and the position of the first sample's centre.
    ``letters``: for a film the letters at the (left, right, top, bottom) edges, '' where the file does
    not say; for a volume the letter towards which each array axis grows (L, R, P, A, H or F).
    """

    spacing_mm: tuple[float, ...] | None = None
    affine: NDArray[np.float64] | None = None
    letters: tuple[str, ...] = ()

    @classmethod
    def of_affine(cls, affine: NDArray[Any]) -> Geometry:
        """The geometry of a volume whose index (d, h, w, 1) ``affine`` (4, 4) brings to LPS mm; it may be oblique, flipped
        or sheared. Raises ValueError where it is not finite or gives no volume."""
        steps = np.array(affine, dtype=np.float64)
        spacing = np.linalg.norm(steps[:3, :3], axis=0)
        if not np.isfinite(steps).all() or spacing.min() < SHORTEST_STEP_MM:
            raise ValueError("voxels of size zero")
        if abs(np.linalg.det(steps[:3, :3] / spacing)) < LEAST_INDEPENDENCE:
            raise ValueError("axes that lie in one plane")
        steps.flags.writeable = False
        return cls(tuple(float(step) for step in spacing), steps, nearest_letters(steps))

    def position(self, index: Any) -> NDArray[np.float64]:
        """LPS millimetres (..., 3) of array indices (..., 3), whole or between samples."""
        return np.asarray(index, dtype=np.float64) @ self._steps[:3, :3].T + self._steps[:3, 3]

    def index(self, position: Any) -> NDArray[np.float64]:
        """Array indices (..., 3), not rounded, of LPS millimetres (..., 3)."""
        away = np.asarray(position, dtype=np.float64) - self._steps[:3, 3]
        return np.asarray(np.linalg.solve(self._steps[:3, :3], away[..., None])[..., 0])

    @property
    def _steps(self) -> NDArray[np.float64]:
        if self.affine is None:
            raise ValueError("this geometry does not say where its samples lie in the patient")
        return self.affine


def nearest_letters(affine: NDArray[np.float64]) -> tuple[str, ...]:
    """The letter towards which each array axis grows, each of the three directions used once: those axes take first
    that point most clearly along one (``affine`` (4, 4) to LPS mm)."""
    cosines = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    found = ["", "", ""]
    left = np.abs(cosines)
    for _ in range(3):
        towards, axis = np.unravel_index(int(np.argmax(left)), left.shape)
        found[axis] = DIRECTIONS[towards][int(cosines[towards, axis] < 0)]
        left[towards, :] = left[:, axis] = -1.0
    return tuple(found)


@dataclass(frozen=True)
class Window:
    """A window of the file or of the reader, in units of the stored samples (before rescale)."""

    name: str
    center: float
    width: float


@dataclass(frozen=True)
class Case:
    """One film or volume: ``pixels`` (C, *space) original samples, never inverted, cut or scaled.

    ``facts`` (all optional): ``modality`` (DICOM code), ``photometric`` ("MONOCHROME1" | "MONOCHROME2"),
    ``bits`` (stored), ``slope``, ``intercept``, ``unit`` (value = slope * sample + intercept),
    ``windows`` (tuple of :class:`Window`, never empty for a film that was read; of a volume one a channel), ``voi_lut`` (pair (first sample,
    float32 array in 0..1), samples beyond it taking its ends; like windows, before the turn that ``is_inverted``
    asks for), ``padding`` (pair (low, high) of samples outside the patient), ``spacing_kind`` ("patient", "detector" or
    "scanner"), ``laterality``, ``view`` ("PA", "AP", ...), ``body_part``, ``age_years``, ``sex``, ``lossy`` (bool),
    ``simulated`` (bool), ``source`` (format), ``credit``, ``lungs`` (a :class:`Region` known beforehand),
    ``notes`` (tuple of sentences for the person: what the file is), ``messages`` (the same: what was done to it, say resampled), ``missing`` (modalities of the layout that
    were not there), ``reference`` (the channel whose grid a volume of several files has).
    ``patient`` holds what names a person (name, id, birth_date, study_date, accession, and file and masks, because names
    of files do so too); it never leaves the viewer's corner.
    """

    kind: Kind
    channels: tuple[str, ...]
    pixels: NDArray[Any]
    geometry: Geometry
    facts: Mapping[str, Any]
    digest: str
    patient: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def space(self) -> tuple[int, ...]:
        """Size along the space axes: (H, W) or (D, H, W)."""
        return tuple(self.pixels.shape[1:])

    @property
    def is_inverted(self) -> bool:
        """True where small stored samples are bright: MONOCHROME1, or a negative rescale slope, but not both."""
        is_monochrome1 = self.facts.get("photometric") == "MONOCHROME1"
        return is_monochrome1 != (float(self.facts.get("slope", 1.0)) < 0)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled with plain dicts: mapping proxies cannot be, and processes exchange cases."""
        return Case, (
            self.kind, self.channels, self.pixels, self.geometry, dict(self.facts), self.digest, dict(self.patient)
        )  # fmt: skip


@dataclass(frozen=True)
class Region:
    """A part of a case: ``mask`` (*space) bool on the case's grid, with a name and ``messages`` a person reads."""

    mask: NDArray[np.bool_]
    name: str = "region"
    messages: tuple[str, ...] = ()

    @functools.cached_property
    def digest(self) -> str:
        """Hex SHA-256 of the mask alone: equal voxels of an equal grid, equal digest."""
        shape = "x".join(map(str, self.mask.shape)).encode()
        return hashlib.sha256(shape + np.packbits(self.mask).tobytes()).hexdigest()


def digest_of(pixels: NDArray[Any], kind: Kind, photometric: str = "MONOCHROME2") -> str:
    """Hex SHA-256 of what the models see: kind, shape, type, polarity and samples. Names no patient."""
    content = hashlib.sha256(f"{kind}|{pixels.shape}|{pixels.dtype.str}|{photometric}|".encode())
    content.update(np.ascontiguousarray(pixels).reshape(-1).view(np.uint8).data)
    return content.hexdigest()
