"""What the browser tells of voxels and boxes: regions of the case, or nothing where it is not of this case."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import xai_core as xc
from components.viewer.events import box_of, voxel_of
from xai_core.case import Case, Geometry, digest_of

AFFINE = np.array([[0, 0, -1.5, 30.0], [0, 0.7, 0, -12.0], [4.0, 0, 0, 8.0], [0, 0, 0, 1]])


def case_of(shape: tuple[int, int, int] = (7, 19, 23), affine: Any = AFFINE) -> Case:
    pixels = np.zeros((1, *shape), np.uint16)
    return Case("volume", ("T1",), pixels, Geometry(affine=affine), {}, digest_of(pixels, "volume"))


def test_a_voxel_becomes_the_region_of_that_voxel_alone_at_its_millimetres() -> None:
    case = case_of()
    for index in ([0, 0, 0], [6, 18, 22], [3, 11, 5]):
        voxel = voxel_of({"case": case.digest, "index": index, "pane": "lrp"}, case)
        assert voxel is not None
        assert np.argwhere(xc.read_region(voxel.boxes, case).mask).tolist() == [index]
        assert np.allclose(voxel.position_mm, AFFINE[:3] @ [*index, 1])  # type: ignore[arg-type]
    unplaced = case_of(affine=None)
    told = {"case": unplaced.digest, "index": [1, 2, 3], "pane": "lrp"}
    assert voxel_of(told, unplaced).position_mm is None  # type: ignore[union-attr]


def test_a_box_becomes_exactly_its_voxels_on_grids_of_every_size() -> None:
    random = np.random.default_rng(4)
    for _ in range(200):
        shape = tuple(random.integers(1, 300, 3).tolist())
        case = case_of(shape)  # type: ignore[arg-type]
        ends = np.sort(random.integers(0, shape, (2, 3)), axis=0)
        told = {"case": case.digest, "ends": {"first": ends[0].tolist(), "last": ends[1].tolist()}, "plane": "axial"}
        box = box_of(told, case)
        assert box is not None
        inside = np.argwhere(xc.read_region(box.boxes, case).mask)
        assert (inside.min(0) == ends[0]).all()
        assert (inside.max(0) == ends[1]).all()
        assert len(inside) == np.prod(ends[1] - ends[0] + 1)


def test_a_box_that_was_removed_is_told_as_one_without_voxels() -> None:
    case = case_of()
    box = box_of({"case": case.digest, "ends": None, "plane": "axial", "pane": "image"}, case)
    assert box is not None
    assert (box.first, box.boxes) == (None, ())


@pytest.mark.parametrize(
    "index", [[0, 0, 23], [-1, 0, 0], [0, 0], None, "012", [0.5, 0, 0], [float("nan"), 0, 0], [1, 2, "3"]]
)
def test_what_is_no_voxel_of_this_case_is_dropped(index: Any) -> None:
    case = case_of()
    assert voxel_of({"case": case.digest, "index": index}, case) is None
    assert box_of({"case": case.digest, "ends": {"first": index, "last": [6, 18, 22]}}, case) is None
    assert box_of({"case": case.digest, "ends": {"first": [6, 18, 22], "last": [0, 0, 0]}}, case) is None


def test_another_cases_voxel_is_dropped() -> None:
    assert voxel_of({"case": "another", "index": [0, 0, 0]}, case_of()) is None
    assert box_of({"case": "another", "ends": None}, case_of()) is None
    assert voxel_of(None, case_of()) is None
