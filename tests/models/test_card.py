"""Cards: what is unknown or speaks against itself is named."""

from __future__ import annotations

from typing import Any

import pytest

from xai_core.errors import ModelError
from xai_core.models.shelf import card_of, manifest_cards

GOOD: dict[str, Any] = {
    "name": "net",
    "architecture": "resnet18",
    "labels": ["Pneumonia", "Viral"],
    "parents": {"Viral": "Pneumonia"},
    "thresholds": {"Viral": 0.3},
    "temperatures": {"Viral": 1.2},
    "input": {"size": [224, 224]},
}


def test_a_good_card_is_taken() -> None:
    card = card_of(GOOD)
    assert card.labels == ("Pneumonia", "Viral")
    assert card.input.size == (224, 224)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"licens": "MIT"}, "licens"),
        ({"input": {"size": [2, 2], "colour": 3}}, "input.colour"),
        ({"input": {}}, "size"),
        ({"input": {"size": [224]}}, "224"),
        ({"input": {"size": [0, 224]}}, "0, 224"),
        ({"input": {"size": [9, 9], "low": 1.0, "high": 0.0}}, "low"),
        ({"input": {"size": [9, 9], "channels": 3}}, "1 channel"),
        ({"input": {"size": [9, 9], "crop": "heart"}}, "heart"),
        ({"input": {"size": [9, 9], "intensity": "bright"}}, "bright"),
        ({"input": {"size": [9, 9], "mean": [0.5, 0.5], "std": [1, 1]}}, "2 values"),
        ({"input": {"size": [9, 9], "mean": [0.5]}}, "standard deviation"),
        ({"modality": "PET"}, "PET"),
        ({"task": "guessing"}, "guessing"),
        ({"activation": "tanh"}, "tanh"),
        ({"labels": []}, "no labels"),
        ({"labels": ["Viral", "Viral", "Pneumonia"]}, "twice"),
        ({"labels": ["Viral", "Pneumonia", " "]}, "without letters"),
        ({"parents": {"Viral": "Heart"}}, "Heart"),
        ({"parents": {"Viral": "Pneumonia", "Pneumonia": "Viral"}}, "under itself"),
        ({"thresholds": {"Heart": 0.5}}, "Heart"),
        ({"thresholds": {"Viral": 1.5}}, "1.5"),
        ({"temperatures": {"Viral": 0}}, "temperature"),
        ({"sha256": "xyz"}, "sha256"),
        ({"bytes": -1}, "bytes"),
        ({"url": "ftp://x", "file": "x"}, "url"),
        ({"url": "https://x/y", "file": "y", "shipped": True}, "shipped"),
        ({"name": "a/b"}, "name"),
    ],
)
def test_what_does_not_hold_together_is_named(change: dict[str, Any], word: str) -> None:
    with pytest.raises(ModelError) as refused:
        card_of({**GOOD, **change})
    assert word in refused.value.sentence
    assert refused.value.remedy


def test_every_card_of_the_manifest_holds_together() -> None:
    assert {"cxr-lungs", "cxr-resnet18"} <= set(manifest_cards())
