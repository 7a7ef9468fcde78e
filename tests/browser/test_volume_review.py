"""The volume page in a browser: the packaged volume, the wheel, own files and broken ones, a voxel to explain, a file to take away."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from playwright.sync_api import Browser, Page

import xai_core as xc
from tests.browser.conftest import serving
from tests.readers.volumes import zipped
from tests.volumes import head, mask, write_small_unet

pytestmark = pytest.mark.browser
SAMPLE = next(iter(xc.sample_cases("volume").values()))
SETTLED = """() => { const found = []; const seek = (node) => node.querySelectorAll('*').forEach((e) => {
  if (e.dataset && e.dataset.pane) found.push(e.dataset.state); if (e.shadowRoot) seek(e.shadowRoot); });
  seek(document);
  return found.length >= 5 && found.every((state) => state === 'ready')
    && !document.body.textContent.includes('looking at the maps a second time'); }"""
OF_CASE = "d => [...document.querySelectorAll('*')].some((e) => e.shadowRoot?.querySelector(`[data-case=\"${d}\"]`))"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server whose own models are one small random U-Net."""
    folder = tmp_path_factory.mktemp("volumes")
    write_small_unet(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIGHTBOX_MODELS", str(folder))
        with serving("app.py", tmp_path_factory.mktemp("server")) as address:
            yield address


@pytest.fixture(scope="module")
def page(browser: Browser, pages: str) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True)
    opened = context.new_page()
    opened.set_default_timeout(240_000)
    opened.goto(f"{pages}volume_review")
    opened.get_by_role("combobox", name="Model", exact=False).click()
    opened.get_by_role("option", name="small-unet").click()
    opened.wait_for_function("() => document.body.textContent.includes('Small U-Net on')", polling=400)
    settled(opened)
    yield opened
    context.close()


def settled(page: Page) -> None:
    """Wait until every map is there and has been looked at a second time."""
    page.wait_for_selector('[data-pane="image"]')
    page.wait_for_function(SETTLED, polling=400)
    page.wait_for_timeout(1500)
    page.wait_for_function(SETTLED, polling=400)


def digest(page: Page) -> str:
    return page.locator('[data-pane="image"]').first.get_attribute("data-case") or ""


def taken(page: Page, title: str) -> bytes:
    """The file behind a button of the export list."""
    button = page.get_by_role("button", name=title, exact=True)
    if not button.is_visible():
        page.get_by_role("button", name="Export").click()
    with page.expect_download() as waited:
        button.click()
    return Path(waited.value.path()).read_bytes()


def test_opens_on_the_packaged_volume_and_the_wheel_turns_its_slices(page: Page) -> None:
    case = xc.read_case(SAMPLE)
    assert digest(page) == case.digest
    image = page.locator('[data-pane="image"]').first
    before = int(image.get_attribute("data-slice") or 0)
    image.hover()
    page.mouse.wheel(0, 100)
    page.wait_for_timeout(300)
    assert abs(int(image.get_attribute("data-slice") or 0) - before) == 1
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


def test_the_voxel_under_the_crosshair_becomes_the_target(page: Page) -> None:
    page.locator('[data-pane="image"]').first.click()
    page.get_by_role("button", name="Explain this voxel").click()
    page.get_by_label("i", exact=True).wait_for()
    settled(page)
    fields = [int(page.get_by_label(name, exact=True).input_value()) for name in ("i", "j", "k")]
    case = xc.read_case(SAMPLE)
    assert all(1 <= place <= size for place, size in zip(fields, reversed(case.space), strict=True))
    text = page.locator('[data-pane="grad-cam"]').first.inner_text()
    assert f"voxel {fields[0]}, {fields[1]}, {fields[2]}" in text


def test_a_map_is_taken_away_on_the_grid_of_the_volume(page: Page) -> None:
    image = nib.Nifti1Image.from_bytes(gzip.decompress(taken(page, "Map (NIfTI)")))
    given = nib.load(SAMPLE.files[0])
    assert image.shape == given.shape
    np.testing.assert_allclose(image.affine, given.affine, atol=1e-4)
    assert np.asarray(image.dataobj).any()
    report = taken(page, "Report (HTML)").decode()
    assert "Research and teaching only: not for diagnosis." in report
    page.get_by_role("button", name="Export").click()


def test_an_own_zip_is_opened_and_a_broken_file_costs_a_sentence(page: Page, tmp_path: Path) -> None:
    files = {"p_FLAIR.nii": head(1), "p_T1.nii": head(2), "p_lesions.nii": mask()}
    own, broken = tmp_path / "study.zip", tmp_path / "broken_T1.nii"
    own.write_bytes(zipped(files))
    broken.write_bytes(files["p_T1.nii"][:900])
    expected = xc.read_case(own).digest
    upload = page.locator('input[type="file"]').first
    upload.set_input_files(str(own))
    page.wait_for_function(OF_CASE, arg=expected, polling=400)
    settled(page)
    assert digest(page) == expected
    upload.set_input_files(str(broken))
    page.wait_for_selector('[data-testid="stAlertContentError"]')
    assert len(page.locator('[data-testid="stAlertContentError"]').first.inner_text()) > 20
    assert digest(page) == expected
