"""A volume for the browser: every modality and every modality's map a buffer of its own, fetched when it is looked at.

What one modality needs (its samples, its map in every pane, the regions) must fit into ``MOST_BYTES`` of the
browser's memory, where it is kept whole so that a turn of the wheel asks nobody; the browser lets go of what was not
looked at for longest. Where it does not fit, all is halved along each axis until it does, and the reader is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.viewer.halving import halved_mask, halved_samples, strongest
from components.viewer.packing import Send, once, packed
from components.viewer.pane import Pane
from xai_core.case import Case, Region
from xai_core.modalities import shares
from xai_core.planes import Plane, planes_of
from xai_core.render import case_sheet, map_sheet

MOST_BYTES = 256 * 2**20
# The window of a modality without one of its own: these percentiles of the samples that are not background.
OF_THE_HEAD = (1.0, 99.0)


@dataclass(frozen=True)
class VolumeGrid:
    """A map's size and place: case index = ``offset`` + ``scale`` * map index, along (slices, rows, columns)."""

    shape: tuple[int, ...]
    scale: tuple[float, ...]
    offset: tuple[float, ...]

    def halved(self) -> VolumeGrid:
        """Half as many cells, counted in half as many samples of the case."""
        return VolumeGrid(
            tuple((count + 1) // 2 for count in self.shape),
            self.scale,
            tuple((start - 0.5) / 2 + step / 4 for start, step in zip(self.offset, self.scale, strict=True)),
        )


def volume_parts(
    case: Case, panes: Sequence[Pane], contours: Sequence[Region], send: Send
) -> tuple[dict[str, Any], list[dict[str, Any] | None], list[dict[str, Any]]]:
    """The case's own part, each pane's map, and the regions, all on one grid."""
    own = [
        pane if pane.map is not None and (pane.case_digest or case.digest) == case.digest else None for pane in panes
    ]
    times = halvings(case, [pane for pane in own if pane], contours)
    shown = _halved_case(case, times)
    notes = [f"Shown at 1/{2**times} resolution: the whole is more than a browser should hold."] if times else []
    part = {
        "shape": list(shown.space),
        "channels": [_channel(shown, channel, send) for channel in range(len(case.channels))],
        "planes": [_plane(plane) for plane in planes_of(shown)],
        "affine": None if shown.geometry.affine is None else [list(map(float, row)) for row in shown.geometry.affine],
        "voi": None,
        "notes": notes,
        "mostBytes": MOST_BYTES,
        "regionBytes": len(contours) * int(np.prod(shown.space)),
        "wholeShape": list(case.space),
        "halving": 2**times,
    }
    maps = [pane and _map(pane, len(case.channels), times, send) for pane in own]
    return part, maps, [_region(region, times, send) for region in contours]


def halvings(case: Case, panes: Sequence[Pane], contours: Sequence[Region]) -> int:
    """How often the volume must be halved so that what one modality needs fits into ``MOST_BYTES``."""
    voxels = int(np.prod(case.space))
    samples = voxels * (1 if case.pixels.dtype in (np.uint8, np.bool_) else 2)
    maps = sum(2 * int(np.prod(pane.map.shape[-3:])) for pane in panes if pane.map is not None)
    needed, times = samples + maps + len(contours) * voxels, 0
    while needed > MOST_BYTES:
        needed, times = needed // 8, times + 1
    return times


def _halved_case(case: Case, times: int) -> Case:
    """Means of 2 x 2 x 2 samples; the affine moves to the middle of each."""
    if not times:
        return case

    def made() -> Case:
        before = _halved_case(case, times - 1)
        return halved_samples(before)

    found: Case = once(case.pixels, f"halved {times}", made)
    return found


def _channel(case: Case, channel: int, send: Send) -> dict[str, Any]:
    name = case.channels[channel]
    sheet = once(case.pixels, f"channel {channel}", lambda: packed(case_sheet(case, channel)))
    return {
        "name": name,
        "samples": {"url": send(sheet.blob, f"channel {channel}"), "type": sheet.type_name},
        "base": sheet.base,
        "step": sheet.step,
        "windows": [once(case.pixels, f"window {channel}", lambda: _window(case, channel))],
    }


def _window(case: Case, channel: int) -> dict[str, Any]:
    windows = case.facts.get("windows", ())
    if len(windows) == len(case.channels):
        return asdict(windows[channel])
    values = case.pixels[channel].ravel()
    bright = values[values > values.min()]
    low, high = np.percentile(bright, OF_THE_HEAD) if bright.size else (0.0, 1.0)
    return {"name": "1 to 99 % of tissue", "center": float(low + high) / 2, "width": float(high - low) or 1.0}


def _plane(plane: Plane) -> dict[str, Any]:
    return {
        "name": plane.name,
        "axes": list(plane.axes),
        "flips": list(plane.flips),
        "letters": list(plane.letters),
        "slices": plane.slices,
        "shape": [*plane.shape, plane.row_size, plane.column_size],
        "spacing": None if plane.spacing_mm is None else list(plane.spacing_mm),
    }


def _map(pane: Pane, channels: int, times: int, send: Send) -> dict[str, Any]:
    values: NDArray[Any] = np.asarray(pane.map)
    cells = values.reshape(-1, *values.shape[-3:])
    if len(cells) not in (1, channels):
        raise ValueError(f"A map has one part for every modality or one for all: {len(cells)} for {channels}.")
    grid = VolumeGrid(values.shape[-3:], tuple(pane.grid_scale[-3:]), tuple(pane.grid_offset[-3:]))
    if len(grid.scale) != 3 or len(grid.offset) != 3:
        grid = VolumeGrid(grid.shape, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    for _ in range(times):
        grid = grid.halved()

    def channel(at: int) -> dict[str, Any]:
        sheet = once(values, f"map {at} {times}", lambda: packed(map_sheet(strongest(cells[at], times))))
        return {"url": send(sheet.blob, f"map {pane.id} {at}"), "scale": sheet.scale}

    parts = [channel(at) for at in range(len(cells))]
    return {
        "url": parts[0]["url"],
        "scale": max(each["scale"] for each in parts),
        "channels": parts,
        "shares": once(values, "shares", lambda: _shares(cells)),
        "shape": list(grid.shape),
        "gridScale": [float(step) for step in grid.scale],
        "gridOffset": [float(start) for start in grid.offset],
    }


def _shares(cells: NDArray[Any]) -> list[float] | None:
    """How much of a map (C, d, h, w) lies on each modality; ``None`` where it does not tell them apart or is zero."""
    if len(cells) < 2:
        return None
    found = shares(np.nan_to_num(cells, posinf=0.0, neginf=0.0))
    return None if np.isnan(found).any() else [round(float(share), 4) for share in found]


def _region(region: Region, times: int, send: Send) -> dict[str, Any]:
    bits = once(region.mask, f"bits {times}", lambda: np.packbits(halved_mask(region.mask, times)).tobytes())
    return {"name": region.name, "url": send(bits, f"region {region.name}")}
