"""What a person opens: an image with its geometry and facts, and regions drawn on it. Plain frozen data.

A :class:`Case` keeps the samples exactly as the file stores them; how they are to be shown (inversion,
windows, rescale) is written in ``facts`` and ``geometry`` and applied by the viewer and the preprocessing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["film", "volume"]


@dataclass(frozen=True)
class Geometry:
    """Where samples lie in the patient.

    ``spacing_mm``: distance between sample centres along each array axis (rows, columns) or
    (slices, rows, columns); ``None`` where the file does not say.
    ``affine``: (4, 4) float64 from array index (axis order of ``Case.pixels`` without channels, then 1)
    to LPS millimetres, or ``None`` for films and where unknown.
    ``letters``: for a film the letters at the (left, right, top, bottom) edges, '' where the file does
    not say; for a volume the letter towards which each array axis grows.
    """

    spacing_mm: tuple[float, ...] | None = None
    affine: NDArray[np.float64] | None = None
    letters: tuple[str, ...] = ()


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
    ``windows`` (tuple of :class:`Window`, never empty for a film that was read), ``voi_lut`` (pair (first sample,
    float32 array in 0..1), samples beyond it taking its ends; like windows, before the turn that ``is_inverted``
    asks for), ``padding`` (pair (low, high) of samples outside the patient), ``spacing_kind`` ("patient", "detector" or
    "scanner"), ``laterality``, ``view`` ("PA", "AP", ...), ``body_part``, ``age_years``, ``sex``, ``lossy`` (bool),
    ``simulated`` (bool), ``source`` (format), ``credit``, ``lungs`` (a :class:`Region` known beforehand), ``notes`` (tuple of sentences for the person), ``messages``.
    ``patient`` holds what names a person (name, id, birth_date, study_date, accession, and file, because file names do
    so too); it never leaves the viewer's corner.
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
    """A part of a case: ``mask`` (*space) bool on the case's grid, with a name a person reads."""

    mask: NDArray[np.bool_]
    name: str = "region"


def digest_of(pixels: NDArray[Any], kind: Kind, photometric: str = "MONOCHROME2") -> str:
    """Hex SHA-256 of what the models see: kind, shape, type, polarity and samples. Names no patient."""
    content = hashlib.sha256(f"{kind}|{pixels.shape}|{pixels.dtype.str}|{photometric}|".encode())
    content.update(np.ascontiguousarray(pixels).tobytes())
    return content.hexdigest()
