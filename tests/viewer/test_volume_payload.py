"""What of a volume is sent: planes as they hang, every modality by itself, within the browser's memory."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

from components.viewer import volume as sending
from components.viewer.pane import Pane
from components.viewer.payload import payload
from xai_core.case import Case, Geometry, Region, digest_of
from xai_core.planes import letters_of, planes_of
from xai_core.render_volume import projection, volume_map

RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def case_of(pixels: NDArray[Any], affine: NDArray[np.float64] | None = None, letters: tuple[str, ...] = ()) -> Case:
    names = tuple(f"channel {number}" for number in range(len(pixels)))
    return Case("volume", names, pixels, Geometry(affine=affine, letters=letters), {}, digest_of(pixels, "volume"))


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Buffers by address."""
    blobs: dict[str, bytes] = {}

    def add(blob: bytes, _mimetype: str, place: str) -> str:
        blobs[place] = blob
        return place

    media = SimpleNamespace(media_file_mgr=SimpleNamespace(add=add))
    monkeypatch.setattr(sys.modules[payload.__module__], "get_instance", lambda: media)
    return blobs


@pytest.mark.parametrize("axes", ["LPS", "RAS", "SPL", "IAR", "PIR", "ALI"])
def test_planes_hang_as_nibabel_reorients_whatever_the_files_axes(axes: str) -> None:
    """Nibabel turns any axes to left, posterior, head; there an axial slice is [:, :, k] transposed."""
    plain = np.random.default_rng(0).integers(0, 1000, (7, 6, 5)).astype(np.int16)
    turn = nib.orientations.axcodes2ornt(tuple(axes))
    to_axes = nib.orientations.ornt_transform(nib.orientations.axcodes2ornt("LPS"), turn)
    turned = nib.orientations.apply_orientation(plain, to_axes)
    placed = np.diag([-1.0, -2.0, 5.0, 1.0])
    stored = RAS @ placed @ nib.orientations.inv_ornt_aff(to_axes, plain.shape)
    axial, coronal, sagittal = planes_of(case_of(turned[None], stored))
    assert (axial.hung(turned) == np.transpose(plain, (2, 1, 0))).all()
    assert (coronal.hung(turned) == np.transpose(plain, (1, 2, 0))[:, ::-1]).all()
    assert (sagittal.hung(turned) == np.transpose(plain, (0, 2, 1))[:, ::-1]).all()
    assert [plane.letters for plane in (axial, coronal, sagittal)] == [tuple("RLAP"), tuple("RLHF"), tuple("APHF")]
    assert coronal.spacing_mm == (5.0, 1.0)
    assert coronal.row_size / coronal.column_size == pytest.approx(5.0)


def test_an_axis_that_leans_is_named_by_two_letters() -> None:
    lean = np.deg2rad(30)
    assert letters_of(np.array([np.cos(lean), np.sin(lean), 0.0])) == "LP"
    assert letters_of(np.array([0.0, -np.cos(lean / 3), np.sin(lean / 3)])) == "A"


def test_letters_alone_hang_a_volume_and_without_them_nothing_is_claimed() -> None:
    pixels = np.zeros((1, 3, 4, 5), np.uint8)
    told = planes_of(case_of(pixels, letters=("H", "P", "L")))
    assert told[0].letters == ("R", "L", "A", "P")
    assert told[0].flips == (False, False, False)
    silent = planes_of(case_of(pixels))
    assert {letter for plane in silent for letter in plane.letters} == {""}
    assert silent[0].axes == (0, 1, 2)


def test_a_projection_keeps_the_strongest_with_its_sign() -> None:
    values = np.random.default_rng(1).normal(size=(5, 6, 7)).astype(np.float32)
    values[:, 2, 3] = np.nan
    case = case_of(values[None], np.diag([1.0, 1.0, 1.0, 1.0])[[2, 1, 0, 3]])
    plane = planes_of(case)[0]
    mapped = volume_map(values, (1, 1, 1), (0, 0, 0), True)
    both = projection(mapped, plane, case).sheet
    assert np.isnan(both.codes[2, 3])
    known = np.isfinite(both.codes)
    greatest = np.nan_to_num(np.abs(values)).max(axis=0)
    assert np.allclose(np.abs(both.codes * both.scale)[known], greatest[known], rtol=2e-3)
    positive = projection(mapped, plane, case, "positive").sheet
    assert np.allclose(
        (positive.codes * positive.scale)[known], np.maximum(values, 0).max(axis=0)[known], rtol=2e-3, atol=1e-3
    )


