"""All filters of the study over one recording: the network runs once, each filter costs one walk back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from xai_core.case import Case, Region
from xai_core.errors import Cancelled, LightboxError, ParameterError, RegionError
from xai_core.explain import attribute, explainer_named, label_index, request_for
from xai_core.filter_study.bands import STUDY_BANDS, Band
from xai_core.filter_study.readings import Reading, read
from xai_core.filter_study.variants import CODE, Published, beside, refuse_other_networks
from xai_core.grid import Grid
from xai_core.head import with_channels
from xai_core.models import Model
from xai_core.planes import planes_of
from xai_core.record import Recording, record

STUDY = "lrp-study-unet"
Mask = NDArray[np.bool_]
Kept = Callable[[NDArray[np.float32]], NDArray[np.float32]]
Progress = Callable[[float], None]


@dataclass(frozen=True)
class Sweep:
    """One case of one model under all filters.

    ``readings``: one a filter, the text's variant (or the explainer's own parameters); ``published``: the same by the published
    code, empty where it was not asked for or ``problem`` says why it cannot be. ``slice_number``: the axial slice (from 0) whose part of
    every map is kept in ``Reading.picture`` (C, rows, columns), on the case's grid as it hangs; None for a bare network.
    """

    explainer: str
    channels: tuple[str, ...]
    readings: tuple[Reading, ...]
    truth_voxels: int
    voxels: int
    seconds: float
    model: str = ""
    case_digest: str = ""
    slice_number: int | None = None
    published: tuple[Published, ...] = ()
    problem: str = ""

    @property
    def size_bytes(self) -> int:
        """About what it takes in memory: its pictures."""
        return sum(0 if one.picture is None else one.picture.nbytes for one in self.readings) + 8192

    @property
    def bands(self) -> tuple[Band, ...]:
        """The filters, in order."""
        return tuple(reading.band for reading in self.readings)

    def of(self, band: Band) -> Reading:
        """The reading of one filter."""
        return next(reading for reading in self.readings if reading.band == band)

    def values(self, measure: str) -> NDArray[np.float64]:
        """(filters, channels) of a measure (a field of :class:`Reading`)."""
        return np.stack([getattr(reading, measure) for reading in self.readings])


def sweep(
    model: Model,
    case: Case,
    region: Region | None = None,
    *,
    bands: Sequence[Band] = STUDY_BANDS,
    explainer: str = STUDY,
    target: str | int | None = None,
    place: str = "blocks",
    parameters: Mapping[str, Any] | None = None,
    compares_code: bool = False,
    progress: Progress | None = None,
    cancel: threading.Event | None = None,
) -> Sweep:
    """All ``bands`` on one case; ``region`` is the ground truth on the case's grid (None: what needs it is ``nan``).

    ``explainer``: one with filters; ``place``: its ``filter_at``; ``target``: for explainers that know targets (None: a segmentation's last label, the lesion). ``compares_code``: walk the study's
    published code too. Raises :class:`LightboxError` for what cannot be explained and :class:`Cancelled` where the person stopped it.
    """
    if region is not None and region.mask.shape != case.space:
        raise RegionError("The region is not on the grid of this case.", "Read the region for this very case.")
    prepared = model.prepare(case)
    x = prepared.tensor.to(model.device)
    truth = None
    if region is not None:
        truth = np.asarray(prepared.grid.to_input(region.mask[None].astype(np.float32))[0] >= 0.5)
    info = explainer_named(explainer)
    recording = record(model.module, x)
    label, where = label_index(model, _lesion(model) if target is None else target), None
    if info.target_dependent:
        where = request_for(model, prepared, x, label, None, info, recording).where
    number = largest_slice(case, region) if case.kind == "volume" else None
    made = sweep_network(
        recording,
        x,
        truth,
        bands=bands,
        channels=with_channels(case, model.card.channels).channels,
        explainer=explainer,
        target=label,
        where=where,
        bounds=model.card.input.bounds,
        place=place,
        parameters=parameters,
        compares_code=compares_code,
        kept=None if number is None else partial(_hung_slice, case, prepared.grid, number),
        progress=progress,
        cancel=cancel,
    )
    return Sweep(**{**vars(made), "model": model.card.name, "case_digest": case.digest, "slice_number": number})


def sweep_network(
    module: nn.Module | Recording,
    x: Tensor,
    truth: Mask | None = None,
    *,
    bands: Sequence[Band] = STUDY_BANDS,
    channels: Sequence[str] = (),
    explainer: str = STUDY,
    target: int | None = None,
    where: Tensor | None = None,
    bounds: tuple[float, float] | None = None,
    place: str = "blocks",
    parameters: Mapping[str, Any] | None = None,
    compares_code: bool = False,
    kept: Kept | None = None,
    progress: Progress | None = None,
    cancel: threading.Event | None = None,
) -> Sweep:
    """As :func:`sweep`, of any network and one sample x (1, C, *space) with ``truth`` (*space) on its grid.

    ``where``: the positions that are explained, for explainers that know targets. ``kept``: what of a map (C, *space) is kept as its picture.
    """
    _refuse(explainer, x, truth)
    begun = time.perf_counter()
    recording = module if isinstance(module, Recording) else record(module, x)
    given = x[0].detach().cpu().numpy()
    problem = _problem(explainer, recording) if compares_code else ""
    variants = [dict(parameters or {})]
    if compares_code and not problem:
        variants.append({**variants[0], "variant": CODE})
    walked: dict[Band, tuple[Reading, list[Published]]] = {}
    alike = list(dict.fromkeys(band.alike for band in bands))
    for band in alike:
        maps: list[NDArray[np.float32]] = []
        for variant in variants:
            _report(progress, cancel, (len(walked) + len(maps) / len(variants)) / len(alike))
            more = {**variant, **band.parameters(place)}
            found = attribute(
                recording, explainer=explainer, target=target, where=where, bounds=bounds, cancel=cancel, **more
            )
            maps.append(found.relevance[0].detach().to("cpu", torch.float32).numpy())
        picture = None if kept is None else kept(maps[0])
        reading = read(band, maps[0], given, truth, picture)
        walked[band] = (reading, [beside(maps[0], code, read(band, code, given, truth)) for code in maps[1:]])
    readings = [replace(walked[band.alike][0], band=band) for band in bands]
    published = [
        replace(one, reading=replace(one.reading, band=band)) for band in bands for one in walked[band.alike][1]
    ]
    _report(progress, cancel, 1.0)
    return Sweep(
        explainer=explainer,
        channels=tuple(channels) or tuple(f"channel {number}" for number in range(1, len(given) + 1)),
        readings=tuple(readings),
        truth_voxels=0 if truth is None else int(truth.sum()),
        voxels=int(given[0].size),
        seconds=time.perf_counter() - begun,
        published=tuple(published),
        problem=problem,
    )


def largest_slice(case: Case, region: Region | None) -> int:
    """The axial slice, as it hangs, in which the region is largest; the middle one without a region."""
    plane = planes_of(case)[0]
    if region is None or not region.mask.any():
        return plane.slices // 2
    return int(plane.hung(region.mask).reshape(plane.slices, -1).sum(1).argmax())


def _hung_slice(case: Case, grid: Grid, number: int, relevance: NDArray[np.float32]) -> NDArray[np.float32]:
    plane = planes_of(case)[0]
    return np.stack([plane.slice_of(channel, number) for channel in grid.to_case(relevance)])


def _lesion(model: Model) -> str | None:
    return model.card.labels[-1] if model.card.task == "segmentation" else None


def _refuse(explainer: str, x: Tensor, truth: Mask | None) -> None:
    if not any(parameter.name == "filter_at" for parameter in explainer_named(explainer).parameters):
        raise ParameterError(f"{explainer} has no filters.", f"Choose {STUDY} or another explainer of the LRP family.")
    if x.shape[0] != 1:
        raise ParameterError(f"{x.shape[0]} samples were given.", "Give one sample at a time.")
    if truth is not None and truth.shape != tuple(x.shape[2:]):
        raise RegionError("The region is not on the grid of the input.", "Give a mask shaped like one channel.")


def _problem(explainer: str, recording: Recording) -> str:
    """Why the published code cannot be walked here; empty where it can."""
    if explainer != STUDY:
        return f"Only {STUDY} has a published code to compare with."
    try:
        refuse_other_networks(recording)
    except LightboxError as problem:
        return problem.sentence
    return ""


def _report(progress: Progress | None, cancel: threading.Event | None, share: float) -> None:
    if cancel is not None and cancel.is_set():
        raise Cancelled
    if progress is not None:
        progress(share)
