"""The perfusion phantom: six maps (ADC, MTT, rCBF, rCBV, Tmax, TTP) of an acute stroke on a real anatomy, with its exact truth.

Values of healthy tissue: ADC of cortex 0.89, deep grey matter 0.75, white matter 0.70 (10^-3 mm^2/s; Helenius et al., AJNR
2002;23:194); flow of grey and white matter 54.5 and 22.2 ml/100 ml/min, blood volume 5.2 and 2.7 ml/100 ml (Leenders et al., Brain
1990;113:27). Of failing tissue, as parts of the healthy side (Schaefer et al., AJNR 2003;24:436, table 1: core, penumbra that
infarcts, hypoperfused tissue that recovers): rCBF 0.32, 0.46, 0.58; rCBV 0.56, 0.80, 0.91; ADC 0.63, 0.90, 0.96. Thresholds between
them: ADC below 0.62 in the core (Purushotham et al., Int J Stroke 2015;10:348), rCBF below 0.30 there (Campbell et al., Stroke
2011;42:3435), Tmax above 6 s in core and penumbra (Olivot et al., Stroke 2009;40:469). MTT = 60 CBV / CBF (central volume
theorem). TTP is late by 4.5 s where Tmax is 6 s (Wouters et al., Front Neurol 2017;8:539).

The lesion, as ISLES 2017's outline at follow-up, is core and penumbra: what dies where the vessel stays closed. No patient is in it,
and what a network learns from it says nothing of patients.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from xai_core.errors import ParameterError
from xai_core.phantoms.anatomy import AIR, CORTEX, CSF, DEEP_GREY, MIDDLE_MM, TISSUES, WHITE, Floats, laid, smooth_field
from xai_core.phantoms.stroke import CORE, NORMAL, OLIGAEMIA, PENUMBRA, stroke
from xai_core.phantoms.territories import OCCLUSIONS, territory

MODALITIES = ("ADC", "MTT", "rCBF", "rCBV", "Tmax", "TTP")
UNITS: Mapping[str, str] = dict(
    zip(MODALITIES, ("10^-6 mm^2/s", "s", "ml/100 ml/min", "ml/100 ml", "s", "s"), strict=True)
)
SHAPE = (19, 192, 192)
"""Of the study's volumes, (D, H, W)."""
LEAST_SHAPE = (10, 64, 64)
"""On which every one of 100 seeds still has its lesion."""
SAMPLE_SEED = 102
"""Of the packaged phantom: the left MCA's trunk. No network of ours is taught on it."""
FIELD_MM = (123.5, 240.0, 240.0)
"""19 slices of 6.5 mm, 1.25 mm pixels: within what ISLES 2017 holds."""
HEAD_MM = (92.0, 78.0)
"""The head reaches no further from its middle to front and back, left and right, in any pose."""
LAYERS = 3
"""Thin layers a slice is made of; the slice's profile is Gaussian, as wide at half of its height as slices are apart."""

# Tissue to (ADC 10^-6 mm^2/s, CBF ml/100 ml/min, CBV ml/100 ml, Tmax s).
HEALTHY = {
    CSF: (3000.0, 4.0, 0.6, 1.5),
    CORTEX: (890.0, 54.5, 5.2, 1.0),
    DEEP_GREY: (750.0, 54.5, 5.2, 1.0),
    WHITE: (700.0, 22.2, 2.7, 1.6),
}
# Zone to (mildest, worst) part of the healthy value: CBF, CBV, ADC; and Tmax in s.
FAILING = {
    OLIGAEMIA: ((0.78, 0.56), (0.98, 0.85), (1.00, 0.95), (2.5, 6.0)),
    PENUMBRA: ((0.56, 0.34), (0.90, 0.70), (0.94, 0.87), (6.0, 9.5)),
    CORE: ((0.30, 0.16), (0.60, 0.30), (0.69, 0.55), (8.0, 14.0)),
}
TTP_PER_TMAX = 4.5 / 6.0
LATEST_S = 30.0
# Between phantoms: seconds to the bolus, and the scale of rCBF and rCBV, which an arterial input gives only roughly.
ARRIVAL_S, GAIN_SD = (14.0, 20.0), 0.15
# Within: texture of the tissue (share, length in mm) and noise (share of the value, plus its unit), by modality.
TEXTURE = {"ADC": (0.04, 12.0), "rCBF": (0.12, 14.0), "rCBV": (0.12, 14.0), "Tmax": (0.15, 25.0)}
NOISE = {
    "ADC": (0.04, 15.0),
    "MTT": (0.10, 0.5),
    "rCBF": (0.10, 2.0),
    "rCBV": (0.10, 0.25),
    "Tmax": (0.08, 0.7),
    "TTP": (0.02, 0.4),
}
NOISE_PIXELS = 0.7


