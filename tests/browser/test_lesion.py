"""A lesion painted at a known place of the patient: the crosshair put there shows it in all three planes.

Volumes stored flipped, in other orders of axes, oblique, and with samples five times as deep as wide.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page

from components.viewer.events import voxel_of
from tests.browser.mounted import canvas, show, told
from tests.browser.test_volume import pane_of
from xai_core.case import Case, Geometry, Window, digest_of
from xai_core.planes import planes_of
from xai_core.render import axis_positions
from xai_core.render_volume import fitted

pytestmark = pytest.mark.browser
LESION_MM = np.array([21.0, -13.0, 9.0])
RADIUS_MM = 9.0
NOD = np.deg2rad(17)
NODDING = np.array([[1, 0, 0], [0, np.cos(NOD), -np.sin(NOD)], [0, np.sin(NOD), np.cos(NOD)]])
# Columns: the steps in LPS mm along the array's three axes.
STEPS = {
    "to the feet, to the front, to the right": np.array([[0, 0, -1.0], [0, -1.2, 0], [-5.0, 0, 0]]),
    "sagittal slices, heads up": np.array([[5.0, 0, 0], [0, 0, -1.2], [0, -1.0, 0]]),
    "coronal slices to the back": np.array([[0, 0, 1.0], [5.0, 0, 0], [0, 1.2, 0]]),
    "oblique": NODDING @ np.array([[0, 0, 1.0], [0, -1.2, 0], [5.0, 0, 0]]),
}


def phantom(steps: NDArray[np.float64]) -> Case:
    """Air, a head of 500 and the lesion of 1000 about ``LESION_MM``."""
    shape = (24, 90, 110)
    affine = np.eye(4)
    affine[:3, :3] = steps
    affine[:3, 3] = LESION_MM / 2 - steps @ (np.array(shape) - 1) / 2
    geometry = Geometry.of_affine(affine)
    index = np.stack(np.meshgrid(*(np.arange(count) for count in shape), indexing="ij"), axis=-1)
    away = np.linalg.norm(geometry.position(index) - LESION_MM, axis=-1)
    pixels = np.where(away <= RADIUS_MM, 1000, 500).astype(np.uint16)[None]
    facts = {"windows": (Window("lesion", 500.5, 1001.0),)}
    return Case("volume", ("T1",), pixels, geometry, facts, digest_of(pixels, "volume"))


@pytest.fixture
def blank(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1200, "height": 600})
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("stored", STEPS)
def test_the_crosshair_shows_the_lesion_in_all_three_planes(
    blank: Page, monkeypatch: pytest.MonkeyPatch, stored: str
) -> None:
    case = phantom(STEPS[stored])
    cursor = np.rint(case.geometry.index(LESION_MM)).astype(int)
    settings = {"volume": {"layout": "planes", "cursor": cursor.tolist()}, "picks": ["voxel"]}
    show(blank, monkeypatch, case, [], settings, count=3)
    finest, coarsest = (end(case.geometry.spacing_mm) for end in (min, max))
    for plane in planes_of(case):
        more = f'[data-plane="{plane.name}"]'
        found = canvas(blank, "image", more)[..., 0]
        walks = [
            axis_positions(n, fitted(plane, found.shape), along)[1] for n, along in zip(found.shape, "yx", strict=True)
        ]
        down, across = np.nonzero(found > 200)
        rows, columns = walks[0][down], walks[1][across]
        # the middle of what is bright lies where the patient's lesion does, on the screen as in the body
        _, row, column = plane.place_of(tuple(case.geometry.index(LESION_MM)))
        assert abs(rows.mean() - row) < 0.6
        assert abs(columns.mean() - column) < 0.6
        # as tall in millimetres as it is wide: at true proportions, within a sample of the coarser axis
        across_mm, down_mm = (
            (end.max() - end.min()) * finest / fitted(plane, found.shape).scale for end in (across, down)
        )
        assert max(across_mm, down_mm) <= 2 * RADIUS_MM + coarsest
        assert abs(across_mm - down_mm) <= coarsest
        place = plane.place_of(tuple(cursor.tolist()))
        assert pane_of(blank, "image", more).get_attribute("data-slice") == str(int(place[0]) + 1)
        assert found[np.abs(walks[0] - place[1]).argmin(), np.abs(walks[1] - place[2]).argmin()] == 255
    blank.keyboard.press("j")
    voxel = voxel_of(told(blank, "voxel")[0], case)
    assert voxel is not None
    assert np.abs(np.asarray(voxel.position_mm) - LESION_MM).max() <= coarsest
