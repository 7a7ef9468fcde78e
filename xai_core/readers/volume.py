"""What every volume has to be, whatever file it came in: one channel (D, H, W) of sane size, and how channels become a case.

Samples stay as stored and in the file's own order of axes; where they lie is in the affine. Sizes are judged from the
header, before any sample is unpacked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.case import Case, Geometry, Window, digest_of
from xai_core.errors import ReadError
from xai_core.resampling import is_same_grid, onto

MOST_VOXELS = 1 << 27
MOST_CHANNELS = 6
ORIENTED = "Convert it again from DICOM with a program that keeps the position (dcm2niix, say)."
UNPLACED = "The file does not say where the volume lies in the patient: sides and directions are unknown."
# Windows of our own leave out this share at either end, so that a few bright vessels do not darken the rest.
WINDOW_TAILS = (1.0, 99.5)
WINDOW_SAMPLES = 200_000


def check_volume_size(title: str, shape: Sequence[int]) -> tuple[int, int, int]:
    """``shape`` as (D, H, W); raises :class:`ReadError` for other than three axes, none or more than 134 million voxels."""
    sizes = tuple(int(size) for size in shape)
    told = " x ".join(map(str, sizes[::-1]))
    if not sizes or min(sizes) <= 0:
        raise ReadError(f"{title} says it is {told} voxels.", "Export it again; its header is damaged.")
    while len(sizes) > 3 and sizes[0] == 1:
        sizes = sizes[1:]
    if len(sizes) > 3:
        raise ReadError(
            f"{title} holds {int(np.prod(sizes[:-3]))} volumes ({told}), not one: 4-D where 3-D is expected.",
            "Save the one you want (a time point, an echo, a direction) as a file of its own.",
        )
    if len(sizes) < 2:
        raise ReadError(f"{title} is one line of {told} samples, not a volume.", "Choose the volume itself.")
    if len(sizes) == 2:
        sizes = (1, *sizes)
    if np.prod(sizes, dtype=np.float64) > MOST_VOXELS:
        raise ReadError(
            f"{title} says it holds {np.prod(sizes, dtype=np.float64) / 1e6:,.0f} million voxels ({told}), and the limit "
            f"is {MOST_VOXELS / 1e6:.0f}.",
            "Cut it to the head, or save it at a lower resolution.",
        )
    return sizes[0], sizes[1], sizes[2]


def geometry_of(title: str, affine: NDArray[Any]) -> Geometry:
    """:meth:`Geometry.of_affine`, with a sentence where it is none."""
    try:
        return Geometry.of_affine(affine)
    except ValueError as error:
        raise ReadError(f"{title} has {error}: its header gives no volume.", ORIENTED) from error


def volume_case(
    title: str,
    samples: NDArray[Any],
    geometry: Geometry,
    facts: Mapping[str, Any],
    patient: Mapping[str, str] | None = None,
    channel: str = "volume",
) -> Case:
    """A volume of one channel of ``samples`` (D, H, W): native byte order, at most 32 bits, no NaN, not blank.

    ``facts``: those of :class:`Case`; slope and intercept are applied here where they turn the scale over.
    """
    notes = list(facts.get("notes", ()))
    kept = _plain(samples, notes)
    if kept.min() == kept.max():
        raise ReadError(
            f"{title} is blank: all its voxels have the value {kept.flat[0]:g}.",
            "Choose a volume with something in it.",
        )
    complete = {"bits": 8 * kept.dtype.itemsize, "slope": 1.0, "intercept": 0.0, **facts, "notes": tuple(notes)}
    if complete["slope"] < 0:
        kept = _values(kept, complete)
        complete |= {"slope": 1.0, "intercept": 0.0, "bits": 32}
    return _case({channel: kept}, geometry, complete, patient or {})


def stacked(
    cases: Mapping[str, Case],
    reference: str | None = None,
    *,
    missing: Sequence[str] = (),
    messages: Sequence[str] = (),
) -> Case:
    """One case of several volumes of one channel: ``cases`` by modality, on the grid of ``reference`` (the first's).

    The others are resampled to it with a message. Samples stay as stored where all modalities have one slope, intercept
    and type; else they are the values, in the smallest type that holds all. Raises :class:`ReadError` for more than six
    modalities, an unknown reference, or a modality that cannot be laid on it.
    """
    names = tuple(cases)
    if not 1 <= len(names) <= MOST_CHANNELS:
        raise ReadError(f"{len(names)} modalities were given; a case has one to {MOST_CHANNELS}.", "Leave some out.")
    chosen = names[0] if reference is None else reference
    if chosen not in cases:
        raise ReadError(
            f"There is no modality '{chosen}' to take the grid from.", f"Choose one of: {', '.join(names)}."
        )
    if len({case.patient["id"] for case in cases.values() if "id" in case.patient}) > 1:
        raise ReadError("These modalities are of different patients.", "Choose volumes of one examination.")
    grid = cases[chosen]
    scales = {(float(case.facts["slope"]), float(case.facts["intercept"])) for case in cases.values()}
    told = list(messages)
    channels: dict[str, NDArray[Any]] = {}
    for name, case in cases.items():
        samples = case.pixels[0] if len(scales) == 1 else _values(case.pixels[0], case.facts)
        channels[name] = _laid(name, samples, case, chosen, grid, told)
    one = len(scales) == 1
    facts = {
        **{key: value for key, value in grid.facts.items() if key not in ("windows", "unit")},
        "bits": 8 * np.result_type(*channels.values()).itemsize,
        "slope": grid.facts["slope"] if one else 1.0,
        "intercept": grid.facts["intercept"] if one else 0.0,
        "notes": tuple(f"{name}: {note}" for name, case in cases.items() for note in case.facts["notes"]),
        "messages": (*told, *(f"{name} is missing." for name in missing)),
        "missing": tuple(missing),
        "reference": chosen,
    }
    return _case(channels, grid.geometry, facts, grid.patient)


def _laid(name: str, samples: NDArray[Any], case: Case, chosen: str, grid: Case, told: list[str]) -> NDArray[Any]:
    is_placed = case.geometry.affine is not None and grid.geometry.affine is not None
    if not is_placed and not is_same_grid(case.geometry, case.space, grid.geometry, grid.space):
        raise ReadError(
            f"{name} cannot be laid on {chosen}: they differ in shape or spacing, and not both say where they lie.",
            ORIENTED,
        )
    laid, how = onto(samples, case.geometry, grid.geometry, grid.space)
    if how == "resampled":
        told.append(
            f"{name} was resampled linearly from {_size(case)} to the grid of {chosen}, {_size(grid)}: fine detail is softened."
        )
    elif how == "turned":
        told.append(f"{name} was stored in another order of axes or another box and was brought to that of {chosen}.")
    if not laid.any():
        raise ReadError(f"{name} does not overlap {chosen} in the patient.", "Choose volumes of one examination.")
    return laid


def _size(case: Case) -> str:
    voxels = " x ".join(str(size) for size in case.space[::-1])
    spacing = case.geometry.spacing_mm
    return voxels if spacing is None else f"{voxels} voxels of {' x '.join(f'{step:.3g}' for step in spacing[::-1])} mm"


def _case(
    channels: Mapping[str, NDArray[Any]], geometry: Geometry, facts: Mapping[str, Any], patient: Mapping[str, str]
) -> Case:
    dtype = np.result_type(*channels.values())
    dtype = np.dtype(np.float32) if dtype == np.float64 else dtype
    first = next(iter(channels.values()))
    pixels = np.empty((len(channels), *first.shape), dtype) if len(channels) > 1 else first[None]
    if len(channels) > 1:
        for row, samples in zip(pixels, channels.values(), strict=True):
            row[...] = samples
    pixels.flags.writeable = False
    windows = tuple(window_of(name, samples) for name, samples in zip(channels, pixels, strict=True))
    complete = {"photometric": "MONOCHROME2", "windows": windows, "messages": (), **facts}
    placed = "" if geometry.affine is None else geometry.affine.round(4).tolist()
    polarity = (
        f"{complete['photometric']}|{complete['slope']!r}|{complete['intercept']!r}|{'|'.join(channels)}|{placed}"
    )
    return Case(
        kind="volume",
        channels=tuple(channels),
        pixels=pixels,
        geometry=geometry,
        facts=MappingProxyType(complete),
        digest=digest_of(pixels, "volume", polarity),
        patient=MappingProxyType({key: value for key, value in patient.items() if value}),
    )


def _plain(samples: NDArray[Any], notes: list[str]) -> NDArray[Any]:
    """Samples of a plain type of at most 32 bits, contiguous; NaN and infinity become 0 with a note."""
    narrow: dict[str, Any] = {"f8": np.float32, "f2": np.float32, "b1": np.uint8}
    wanted = narrow.get(samples.dtype.str[1:], samples.dtype.newbyteorder("="))
    if samples.dtype.kind in "iu" and samples.dtype.itemsize == 8:
        fits = int(samples.min()) >= -(1 << 31) and int(samples.max()) < 1 << 31
        wanted = np.int32 if fits else np.float32
    elif samples.dtype.kind == "f" and samples.dtype.itemsize > 8:
        wanted = np.float32
    with np.errstate(over="ignore"):
        kept = np.ascontiguousarray(samples, dtype=wanted)
    if kept.dtype.kind == "f":
        bad = int(kept.size - np.count_nonzero(np.isfinite(kept)))
        if bad:
            kept = np.nan_to_num(kept, nan=0.0, posinf=0.0, neginf=0.0)
            notes.append(f"{bad:,} voxels that are no numbers (NaN or infinite) are taken as 0.")
    return kept


def _values(samples: NDArray[Any], facts: Mapping[str, Any]) -> NDArray[np.float32]:
    values = np.asarray(samples, dtype=np.float32) * np.float32(facts["slope"])
    values += np.float32(facts["intercept"])
    return values


def window_of(name: str, samples: NDArray[Any]) -> Window:
    """From the 1st to the 99.5th percentile of the samples that are not the least one (air), in stored samples."""
    thinned = samples.reshape(-1)[:: max(1, samples.size // WINDOW_SAMPLES)]
    shown = thinned[thinned > thinned.min()]
    low, high = np.percentile(shown if shown.size else samples, WINDOW_TAILS)
    return Window(name, float(low + high) / 2, max(float(high - low), 1e-6))