@dataclass(frozen=True)
class Phantom:
    """``maps`` (6, D, H, W) float32 in the order of :data:`MODALITIES` and :data:`UNITS`, 0 outside the ``brain``; masks (D, H, W) of
    ``core``, ``penumbra`` and ``oligaemia``, apart from each other; ``tissue`` (D, H, W) uint8, the class that most of a voxel is;
    ``affine`` (4, 4): from (W, H, D) index to RAS mm; ``vessel``, ``side`` ("left" or "right") and ``seed``."""

    maps: Floats
    brain: NDArray[np.bool_]
    core: NDArray[np.bool_]
    penumbra: NDArray[np.bool_]
    oligaemia: NDArray[np.bool_]
    tissue: NDArray[np.uint8]
    affine: NDArray[np.float64]
    vessel: str
    side: str
    seed: int

    @property
    def lesion(self) -> NDArray[np.bool_]:
        """Core and penumbra."""
        return self.core | self.penumbra

    @property
    def voxel_ml(self) -> float:
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000


def perfusion_phantom(seed: int, shape: tuple[int, int, int] = SHAPE) -> Phantom:
    """The phantom of ``seed`` with ``shape`` (D, H, W) over one field of view: the same seed and shape, the same phantom to the bit.

    Axes of the arrays: slices from the feet up, rows to the back, columns to the patient's left. Raises :class:`ParameterError` for a
    shape below :data:`LEAST_SHAPE`, on which a stroke may be finer than a voxel.
    """
    if len(shape) != 3 or any(size < least for size, least in zip(shape, LEAST_SHAPE, strict=True)):
        raise ParameterError(
            f"A phantom of {' x '.join(map(str, shape))} voxels is too coarse for a stroke.",
            f"Ask for {' x '.join(map(str, LEAST_SHAPE))} or more.",
        )
    dice = np.random.default_rng(seed)
    depth, height, width = shape
    step_mm = tuple(field / size for field, size in zip(FIELD_MM, (depth * LAYERS, height, width), strict=True))
    places, window = _places(shape, step_mm)
    anatomy = laid(places, step_mm, dice)
    names = list(OCCLUSIONS)
    vessel = str(dice.choice(names, p=[OCCLUSIONS[name].share for name in names]))
    side = 1 if dice.random() < 0.5 else -1
    closed = territory(anatomy.mni_mm, np.isin(anatomy.tissue, list(TISSUES)), vessel, side)
    hit = stroke(closed, step_mm, dice)
    clean = _values(anatomy.tissue, hit.zone, hit.severity, step_mm, dice)
    is_right = float(places[closed][:, 0].mean()) > 0
    shares = {zone: _seen(hit.zone == zone) for zone in FAILING}
    brain = _seen(anatomy.tissue != AIR) >= 0.5
    maps = np.zeros((len(MODALITIES), *shape), np.float32)
    for row, name in zip(maps, MODALITIES, strict=True):
        row[window] = _noisy(_seen(clean[name]), name, dice) * brain
    masks = {zone: np.zeros(shape, bool) for zone in (*FAILING, AIR)}
    most = np.argmax(np.stack([1.0 - sum(shares.values()), *shares.values()]), axis=0)
    for number, zone in enumerate(shares, start=1):
        masks[zone][window] = (most == number) & brain
    masks[AIR][window] = brain
    tissue = np.zeros(shape, np.uint8)
    tissue[window] = np.argmax([_seen(anatomy.tissue == kind) for kind in (AIR, *HEALTHY)], axis=0)
    return Phantom(
        maps, masks[AIR], masks[CORE], masks[PENUMBRA], masks[OLIGAEMIA], tissue, _affine(shape), vessel,
        "right" if is_right else "left", seed,
    )  # fmt: skip


