"""The page "Add a model" as a person uses it: a good file, one that does not fit, one that would run code; kept and listed."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
import torchvision
from streamlit.testing.v1 import AppTest

import xai_core as xc
from tests.models.test_adding import small_file, traced
from tests.models.test_checkpoints import Writes
from tests.pages.conftest import ROOT


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIGHTBOX_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture
def page() -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    return app.switch_page("pages/add_model.py").run()


def given(app: AppTest, name: str, content: bytes) -> AppTest:
    app.file_uploader(key="model-file").upload(name, content, "application/octet-stream").run()
    assert not app.exception, app.exception
    return app


def words(app: AppTest) -> str:
    return "\n".join(part.value for kind in ("markdown", "caption", "error") for part in app.get(kind)).replace(
        "\\", ""
    )


def saved(content: object) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def test_a_file_is_recognised_tried_and_kept(page: AppTest, tmp_path: Path, own_folder: Path) -> None:
    given(page, "../../My net, (v2).pth", small_file(tmp_path).read_bytes())
    shown = words(page)
    for word in ("Pneumonia VGG", "41 matched", "answers 1 in", "my-net-v2"):
        assert word in shown
    page.text_input(key="model-name").set_value("Ward 7 / pneumonia").run()
    page.button(key="keep-model").click().run()
    assert not page.exception
    assert len(page.success) == 1
    assert [path.name for path in own_folder.iterdir()] == ["ward-7-pneumonia"]
    assert "ward-7-pneumonia" in [card.name for card in xc.models()]
    page.button(key="keep-model").click().run()
    assert "already" in words(page)


def test_a_wrong_number_of_labels_names_both_and_can_be_mended(page: AppTest) -> None:
    given(page, "r.pth", saved(torchvision.models.resnet18(num_classes=3).state_dict()))
    assert "3 outputs" in words(page)
    assert page.button(key="keep-model").disabled
    page.text_area(key="model-labels").set_value("a, b").run()
    assert "2 labels" in words(page)
    page.text_area(key="model-labels").set_value("a, b\nc").run()
    assert not page.error
    assert not page.button(key="keep-model").disabled


def test_the_first_differences_are_shown(page: AppTest) -> None:
    state = torchvision.models.resnet18(num_classes=2).state_dict()
    removed = [key for key in state if key.startswith("layer3.0.bn1.") and "tracked" not in key]
    for key in removed:
        del state[key]
    page.text_area(key="model-labels").set_value("a, b").run()
    given(page, "r.pth", saved(state))
    shown = words(page)
    assert f"{len(removed)} lacking" in shown
    assert all(key in shown for key in removed[:3])
    assert page.button(key="keep-model").disabled


def test_a_malicious_file_is_refused_and_does_not_run(page: AppTest, tmp_path: Path) -> None:
    mark = tmp_path / "it-ran"
    given(page, "model.pth", saved({"state_dict": Writes(mark)}))
    assert len(page.error) == 1
    assert "not opened" in words(page)
    assert not mark.exists()


def test_a_program_is_kept_with_its_warning(page: AppTest, own_folder: Path) -> None:
    page.selectbox(key="model-architecture").set_value("torchscript").run()
    page.text_area(key="model-labels").set_value("a, b, c").run()
    page.number_input(key="model-side").set_value(24).run()
    given(page, "net.pt", traced())
    assert not page.error
    assert any("black" in note.value for note in page.info)
    page.button(key="keep-model").click().run()
    assert {path.name for path in (own_folder / "net").iterdir()} == {"card.toml", "net.pt"}
