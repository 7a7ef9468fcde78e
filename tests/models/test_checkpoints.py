"""Files of weights are read as tensors and nothing runs; what does not fit says how."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import xai_core as xc
from xai_core.errors import ModelError
from xai_core.models.adding import differences, looked_at
from xai_core.models.checkpoints import read_checkpoint
from xai_core.models.fitting import filled, fit
from xai_core.models.shelf import card_of


class Writes:
    """A pickle that creates a file as it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


class Calls:
    """A pickle that runs a command as it is read."""

    def __init__(self, path: Path) -> None:
        self.command = f"touch {path}"

    def __reduce__(self):
        import os

        return os.system, (self.command,)


def net(labels: int = 3) -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4, labels))


def lung_card(labels: tuple[str, ...] = ("Lungs",), **more: object):
    table = {"name": "small", "architecture": "lung-unet", "task": "segmentation", "labels": labels}
    return card_of({**table, "input": {"size": [32, 32]}, **more})


@pytest.mark.parametrize("harm", [Writes, Calls])
@pytest.mark.parametrize("place", ["alone", "beside"])
@pytest.mark.parametrize("is_zip", [True, False])
def test_a_malicious_pickle_is_refused_and_does_not_run(harm, place: str, is_zip: bool, tmp_path: Path) -> None:
    mark, file = tmp_path / "it-ran", tmp_path / "weights.pth"
    content = harm(mark) if place == "alone" else {"state_dict": net().state_dict(), "epoch": harm(mark)}
    torch.save(content, file, _use_new_zipfile_serialization=is_zip)
    with pytest.raises(ModelError, match="not opened") as refused:
        read_checkpoint(file)
    assert "safetensors" in refused.value.remedy
    assert "run" in refused.value.sentence
    assert not mark.exists()


def test_a_plain_malicious_pickle_is_refused_too(tmp_path: Path) -> None:
    mark, file = tmp_path / "it-ran", tmp_path / "weights.pkl"
    file.write_bytes(pickle.dumps(Calls(mark)))
    with pytest.raises(ModelError):
        looked_at(file, labels=["a"])
    with pytest.raises(ModelError):
        differences(file, "weights.pkl", "resnet18")
    assert not mark.exists()


@pytest.mark.parametrize("inside", ["state_dict", "model_state_dict", "model", ""])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.module."])
def test_weights_are_found_inside_what_trainers_save(inside: str, prefix: str, tmp_path: Path) -> None:
    state = net().state_dict()
    wrapped = {f"{prefix}{key}": value for key, value in state.items()}
    torch.save({inside: wrapped, "epoch": 7, "lr": 0.1} if inside else wrapped, tmp_path / "w.pt")
    found = read_checkpoint(tmp_path / "w.pt")
    assert list(found.state) == list(state)
    assert all(torch.equal(found.state[key], state[key]) for key in state)
    assert found.extras == ({"epoch": 7, "lr": 0.1} if inside else {})


def test_safetensors_are_told_by_their_beginning_whatever_the_name(tmp_path: Path) -> None:
    state = net().state_dict()
    save_file(state, tmp_path / "weights.bin")
    assert read_checkpoint(tmp_path / "weights.bin").state.keys() == state.keys()
    assert read_checkpoint(io.BytesIO((tmp_path / "weights.bin").read_bytes())).state.keys() == state.keys()


def test_a_whole_pickled_network_gives_its_weights_without_its_code(tmp_path: Path) -> None:
    module = nn.DataParallel(net())
    torch.save(module, tmp_path / "whole.pt")
    found = read_checkpoint(tmp_path / "whole.pt")
    wanted = module.module.state_dict()
    assert list(found.state) == list(wanted)
    assert all(torch.equal(found.state[key], wanted[key]) for key in wanted)


def test_a_whole_network_of_an_old_pytorch_is_refused_with_a_way_out(tmp_path: Path) -> None:
    torch.save(net(), tmp_path / "whole.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(ModelError, match=r"before 1\.6") as refused:
        read_checkpoint(tmp_path / "whole.pt")
    assert "state_dict" in refused.value.remedy


def test_a_network_of_an_unknown_class_is_refused(tmp_path: Path) -> None:
    class Wild(nn.Module):
        pass

    Wild.__module__, Wild.__qualname__ = __name__, "Wild"
    globals()["Wild"] = Wild
    try:
        torch.save(Wild(), tmp_path / "wild.pt")
    finally:
        del globals()["Wild"]
    with pytest.raises(ModelError, match="Wild"):
        read_checkpoint(tmp_path / "wild.pt")


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04 no archive", b"\x80\x02}q\x00.", b"{}" * 40, (10**6).to_bytes(8, "little") + b"{" * 40],
)
def test_what_is_no_file_of_weights_costs_a_sentence(content: bytes) -> None:
    with pytest.raises(ModelError) as refused:
        read_checkpoint(io.BytesIO(content), "odd.pt")
    assert refused.value.sentence.startswith("'odd.pt'")
    assert refused.value.remedy


def test_the_first_differences_are_listed() -> None:
    card = lung_card()
    module = xc.load_model("cxr-lungs", "cpu").module
    state = dict(module.state_dict())
    state["head.weight"] = state["head.weight"][:, :5]
    state["foreign.weight"] = torch.zeros(1)
    for key in [key for key in state if key.startswith("up.0.")]:
        del state[key]
    found = fit(module, state)
    needed = [key for key in module.state_dict() if key.startswith("up.0.") and "tracked" not in key]
    assert found.missing == tuple(needed)
    assert found.unexpected == ("foreign.weight",)
    assert [key for key, _, _ in found.shapes] == ["head.weight"]
    with pytest.raises(ModelError) as refused:
        filled(card, state)
    for word in (f"{len(needed)} lacking", *needed[:3], "foreign.weight", "head.weight: 1x5x1x1 instead of 1x24x1x1"):
        assert word in refused.value.sentence
    assert needed[3] not in refused.value.sentence


@pytest.mark.parametrize("count", [1, 5])
def test_a_wrong_number_of_labels_names_both_numbers(count: int, tmp_path: Path) -> None:
    import torchvision

    state = torchvision.models.resnet18(num_classes=3).state_dict()
    torch.save(state, tmp_path / "r.pth")
    labels = [f"label {number}" for number in range(count)]
    with pytest.raises(ModelError, match=rf"3 outputs, and {count} labels"):
        looked_at(tmp_path / "r.pth", labels=labels)
    card = card_of({"name": "r", "architecture": "resnet18", "labels": labels, "input": {"size": [64, 64], "channels": 3,
                    "repeat": True}})  # fmt: skip
    with pytest.raises(ModelError, match=rf"3 outputs, its card names {count} labels"):
        filled(card, state)


def test_weights_that_are_no_numbers_are_refused() -> None:
    state = {key: value.clone() for key, value in xc.load_model("cxr-lungs", "cpu").module.state_dict().items()}
    state["stem.0.weight"][0, 0, 0, 0] = float("nan")
    with pytest.raises(ModelError, match="no numbers"):
        filled(lung_card(), state)
