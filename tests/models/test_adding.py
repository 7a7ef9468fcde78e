"""One's own models: folders, programs and entry points; added by the command, listed, loaded, explained."""

from __future__ import annotations

import io
import json
import zipfile
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import xai_core as xc
from tests.networks import Plain, randomised
from tests.small_models import film
from xai_core import __main__ as command_line
from xai_core.errors import ModelError, UnsupportedOperationError
from xai_core.explainers.registry import explainers
from xai_core.models import plugins
from xai_core.models.adding import added, looked_at, trial
from xai_core.models.networks.small_cnns import vgg_bn5
from xai_core.models.shelf import card_of

SIDE = 24
QUICK = {"rise": {"masks": 8}, "lime": {"samples": 20}, "kernel-shap": {"samples": 40}, "occlusion": {"window": 12}}


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIGHTBOX_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def plain() -> nn.Module:
    return randomised(Plain(2, 1, 3))


def traced() -> bytes:
    content = io.BytesIO()
    torch.jit.save(torch.jit.trace(plain(), torch.rand(1, 1, SIDE, SIDE)), content)
    return content.getvalue()


def exported() -> bytes:
    content = io.BytesIO()
    example = torch.rand(2, 1, SIDE, SIDE)
    program = torch.export.export(plain(), (example,), dynamic_shapes=({0: torch.export.Dim("n")},))
    torch.export.save(program, content)
    return content.getvalue()


PROGRAMS = {"torchscript": traced, "exported": exported}


def program(kind: str):
    more = {"input": {"size": [SIDE, SIDE]}}
    return looked_at(PROGRAMS[kind](), "net.bin", architecture=kind, labels=["a", "b", "c"], more=more)


@pytest.mark.parametrize("kind", PROGRAMS)
def test_a_program_answers_as_its_network_and_only_black_boxes_explain_it(kind: str) -> None:
    found = program(kind)
    assert trial(found) == (3,)
    folder = added(found)
    model = xc.load_model(folder, "cpu")
    x = torch.rand(3, 1, SIDE, SIDE)
    torch.testing.assert_close(model.module(x), plain()(x))
    for name, info in explainers().items():
        if 2 not in info.dims:
            continue
        if info.black_box:
            map_ = xc.explain(model, film(SIDE), explainer=name, target="b", **QUICK[name]).map
            assert map_.shape == (1, SIDE, SIDE)
            assert float(abs(map_).max()) > 0
        else:
            with pytest.raises(UnsupportedOperationError, match="program") as refused:
                xc.explain(model, film(SIDE), explainer=name, target="b")
            assert "occlusion" in refused.value.remedy


def test_occlusion_of_a_program_is_that_of_its_network() -> None:
    added(program("exported"))
    x = torch.rand(1, 1, SIDE, SIDE)
    wanted = xc.attribute(plain(), x, explainer="occlusion", target=1).relevance
    got = xc.attribute(xc.load_model("net", "cpu").module, x, explainer="occlusion", target=1).relevance
    torch.testing.assert_close(got, wanted, rtol=1e-3, atol=1e-5)


class OneAtATime(nn.Module):
    """Flattens as if there were never more than one image."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.view(1, 4 * 4) @ torch.linspace(-1, 1, 32).view(16, 2)


def test_a_program_made_for_one_image_is_run_image_by_image() -> None:
    content = io.BytesIO()
    torch.jit.save(torch.jit.trace(OneAtATime(), torch.rand(1, 1, 4, 4)), content)
    found = looked_at(
        content.getvalue(), "one.pt", architecture="torchscript", labels=["a", "b"], more={"input": {"size": [4, 4]}}
    )
    x = torch.rand(3, 1, 4, 4)
    torch.testing.assert_close(found.module(x), torch.cat([OneAtATime()(one) for one in x.split(1)]))


class Leaves(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch.save(x, "left-behind.pt")
        return x


def test_a_script_that_writes_a_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.jit.script(Leaves()).save("leaves.pt")
    with pytest.raises(ModelError, match="save"):
        looked_at(Path("leaves.pt"), architecture="torchscript", labels=["a"])
    assert not Path("left-behind.pt").exists()


def changed(content: bytes, ending: str, old: str, new: str) -> bytes:
    """The archive with a text of one member replaced."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name.endswith(ending):
                assert old.encode() in data
                data = data.replace(old.encode(), new.encode())
            target.writestr(name, data)
    return out.getvalue()