def test_every_modality_is_a_buffer_of_its_own_and_its_map_has_its_own_scale(sent: dict[str, bytes]) -> None:
    pixels = np.arange(2 * 4 * 5 * 6, dtype=np.uint16).reshape(2, 4, 5, 6)
    cells = np.stack([np.full((4, 5, 6), 2.0), np.full((4, 5, 6), -8.0)]).astype(np.float32)
    mask = np.random.default_rng(2).random((4, 5, 6)) > 0.5
    case = case_of(pixels, np.eye(4)[[2, 1, 0, 3]])
    pane = Pane("lrp", "LRP", map=cells, grid_scale=(1, 1, 1), grid_offset=(0, 0, 0))
    data = payload(case, [pane], "k", {}, [Region(mask, "truth")])
    for number, channel in enumerate(data["case"]["channels"]):
        assert (np.frombuffer(sent[channel["samples"]["url"]], np.uint16).reshape(4, 5, 6) == pixels[number]).all()
    first, second = data["panes"][0]["map"]["channels"]
    assert (first["scale"], second["scale"], data["panes"][0]["map"]["scale"]) == (2.0, 8.0, 8.0)
    assert (np.frombuffer(sent[second["url"]], np.float16) == -1).all()
    bits = np.unpackbits(np.frombuffer(sent[data["contours"][0]["url"]], np.uint8), count=mask.size)
    assert (bits.reshape(mask.shape) == mask).all()
    foreign = Pane("lrp", "LRP", map=cells, case_digest="another")
    assert payload(case, [foreign], "k", {}, ())["panes"][0]["map"] is None


def test_shares_of_modalities_are_told_where_a_map_tells_them_apart(sent: dict[str, bytes]) -> None:
    """Cells without a value have no part; a map of zeros, and one for all modalities, have no shares."""
    case = case_of(np.zeros((3, 2, 2, 2), np.uint8))
    cells = np.zeros((3, 2, 2, 2), np.float32)
    cells[0, 0], cells[1, 0, 0, 0], cells[2] = -3.0, 4.0, np.nan
    for values, told in ((cells, [0.75, 0.25, 0.0]), (cells[:1], None), (np.zeros_like(cells), None)):
        pane = Pane("lrp", "LRP", map=values, grid_scale=(1, 1, 1), grid_offset=(0, 0, 0))
        assert payload(case, [pane], "k", {}, ())["panes"][0]["map"]["shares"] == told


def test_what_one_modality_needs_decides_not_how_many_there_are() -> None:
    """512 x 512 x 100 in 16 bits are 50 MiB: with four maps of them within 256 MiB, with five above."""
    shape = (6, 100, 512, 512)
    names = tuple(f"channel {number}" for number in range(6))
    case = Case("volume", names, np.broadcast_to(np.uint16(1), shape), Geometry(), {}, "digest")
    maps = [Pane(f"map-{at}", "Map", map=np.broadcast_to(np.float32(1), shape)) for at in range(5)]
    region = Region(np.broadcast_to(np.bool_(True), shape[1:]))
    assert sending.halvings(case, maps[:4], ()) == 0
    assert sending.halvings(case, maps, ()) == 1
    assert sending.halvings(case, maps[:4], [region]) == 1


def test_beyond_the_cap_all_is_halved_in_place_and_the_reader_is_told(
    sent: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sample, a map's cell and a region's voxel stay at their millimetres."""
    affine = np.array([[0, 0, 1.0, -3], [0, 1.5, 0, 4], [4.0, 0, 0, 9], [0, 0, 0, 1]])
    pixels = np.zeros((1, 8, 10, 13), np.uint16)
    pixels[0, 4:6, 2:4, 6:8] = 800
    cells = np.zeros((8, 10, 13), np.float32)
    cells[5, 3, 7] = -4.0
    mask = cells != 0
    case = case_of(pixels, affine)
    pane = Pane("lrp", "LRP", map=cells, grid_scale=(1, 1, 1), grid_offset=(0, 0, 0))
    whole = payload(case, [pane], "k", {}, [Region(mask)])
    assert whole["case"]["notes"] == []
    monkeypatch.setattr(sending, "MOST_BYTES", 8 * 10 * 13 * 5 - 1)
    data = payload(case, [pane], "k", {}, [Region(mask)])
    assert data["case"]["shape"] == [4, 5, 7]
    assert "resolution" in data["case"]["notes"][0]
    samples = np.frombuffer(sent[data["case"]["channels"][0]["samples"]["url"]], np.uint16).reshape(4, 5, 7)
    assert samples[2, 1, 3] == 800
    assert samples.sum() == 800
    at = np.array([2, 1, 3, 1])
    assert np.allclose(np.array(data["case"]["affine"]) @ at, affine @ [4.5, 2.5, 6.5, 1])
    sheet = data["panes"][0]["map"]
    found = np.argwhere(np.frombuffer(sent[sheet["url"]], np.float16).reshape(sheet["shape"]))
    assert found.tolist() == [[2, 1, 3]]
    assert np.allclose(np.array(sheet["gridOffset"]) + np.array(sheet["gridScale"]) * found[0], [2, 1, 3])
    bits = np.unpackbits(np.frombuffer(sent[data["contours"][0]["url"]], np.uint8), count=4 * 5 * 7)
    assert np.argwhere(bits.reshape(4, 5, 7)).tolist() == [[2, 1, 3]]
