"""Films laid wrong on purpose: turned by a quarter, upside down, mirrored, grey values turned over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xai_core.quality.statistics import POSES, TURNS
from xai_core.training.films import read_grey


def reader(path: Path, pose: int, way: int = 0) -> Callable[[], NDArray[np.uint8]]:
    """Reads a film and lays it as ``POSES[pose]`` says; ``way``: 1 and 3 mirror it, 2 and 3 take the other quarter."""

    def read() -> NDArray[np.uint8]:
        return laid(read_grey(path), pose, way)

    return read


def laid(image: NDArray[np.uint8], pose: int, way: int = 0) -> NDArray[np.uint8]:
    """A film turned, mirrored and turned over on purpose."""
    turn, is_inverted = POSES[pose]
    quarters = {TURNS[0]: 0, TURNS[1]: 1 + 2 * (way // 2), TURNS[2]: 2}[turn]
    image = np.rot90(image[:, ::-1] if way % 2 else image, quarters)
    return np.ascontiguousarray(255 - image if is_inverted else image)