@pytest.mark.parametrize(
    ("ending", "old", "new"),
    [
        ("models/model.json", "torch.ops.aten.relu.default", "torch.os.system"),
        ("models/model.json", "torch.ops.aten.relu.default", "torch.ops.aten.from_file.default"),
        ("model_weights_config.json", '"use_pickle": false', '"use_pickle": true'),
        ("models/model.json", '"graph_module"', '"something"'),
    ],
)
def test_an_exported_program_that_asks_for_more_than_tensors_is_refused(ending: str, old: str, new: str) -> None:
    with pytest.raises(ModelError):
        looked_at(changed(exported(), ending, old, new), "net.pt2", architecture="exported", labels=["a", "b", "c"])


def test_a_program_says_what_it_lacks() -> None:
    with pytest.raises(ModelError, match="outputs mean"):
        looked_at(traced(), "net.pt", architecture="torchscript")
    with pytest.raises(ModelError, match="3 outputs, its card names 2 labels"):
        trial(looked_at(traced(), "net.pt", architecture="torchscript", labels=["a", "b"],
                        more={"input": {"size": [SIDE, SIDE]}}))  # fmt: skip
    more = {"input": {"size": [SIDE, SIDE], "channels": 3, "repeat": True}}
    with pytest.raises(ModelError, match="does not run"):
        trial(looked_at(traced(), "net.pt", architecture="torchscript", labels=list("abc"), more=more))
    with pytest.raises(ModelError, match="no TorchScript"):
        looked_at(b"nothing", "net.pt", architecture="torchscript", labels=["a"])


def small_file(tmp_path: Path) -> Path:
    card = card_of({"name": "small", "architecture": "vgg-bn5", "labels": ["x"], "input": {"size": [150, 150]}})
    torch.save(randomised(vgg_bn5(card)).state_dict(), tmp_path / "My net, (v2).pth")
    return tmp_path / "My net, (v2).pth"


def test_the_command_adds_a_model_that_is_listed_and_loaded(tmp_path: Path, own_folder: Path) -> None:
    file = small_file(tmp_path)
    found = CliRunner().invoke(command_line.app, ["weights", "add", str(file), "--labels", "effusion", "--json"])
    assert found.exit_code == 0, found.output
    row = json.loads(found.output)
    assert (row["name"], row["loader"], row["output"]) == ("my-net-v2", "vgg-bn5", [1])
    assert {path.name for path in (own_folder / "my-net-v2").iterdir()} == {"card.toml", "my-net-v2.safetensors"}
    assert "my-net-v2" in [card.name for card in xc.models()]
    model = xc.load_model("my-net-v2", "cpu")
    assert model.card.labels == ("effusion",)
    e = xc.explain(model, film(64), explainer="gradient", target="effusion")
    assert e.map.shape == (1, 64, 64)


def test_a_name_is_taken_once_and_never_a_path(tmp_path: Path, own_folder: Path) -> None:
    file = small_file(tmp_path)
    folder = added(looked_at(file, labels=["x"], name="../../etc/passwd"))
    assert folder.parent == own_folder
    assert folder.name == "etc-passwd"
    with pytest.raises(ModelError, match="already"):
        added(looked_at(file, labels=["x"], name="etc passwd"))
    with pytest.raises(ModelError, match="already"):
        added(looked_at(file, labels=["x"], name="cxr-resnet18"))
    assert [path.name for path in own_folder.iterdir()] == ["etc-passwd"]


def test_a_broken_folder_is_left_out_of_the_list_and_loading_it_says_why(own_folder: Path) -> None:
    (own_folder / "bad").mkdir(parents=True)
    (own_folder / "bad" / "card.toml").write_text("labels = 3")
    assert "bad" not in [card.name for card in xc.models()]
    with pytest.raises(ModelError, match="bad"):
        xc.load_model("bad")


def provider() -> tuple[dict[str, object], nn.Module]:
    return {"labels": ["a", "b", "c"], "input": {"size": [SIDE, SIDE]}}, plain()


def failing() -> None:
    raise OSError("no disk")


def test_a_package_brings_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [EntryPoint(name, f"tests.models.test_adding:{name}", plugins.GROUP) for name in ("provider", "failing")]
    monkeypatch.setattr(plugins, "entry_points", lambda group: entries if group == plugins.GROUP else [])
    names = [card.name for card in xc.models()]
    assert "provider" in names
    assert "failing" not in names
    model = xc.load_model("provider", "cpu")
    x = torch.rand(1, 1, SIDE, SIDE)
    torch.testing.assert_close(model.module(x), plain()(x))
    assert len(model.weights_digest) == 64
    assert xc.explain(model, film(SIDE), explainer="lrp-epsilon", target="a").map.shape == (1, SIDE, SIDE)
    with pytest.raises(ModelError, match="no disk"):
        xc.load_model("failing")
