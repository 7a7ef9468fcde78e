"""Colour tables of overlays: perceptually even, symmetric around zero where signed, colour-blind safe.

Signed tables walk two mirrored arms in OKLCh (Ottosson 2020, https://bottosson.github.io/posts/oklab/): equal
lightness, chroma and hue change on both sides, re-spaced to equal steps, so that equal magnitudes look equally
strong; blue against orange (or red) stays apart without red or green cones. "inferno" is matplotlib's (van der Walt
and Smith, CC0) at 52 anchors, "hot-iron" the well-known DICOM palette (PS3.6 annex B.1.1), "jet" the one of older
papers: uneven, offered on request. The browser receives these very tables.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

# Of regions, in their order; told apart under each kind of colour blindness (tests/test_colours.py), and by their lines.
REGION_COLOURS = ((127, 227, 196), (246, 211, 101), (156, 123, 255), (222, 90, 90))
SIGNED_ENTRIES = 511
UNSIGNED_ENTRIES = 256


@dataclass(frozen=True)
class ColourTable:
    """``colours`` (511, 3) uint8 where ``is_signed`` (zero at 255), else (256, 3) uint8 from zero to the greatest."""

    name: str
    title: str
    is_signed: bool
    colours: NDArray[np.uint8]


def colour_tables() -> dict[str, ColourTable]:
    """Every table by name, in the order in which they are offered."""
    return dict(_tables())


def table_for(name: str, is_signed: bool) -> ColourTable:
    """The table ``name``; "auto" is "ember-ice" for signed maps and "inferno" for others. KeyError where unknown."""
    if name == "auto":
        name = "ember-ice" if is_signed else "inferno"
    return _tables()[name]


@cache
def _tables() -> dict[str, ColourTable]:
    dark = _diverging(
        lightness=(0.30, 0.82), chroma=lambda s: 0.15 * np.sin(0.7 * np.pi * s), hues=((262, 230), (38, 70))
    )
    light = _diverging(
        lightness=(0.96, 0.44), chroma=lambda s: 0.185 * np.sin(0.55 * np.pi * s), hues=((255, 262), (35, 28))
    )
    rows = (
        ColourTable("ember-ice", "Ember and ice (dark at zero)", True, dark),
        ColourTable("blue-red", "Blue and red (white at zero)", True, light),
        ColourTable("inferno", "Inferno", False, _inferno()),
        ColourTable("hot-iron", "Hot iron", False, _hot_iron()),
        ColourTable("jet", "Jet (uneven)", False, _jet()),
    )
    for row in rows:
        row.colours.setflags(write=False)
    return {row.name: row for row in rows}


def _diverging(
    lightness: tuple[float, float],
    chroma: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    hues: tuple[tuple[float, float], tuple[float, float]],
) -> NDArray[np.uint8]:
    """Two arms from a common grey; ``hues`` in degrees (zero, end) of the negative and the positive arm."""
    fine = np.linspace(0.0, 1.0, 4001)
    arms = []
    for start, end in hues:
        light = lightness[0] + (lightness[1] - lightness[0]) * fine
        hue = np.deg2rad(start + (end - start) * fine)
        lab = np.stack([light, chroma(fine) * np.cos(hue), chroma(fine) * np.sin(hue)], axis=1)
        length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(lab, axis=0), axis=1))])
        even = np.linspace(0.0, length[-1], SIGNED_ENTRIES // 2 + 1)
        arms.append(np.stack([np.interp(even, length, lab[:, axis]) for axis in range(3)], axis=1))
    return _srgb_from_oklab(np.concatenate([arms[0][:0:-1], arms[1]]))


def _srgb_from_oklab(lab: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Ottosson's inverse transform (n, 3) and the sRGB transfer curve (IEC 61966-2-1), cut to the gamut."""
    to_lms = np.array(
        [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.2914855480]]
    )
    to_rgb = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    linear = np.clip(((lab @ to_lms.T) ** 3) @ to_rgb.T, 0.0, 1.0)
    curved = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(curved * 255.0), dtype=np.uint8)


_INFERNO = (
    "00000402020c0504170a072210092d160b391e0c45260c512f0a5b380962400a67490b6a510e6c59106e61136e69166e71196e781c6d801f6c88226a"
    "902568982766a02a63a82e5fb0315bb73557bf3952c63d4dcc4248d34743d94d3ddf5337e45a31e9612bed6925f1711ff47918f78212f98b0bfa9407"
    "fb9d07fca60cfcb014fbba1ffac42af8cd37f6d746f4e156f2ea69f2f27df5f992fcffa4"
)


def _inferno() -> NDArray[np.uint8]:
    anchors = np.frombuffer(bytes.fromhex(_INFERNO), dtype=np.uint8).reshape(-1, 3).astype(np.float64)
    at = np.linspace(0.0, UNSIGNED_ENTRIES - 1, len(anchors))
    full = [np.interp(np.arange(UNSIGNED_ENTRIES), at, anchors[:, channel]) for channel in range(3)]
    return np.asarray(np.rint(np.stack(full, axis=1)), dtype=np.uint8)


def _hot_iron() -> NDArray[np.uint8]:
    step = np.arange(UNSIGNED_ENTRIES)
    red, green, blue = np.minimum(2 * step, 255), np.clip(2 * step - 256, 0, 255), np.clip(4 * step - 768, 0, 255)
    return np.asarray(np.stack([red, green, blue], axis=1), dtype=np.uint8)


def _jet() -> NDArray[np.uint8]:
    share = np.linspace(0.0, 1.0, UNSIGNED_ENTRIES)
    ramps = [np.clip(1.5 - np.abs(4.0 * share - peak), 0.0, 1.0) for peak in (3.0, 2.0, 1.0)]
    return np.asarray(np.rint(255.0 * np.stack(ramps, axis=1)), dtype=np.uint8)
