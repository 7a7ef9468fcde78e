"""What every film has to be, whatever file it came in: one grey picture of sane size with something on it.

Sizes are judged from the header, before any pixel is decoded, so that a decompression bomb costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.case import Case, Geometry, Window, digest_of
from xai_core.errors import ReadError

MOST_PIXELS = 100_000_000
SHORTEST_SIDE = 32
GREATEST_ASPECT = 4.0
# A grey picture saved as a colour JPEG comes back with channels a few counts apart; letters in colour are few.
ROUNDING_SHARE_OF_SCALE = 0.02
TINT_SHARE_OF_SCALE = 0.06
MOST_COLOURED_SHARE = 0.02


def check_film_size(title: str, rows: int, columns: int, frames: int = 1, *, sliver: bool = True) -> None:
    """Raises :class:`ReadError` for more than 100 megapixels, none, or (``sliver``) a strip too thin to be a film."""
    if rows <= 0 or columns <= 0:
        raise ReadError(f"{title} says it is {columns} x {rows} pixels.", "Export it again; its header is damaged.")
    pixels = rows * columns * max(frames, 1)
    if pixels > MOST_PIXELS:
        raise ReadError(
            f"{title} says it holds {pixels / 1e6:,.0f} megapixels, and the limit is {MOST_PIXELS / 1e6:.0f}.",
            "Choose a single film, or save it at a lower resolution.",
        )
    if not sliver:
        return
    short, long = sorted((rows, columns))
    if short < SHORTEST_SIDE or long > GREATEST_ASPECT * short:
        raise ReadError(
            f"{title} is {columns} x {rows} pixels, too small or too narrow for a film.",
            f"Choose a picture with sides of at least {SHORTEST_SIDE} pixels, none more than "
            f"{GREATEST_ASPECT:.0f} times the other.",
        )


def grey_of(title: str, samples: NDArray[Any]) -> tuple[NDArray[Any], tuple[str, ...]]:
    """The one grey channel (H, W) of ``samples`` (H, W) or (H, W, 3), and notes for the person.

    Raises :class:`ReadError` where the channels differ materially: more than 2 % of the pixels are coloured
    by more than 6 % of the scale.
    """
    if samples.ndim == 2:
        return samples, ()
    if samples.shape[2] == 1:
        return samples[..., 0], ()
    red, green, blue = (samples[..., channel] for channel in range(3))
    if np.array_equal(red, green) and np.array_equal(green, blue):
        return np.ascontiguousarray(green), ()
    spread = samples[..., :3].max(axis=2).astype(np.float32) - samples[..., :3].min(axis=2)
    scale = float(np.iinfo(samples.dtype).max) if samples.dtype.kind in "iu" else float(np.ptp(samples)) or 1.0
    coloured = float((spread > TINT_SHARE_OF_SCALE * scale).mean())
    if coloured > MOST_COLOURED_SHARE:
        raise ReadError(
            f"{title} is a colour picture ({coloured:.0%} of its pixels are coloured), not a radiograph.",
            "Choose a grey film; if this is a tinted one, save it in grey first.",
        )
    if float(spread.max()) <= ROUNDING_SHARE_OF_SCALE * scale:
        return np.ascontiguousarray(green), ()
    return np.ascontiguousarray(green), ("Nearly grey picture saved in colour: its green channel is kept.",)


def film_case(
    title: str,
    pixels: NDArray[Any],
    facts: Mapping[str, Any],
    geometry: Geometry | None = None,
    patient: Mapping[str, str] | None = None,
    *,
    sliver: bool = True,
) -> Case:
    """A film of ``pixels`` (H, W), checked: no NaN, not constant, native byte order, read-only; ``sliver``: not too small.

    Windows are completed with one of ours where the file has none; the digest covers samples, type, polarity and
    rescale, never a name or the encoding.
    """
    check_film_size(title, *pixels.shape, sliver=sliver)
    pixels = np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("="))
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise ReadError(f"{title} has samples that are no numbers (NaN or infinite).", "Export it again.")
    low, high = pixels.min(), pixels.max()
    if low == high:
        raise ReadError(
            f"{title} is blank: all its pixels have the value {low}.", "Choose a film with something on it."
        )
    complete = {"photometric": "MONOCHROME2", "bits": 8 * pixels.dtype.itemsize, "notes": (), **facts}
    if not complete.get("windows"):
        complete["windows"] = (_own_window(pixels, complete),)
    slope, intercept = float(complete.get("slope", 1.0)), float(complete.get("intercept", 0.0))
    polarity = str(complete["photometric"])
    if (slope, intercept) != (1.0, 0.0):
        polarity += f"|{slope!r}|{intercept!r}"
    stack = pixels[np.newaxis]
    stack.flags.writeable = False
    return Case(
        kind="film",
        channels=("film",),
        pixels=stack,
        geometry=geometry or Geometry(),
        facts=MappingProxyType(complete),
        digest=digest_of(stack, "film", polarity),
        patient=MappingProxyType({key: value for key, value in (patient or {}).items() if value}),
    )


def _own_window(pixels: NDArray[Any], facts: Mapping[str, Any]) -> Window:
    """The whole scale for 8-bit samples, else from the least to the greatest sample that is not padding.

    As the DICOM function LINEAR counts: samples 0 to 255 are a window of centre 128 and width 256.
    """
    if pixels.dtype == np.uint8 and facts["bits"] == 8:
        return Window("As stored", 128.0, 256.0)
    padding = facts.get("padding")
    shown = pixels
    if padding is not None:
        kept = pixels[(pixels < padding[0]) | (pixels > padding[1])]
        shown = kept if kept.size else pixels
    low, high = float(shown.min()), float(shown.max())
    step = 1.0 if pixels.dtype.kind in "iu" else 0.0
    return Window("Full range", (low + high + step) / 2, max(high - low + step, 1e-6))
