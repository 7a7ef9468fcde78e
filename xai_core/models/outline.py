"""Where the lungs lie: the field that ``cxr-lungs`` finds on a film, cleaned, on the film's own grid."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import nn

from xai_core.case import Case, Region
from xai_core.grid import Grid
from xai_core.models.architectures import LungUNet
from xai_core.models.card import Card
from xai_core.preprocess import Prepared, prepare

LEAST, MOST = 0.03, 0.85
"""Share of the film that two lungs can cover; a field beyond it is not believed."""


@dataclass(frozen=True)
class Outline:
    """What the lung network makes of a film: ``lungs``, its field on the film's grid (None where no plausible one is found), and
    ``deep`` (channels, rows, columns), the maps of the deepest level."""

    lungs: Region | None
    deep: NDArray[np.float32]


class Outlines:
    """The outlines of the last films, so that several models and explainers ask the network once a film."""

    def __init__(self, card: Card, module: LungUNet, device: str, weights_digest: str = "", kept: int = 16) -> None:
        self.card, self.module, self.device, self.weights_digest, self.kept = card, module, device, weights_digest, kept
        self._lock = threading.Lock()
        self._found: OrderedDict[str, Outline] = OrderedDict()

    def of(self, case: Case) -> Outline:
        """The outline of a film."""
        with self._lock:
            if case.digest in self._found:
                self._found.move_to_end(case.digest)
                return self._found[case.digest]
            outline = outline_of(prepare(case, self.card.input, None), self.module, self.device)
            self._found[case.digest] = outline
            while len(self._found) > self.kept:
                self._found.popitem(last=False)
            return outline


def outline_of(prepared: Prepared, module: LungUNet, device: str = "cpu") -> Outline:
    """Run the lung network once for the field and what it saw on the way."""
    with torch.inference_mode():
        levels = module.encoded(prepared.tensor.to(device))
        logits = module.decoded(levels).float().cpu().numpy()[0, 0]
    return Outline(field_from(logits, prepared.grid), levels[-1][0].float().cpu().numpy())


def field_of(prepared: Prepared, module: nn.Module, device: str = "cpu") -> Region | None:
    """Run the lung network and bring its field to the case's grid."""
    with torch.inference_mode():
        logits = module(prepared.tensor.to(device)).float().cpu().numpy()[0, 0]
    return field_from(logits, prepared.grid)


def field_from(logits: NDArray[np.float32], grid: Grid) -> Region | None:
    """The cleaned field of logits (*input_shape), on the case's grid; None where it is not plausible."""
    held = grid.inside()
    mask = cleaned((logits > 0) & held)
    if not LEAST <= mask.sum() / max(held.sum(), 1) <= MOST:
        return None
    bounded = np.where(mask, np.clip(logits, 0.05, 4.0), np.clip(logits, -4.0, -0.05))
    return Region(grid.smooth_to_case(bounded[None])[0] > 0, "lungs")


def cleaned(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The two greatest parts (the second only where it is at least a seventh of the first) with their holes filled."""
    parts, count = ndimage.label(mask)
    if count == 0:
        return mask
    sizes = np.bincount(parts.ravel())[1:]
    order = np.argsort(sizes)[::-1][:2]
    kept = [int(k) + 1 for k in order if sizes[k] * 7 >= sizes[order[0]]]
    return np.asarray(ndimage.binary_fill_holes(np.isin(parts, kept)), dtype=bool)
