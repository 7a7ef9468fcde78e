"""Occlusion (Zeiler and Fergus 2014): what the score loses when a window is hidden. Any network, no look inside."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from xai_core.errors import MemoryLimitError, ParameterError
from xai_core.explainers.registry import explainer
from xai_core.explainers.request import Attribution, Request, logits_of
from xai_core.parameters import Parameter

FILLS = ("grey", "black", "blur", "inpaint")


def starts(size: int, window: int, stride: int) -> list[int]:
    """First positions of windows along an axis: every ``stride``, the last flush with the end, so that all is covered."""
    last = size - window
    positions = list(range(0, last + 1, stride))
    if positions[-1] != last:
        positions.append(last)
    return positions


def windows_of(space: tuple[int, ...], window: tuple[int, ...], stride: tuple[int, ...]) -> list[tuple[slice, ...]]:
    """All windows, as slices along the space axes."""
    axes = [starts(size, w, s) for size, w, s in zip(space, window, stride, strict=True)]
    return [
        tuple(slice(start, start + w) for start, w in zip(corner, window, strict=True)) for corner in product(*axes)
    ]


def filled(x: Tensor, fill: str, lowest: float) -> Tensor:
    """What hidden samples are replaced by, shaped like ``x`` (inpaint is done window by window)."""
    if fill == "grey":
        return x.flatten(2).mean(2).reshape(x.shape[:2] + (1,) * (x.ndim - 2)).expand_as(x)
    if fill == "black":
        return torch.full_like(x[:1], lowest).expand_as(x)
    return blurred(x, 0.05)


def blurred(x: Tensor, share: float) -> Tensor:
    """Gaussian blur along the space axes, sigma = ``share`` of the axis."""
    from scipy.ndimage import gaussian_filter

    sigma = (0.0, 0.0, *(max(share * size, 0.5) for size in x.shape[2:]))
    return torch.from_numpy(gaussian_filter(x.detach().cpu().numpy(), sigma)).to(x)


def inpainted(sample: Tensor, window: tuple[slice, ...]) -> Tensor:
    """The window of one sample (C, H, W) filled from its rim (Telea 2004, cv2.inpaint radius 3)."""
    import cv2

    result = sample.clone()
    mask = np.zeros(tuple(sample.shape[1:]), np.uint8)
    mask[window] = 255
    for channel in range(sample.shape[0]):
        plane = sample[channel].detach().cpu().numpy().astype(np.float32)
        result[channel] = torch.from_numpy(cv2.inpaint(plane, mask, 3, cv2.INPAINT_TELEA)).to(sample)
    return result


def in_chunks(
    module: nn.Module, count: int, make: Callable[[range], Tensor], chunk: int, strip: bool, notes: list[str]
) -> Iterator[tuple[range, Tensor]]:
    """Outputs of ``count`` inputs made on demand; the chunk is halved whenever memory runs out, which ``notes`` then says."""
    start = 0
    layout = torch.channels_last  # a third faster on films; networks that view() their maps need the plain layout
    while start < count:
        part = range(start, min(start + chunk, count))
        copies = make(part)
        try:
            yield (
                part,
                logits_of(module, copies.contiguous(memory_format=layout) if copies.ndim == 4 else copies, strip),
            )
        except (MemoryError, RuntimeError) as error:
            if "memory" not in str(error).lower() and not isinstance(error, MemoryError):
                if layout is torch.contiguous_format or copies.ndim != 4:
                    raise
                layout = torch.contiguous_format
                continue
            if chunk == 1:
                raise MemoryLimitError(
                    "Not even one masked copy of this image fits into memory.",
                    "Close other programs, or use a smaller model.",
                ) from None
            chunk = max(1, chunk // 2)
            notes[:] = [f"Memory ran short: {chunk} copies were run at a time."]
            continue
        start = part.stop


def chunk_size(x: Tensor, memory_bytes: int) -> int:
    """Copies of one sample that run together: about 150 activations of the input's size each, at most 16."""
    per_copy = x[:1].numel() * x.element_size() * 150
    return int(max(1, min(16, memory_bytes // max(per_copy, 1))))


@explainer(
    name="occlusion",
    title="Occlusion",
    family="perturbation",
    taxonomy=("black box", "perturbation", "local"),
    parameters=(
        Parameter(
            "window",
            "int",
            None,
            "Side of the hidden window; empty: an eighth of the image's side.",
            1,
            4096,
            1,
            unit="px",
            optional=True,
        ),
        Parameter(
            "stride", "int", None, "Step between windows; empty: half a window.", 1, 4096, 1, unit="px", optional=True
        ),
        Parameter("fill", "choice", "grey", "What the window is filled with.", choices=FILLS),
        Parameter("score", "choice", "logit", "What is measured.", choices=("logit", "probability")),
    ),
    dims=(1, 2, 3),
    target_dependent=True,
    exact=False,
    summary="What the score loses when a window is hidden: easy to understand, needs no look inside, coarse and slow.",
    source="Zeiler and Fergus 2014, arXiv 1311.2901",
    reduce="mean",
    unit="logit per window",
    black_box=True,
    cost=170.0,
)
def occlusion(request: Request, parameters: Mapping[str, Any]) -> Attribution:
    """score(x) - score(window replaced), each position the mean over the windows that cover it; the same in every channel."""
    x = request.x
    space = tuple(x.shape[2:])
    window = tuple(min(size, parameters["window"] or max(1, round(size / 8))) for size in space)
    stride = tuple(parameters["stride"] or max(1, side // 2) for side in window)
    if any(step > side for step, side in zip(stride, window, strict=True)):
        raise ParameterError(
            f"A stride of {max(stride)} leaves gaps between windows of {min(window)} px.",
            "Take a stride not greater than the window.",
        )
    if parameters["fill"] == "inpaint" and len(space) != 2:
        raise ParameterError("Inpainting works on films only.", "Choose grey, black or blur.")
    places = windows_of(space, window, stride)
    strip = request.closes_with_activation
    score = _scorer(request, parameters["score"])
    chunk = chunk_size(x, request.memory_bytes)
    result = torch.zeros_like(x[:, 0])
    covered = torch.zeros(space, dtype=x.dtype, device=x.device)
    done = 0
    notes: list[str] = []
    for sample in range(x.shape[0]):
        own = x[sample : sample + 1]
        lowest = request.bounds[0] if request.bounds is not None else float(own.min())
        fill = filled(own, "grey" if parameters["fill"] == "inpaint" else parameters["fill"], lowest)[0]
        whole = score(request.logits[sample : sample + 1], sample)

        def masked(part: range, own: Tensor = own, fill: Tensor = fill) -> Tensor:
            copies = own.repeat((len(part),) + (1,) * (own.ndim - 1))
            for row, index in enumerate(part):
                place = places[index]
                source = inpainted(own[0], place) if parameters["fill"] == "inpaint" else fill
                copies[row][(slice(None), *place)] = source[(slice(None), *place)]
            return copies

        for part, output in in_chunks(request.module, len(places), masked, chunk, strip, notes):
            for lost, index in zip(whole - score(output, sample), part, strict=True):
                result[sample][places[index]] += lost
                if sample == 0:
                    covered[places[index]] += 1
            done += len(part)
            request.report(done / (len(places) * x.shape[0]))
    relevance = (result / covered).unsqueeze(1).expand_as(x).contiguous()
    facts = {"windows": float(len(places)), "window": float(max(window)), "stride": float(max(stride))}
    return Attribution(relevance, None, request.targets(), tuple(notes), facts=facts)


def _scorer(request: Request, kind: str) -> Callable[[Tensor, int], Tensor]:
    """The explained scalar of outputs (n, L, *space) of one sample's copies."""
    selection = request.selection()
    labels = selection.shape[1] if selection.ndim > 1 else 1
    last = request.recording.result.producer if request.can_be_recorded else None
    is_exclusive = last is not None and last.operation == "_softmax"

    def score(output: Tensor, sample: int) -> Tensor:
        own = selection[sample : sample + 1]
        if kind == "probability":
            output = output.softmax(1) if is_exclusive and labels > 1 else output.sigmoid()
        return (output * own).flatten(1).sum(1)

    return score