def _places(shape: tuple[int, int, int], step_mm: tuple[float, ...]) -> tuple[Floats, tuple[slice, slice, slice]]:
    """RAS mm (layers, h, w, 3) around the middle of the head, and the part of ``shape`` that can hold it."""
    lines = [
        (np.arange(size) + 0.5) * step - field / 2
        for size, step, field in zip((shape[0] * LAYERS, *shape[1:]), step_mm, FIELD_MM, strict=True)
    ]
    parts = [slice(0, shape[0])]
    for line, reach in zip(lines[1:], HEAD_MM, strict=True):
        held = np.flatnonzero(np.abs(line) <= reach)
        parts.append(slice(int(held[0]), int(held[-1]) + 1))
    up, back, left = np.meshgrid(lines[0], lines[1][parts[1]], lines[2][parts[2]], indexing="ij")
    return (np.stack([-left, -back, up], axis=-1) + MIDDLE_MM).astype(np.float32), (parts[0], parts[1], parts[2])


def _affine(shape: tuple[int, int, int]) -> NDArray[np.float64]:
    up, back, left = (field / size for field, size in zip(FIELD_MM, shape, strict=True))
    affine = np.diag([-left, -back, up, 1.0])
    affine[:3, 3] = MIDDLE_MM - affine[:3, :3] @ ((np.array(shape[::-1]) - 1) / 2)
    return affine


def _values(
    tissue: NDArray[np.uint8],
    zone: NDArray[np.uint8],
    severity: Floats,
    step_mm: tuple[float, ...],
    dice: np.random.Generator,
) -> dict[str, Floats]:
    """Maps of the thin layers without noise, by modality."""
    table = np.zeros((max(HEALTHY) + 1, 4), np.float32)
    for kind, values in HEALTHY.items():
        table[kind] = values
    adc, flow, volume, tmax = np.moveaxis(table[tissue], -1, 0)
    gains = np.exp(dice.normal(0, GAIN_SD, 2)).astype(np.float32)
    texture = {
        name: 1 + share * smooth_field(dice, tissue.shape, step_mm, length) for name, (share, length) in TEXTURE.items()
    }
    for number, parts in FAILING.items():
        inside = zone == number
        worse = severity[inside]
        (mild_flow, worst_flow), (mild_volume, worst_volume), (mild_adc, worst_adc), (mild_s, worst_s) = parts
        flow[inside] *= mild_flow + (worst_flow - mild_flow) * worse
        volume[inside] *= mild_volume + (worst_volume - mild_volume) * worse
        adc[inside] *= mild_adc + (worst_adc - mild_adc) * worse
        tmax[inside] = mild_s + (worst_s - mild_s) * worse
    is_healthy = zone == NORMAL
    tmax = np.where(is_healthy, tmax * texture["Tmax"], tmax)
    flow, volume = flow * texture["rCBF"], volume * texture["rCBV"]
    transit = np.clip(60 * volume / np.maximum(flow, 0.1), 0, LATEST_S)
    late = float(dice.uniform(*ARRIVAL_S)) + TTP_PER_TMAX * tmax
    made = {
        "ADC": adc * texture["ADC"],
        "MTT": transit,
        "rCBF": flow * gains[0],
        "rCBV": volume * gains[1],
        "Tmax": tmax,
        "TTP": late,
    }
    return {name: np.where(tissue == AIR, 0, values).astype(np.float32) for name, values in made.items()}


def _seen(layers: NDArray[Any]) -> Floats:
    """Thin layers (D * LAYERS, h, w) as thick slices (D, h, w) see them: weighted by the slice's profile, a little blurred."""
    offsets = (np.arange(LAYERS) - (LAYERS - 1) / 2) / LAYERS
    weights = np.exp(-4 * np.log(2) * offsets**2)
    stacked = layers.reshape(-1, LAYERS, *layers.shape[1:]).astype(np.float32)
    slices = np.tensordot(stacked, (weights / weights.sum()).astype(np.float32), axes=(1, 0))
    return np.asarray(ndimage.gaussian_filter(slices, (0, NOISE_PIXELS, NOISE_PIXELS)), np.float32)


def _noisy(values: Floats, name: str, dice: np.random.Generator) -> Floats:
    """With noise that neighbouring pixels share, never below zero."""
    share, plus = NOISE[name]
    grain = ndimage.gaussian_filter(
        dice.standard_normal(values.shape, dtype=np.float32), (0, NOISE_PIXELS, NOISE_PIXELS)
    )
    grain /= max(float(grain.std()), 1e-6)
    return np.asarray(np.clip(values + (share * values + plus) * grain, 0, None), np.float32)
