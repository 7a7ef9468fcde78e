"""The recipe of the checks of volumes: what it makes of a volume is what it says, and its card counts what was said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.readers.volumes import nifti_bytes, phantom
from xai_core.models.places import SHELF
from xai_core.readers import read_case
from xai_core.training import volume_quality as made
from xai_core.training.publishing import rows_of


@pytest.fixture
def head():
    return read_case(nifti_bytes(*phantom("anisotropic")), name="T1.nii", kind="volume")


def test_thick_slices_hold_means_at_the_place_of_what_they_average(head) -> None:
    thick = made.thick(head)
    factor = round(made.THICK_MM / head.geometry.spacing_mm[0])
    factor = max(2, factor)
    assert thick.geometry.spacing_mm[0] == pytest.approx(factor * head.geometry.spacing_mm[0])
    middle = np.mean([head.geometry.position((k, 3, 4)) for k in range(factor, 2 * factor)], axis=0)
    assert thick.geometry.position((1, 3, 4)) == pytest.approx(middle)
    assert thick.pixels[0, 1] == pytest.approx(head.pixels[0, factor : 2 * factor].mean(axis=0))


def test_noise_is_as_strong_as_said_and_leaves_air_alone_where_it_shall(head) -> None:
    is_head = head.pixels[0] > 0
    middle = float(np.median(head.pixels[0][is_head]))
    inside, everywhere = (made.noisy(head, 0.05, in_air).pixels[0] for in_air in (False, True))
    assert not inside[~is_head].any()
    assert everywhere[~is_head].mean() == pytest.approx(0.05 * middle * np.sqrt(np.pi / 2), rel=0.02)  # Rayleigh's mean
    apart = (inside - head.pixels[0])[is_head]
    assert apart.std() == pytest.approx(0.05 * middle, rel=0.02)


def test_the_card_counts_what_was_said() -> None:
    told = {
        "as published": [[], ["size", "thick slices"], ["thick slices"]],
        "T1 and T2 exchanged": [["exchanged"], ["size"], []],
    }
    text = made.card_text(told)
    assert (
        rows_of([["Volumes", "n", "warned of wrongly", "by the word"], ["as published", "3", "1", "size (1)"]]) in text
    )
    assert "| T1 and T2 exchanged | 3 | 2 | 1 | exchanged |" in text


def test_the_shipped_card_has_a_row_for_everything_that_is_tried() -> None:
    text = (SHELF / "cards" / f"{made.NAME}.md").read_text(encoding="utf-8")
    assert all(f"| {key} | " in text for key in (*made.DEGRADED, *made.SPOILT))


def test_a_folder_without_volumes_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(made.ReadError, match="no volumes"):
        made.volume(tmp_path, "ms19")
