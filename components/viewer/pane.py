"""What one pane shows: a map on its own grid with its title, its account in words, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import NDArray


@dataclass(frozen=True)
class Pane:
    """``id`` becomes ``data-pane``: the explainer's name, or "explainer|target|model".

    ``lines`` target, model, seconds; ``share`` of the work done (0..1); ``message`` what is being done, or the error's
    sentence and remedy. ``map`` (h, w) float32 on its own grid: case index = ``grid_offset`` + ``grid_scale`` * map
    index along (rows, columns), pixel centres; for volumes (d, h, w) along (slices, rows, columns), or (channels, d, h,
    w) with a map for every modality. A grid of two numbers is the volume's own. ``previous``: the map is that of an
    earlier request and is shown dimmed. ``case_digest`` where given must be the case's own, or the map is refused.
    """

    id: str
    title: str
    lines: tuple[str, ...] = ()
    state: Literal["loading", "ready", "error"] = "ready"
    share: float = 1.0
    message: str = ""
    map: NDArray[Any] | None = None
    grid_scale: tuple[float, ...] = (1.0, 1.0)
    grid_offset: tuple[float, ...] = (0.0, 0.0)
    is_signed: bool = True
    unit: str = "none"
    badge_level: str = ""
    badge_word: str = ""
    badge_sentences: tuple[str, ...] = ()
    previous: bool = False
    case_digest: str = ""
