"""How published networks want their images, as tables of a card's ``input``."""

from __future__ import annotations

from typing import Any

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Of the colours of ImageNet, as torchvision gives them."""


def imagenet_input(side: int = 224, resized: int = 256) -> dict[str, Any]:
    """The shorter side brought to ``resized``, the middle ``side`` kept, grey given to three channels, ImageNet's mean and
    standard deviation: what torchvision does before its classifiers."""
    return {
        "size": (side, side),
        "channels": 3,
        "intensity": "file-range",
        "crop": "centre",
        "margin": (side / resized - 1) / 2,
        "repeat": True,
        "mean": IMAGENET_MEAN,
        "std": IMAGENET_STD,
    }


def grey_input(side: int, channels: int = 1, **more: Any) -> dict[str, Any]:
    """The whole film stretched to a square of ``side``, samples divided by the greatest the file can hold."""
    repeated = {"repeat": True} if channels > 1 else {}
    return {"size": (side, side), "channels": channels, "intensity": "file-range", **repeated, **more}
