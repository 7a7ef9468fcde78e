"""Loaders on files of exactly the layout that their publishers chose, against the libraries that made the layout."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from monai.networks.nets import DenseNet121, UNet
from torch import nn

import xai_core as xc
from tests.networks import randomised, smooth
from xai_core.case import Case, Geometry
from xai_core.models import Model
from xai_core.models.adding import looked_at, trial
from xai_core.models.card_text import table_of, toml_table
from xai_core.models.loaders import loaders
from xai_core.models.loaders.chexnet import LABELS as CHEXNET_LABELS
from xai_core.models.loaders.xrayvision import LABELS as XRV_LABELS
from xai_core.models.shelf import card_of

OLD = re.compile(r"(denselayer\d+\.)(norm|conv)(\d)")


def densenet(labels: int, channels: int = 3) -> nn.Module:
    module = torchvision.models.densenet121(num_classes=labels)
    if channels != 3:
        module.features.conv0 = nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
    return randomised(module)


def published_chexnet(path: Path, oracle: nn.Module) -> None:
    """As arnoweng/CheXNet saved it in 2017: DataParallel, ``norm.1``, no counters of batches, PyTorch's old format."""
    state = {}
    for key, value in oracle.state_dict().items():
        if key.endswith("num_batches_tracked"):
            continue
        old = OLD.sub(r"\1\2.\3", key).replace("classifier.", "classifier.0.")
        state[f"module.densenet121.{old}"] = value
    assert any(".norm.1." in key for key in state)
    content = {"epoch": 6, "arch": "DENSE-NET-121", "state_dict": state, "best_loss": 0.15, "optimizer": {"state": {}}}
    torch.save(content, path, _use_new_zipfile_serialization=False)


def test_chexnet_as_published(tmp_path: Path) -> None:
    oracle, file = densenet(14), tmp_path / "model.pth.tar"
    published_chexnet(file, oracle)
    found = looked_at(file)
    assert found.loader == "chexnet"
    assert found.card.labels == CHEXNET_LABELS
    x = smooth(2, 3, 64, 64)
    with torch.no_grad():
        published = nn.Sequential(oracle, nn.Sigmoid())(x)
        torch.testing.assert_close(found.module(x).sigmoid(), published)
    assert float(found.module(x).min()) < 0


def test_chexnet_sees_a_film_as_torchvision_prepares_it(tmp_path: Path) -> None:
    file = tmp_path / "model.pth.tar"
    published_chexnet(file, densenet(14))
    card = looked_at(file).card
    pixels = (np.indices((320, 400)).sum(0) * 255 / 718).astype(np.uint8)
    from PIL import Image

    recipe = torchvision.transforms.Compose(
        [
            torchvision.transforms.Resize(256),
            torchvision.transforms.CenterCrop(224),
            torchvision.transforms.ToTensor(),
            torchvision.transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    wanted = recipe(Image.fromarray(pixels).convert("RGB"))
    film = Case("film", ("film",), pixels[None], Geometry(), {"bits": 8}, "digest")
    got = Model(card, nn.Identity(), "cpu", "digest").prepare(film).tensor[0]
    # 1/255 of grey is 0.017 here; the library rounds to whole grey values after resizing
    assert float((got - wanted).abs().max()) < 0.03
    low, high = card.input.bounds
    assert (low, high) == pytest.approx((-0.485 / 0.229, (1 - 0.406) / 0.225))


@pytest.fixture
def xrv():
    """A package of torchxrayvision's name whose DenseNet is torchvision's, gone after the test."""
    package, models = types.ModuleType("torchxrayvision"), types.ModuleType("torchxrayvision.models")

    class DenseNet(torchvision.models.DenseNet):
        op_threshs = None

    DenseNet.__module__, DenseNet.__qualname__ = "torchxrayvision.models", "DenseNet"
    models.DenseNet, package.models = DenseNet, models  # type: ignore[attr-defined]
    sys.modules |= {"torchxrayvision": package, "torchxrayvision.models": models}
    yield DenseNet
    del sys.modules["torchxrayvision"], sys.modules["torchxrayvision.models"]


def test_torchxrayvision_as_a_whole_pickled_network(xrv, tmp_path: Path) -> None:
    oracle = xrv(32, (6, 12, 24, 16), 64, num_classes=18)
    oracle.features.conv0 = nn.Conv2d(1, 64, 7, 2, 3, bias=False)
    randomised(oracle)
    thresholds = [0.05 * (number + 1) for number in range(17)] + [float("nan")]
    oracle.op_threshs = thresholds
    torch.save(oracle, tmp_path / "best.pt")
    found = looked_at(tmp_path / "best.pt")
    assert found.loader == "torchxrayvision-densenet121"
    assert found.card.labels == XRV_LABELS
    assert found.card.thresholds == pytest.approx(dict(zip(XRV_LABELS[:17], thresholds, strict=False)))
    x = smooth(2, 1, 64, 64) * 500
    with torch.no_grad():
        torch.testing.assert_close(found.module(x), oracle(x))


def test_torchxrayvision_as_a_state_dict_with_its_thresholds(tmp_path: Path) -> None:
    oracle = densenet(18, channels=1)
    stored = torch.linspace(0.01, 0.4, 18)
    torch.save({**oracle.state_dict(), "op_threshs": stored}, tmp_path / "w.pt")
    card = looked_at(tmp_path / "w.pt").card
    assert list(card.thresholds.values()) == pytest.approx(stored.tolist())
    pixels = np.linspace(0, 255, 300 * 200).reshape(300, 200).astype(np.uint8)
    film = Case("film", ("film",), pixels[None], Geometry(), {"bits": 8}, "digest")
    got = Model(card, nn.Identity(), "cpu", "digest").prepare(film)
    assert got.tensor.shape == (1, 1, 224, 224)
    # the middle square of 200 rows, in torchxrayvision's range: (2 v / 255 - 1) 1024
    rows = (2 * pixels[50:250].astype(float) / 255 - 1) * 1024
    assert float(got.tensor.mean()) == pytest.approx(rows.mean(), abs=2)
    assert -1024 <= float(got.tensor.min()) < float(got.tensor.max()) <= 1024


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "densenet121", "inception_v3"])
def test_imagenet_weights_of_torchvision(name: str, tmp_path: Path) -> None:
    options = {"init_weights": False} if name == "inception_v3" else {}
    oracle = randomised(getattr(torchvision.models, name)(weights=None, **options))
    torch.save(oracle.state_dict(), tmp_path / "w.pth")
    found = looked_at(tmp_path / "w.pth")
    weights = torchvision.models.get_model_weights(name).IMAGENET1K_V1
    recipe = weights.transforms()
    assert found.loader == name
    assert found.card.labels[:3] == tuple(weights.meta["categories"][:3])
    assert len(set(found.card.labels)) == 1000
    assert found.card.input.size == (recipe.crop_size[0],) * 2
    assert 1 + 2 * found.card.input.margin == pytest.approx(recipe.crop_size[0] / recipe.resize_size[0])
    assert found.card.target_layer in dict(found.module.named_modules())
    side = 96
    x = torch.rand(1, 3, side, side)
    with torch.no_grad():
        if name == "inception_v3":  # the library's published weights come with this switch on
            oracle.transform_input = True
        theirs = oracle((x - torch.tensor(recipe.mean)[:, None, None]) / torch.tensor(recipe.std)[:, None, None])
        mean, std = (torch.tensor(values)[:, None, None] for values in (found.card.input.mean, found.card.input.std))
        ours = found.module((x - mean) / std)
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)


def test_anyones_resnet_keeps_its_channels_and_labels(tmp_path: Path) -> None:
    module = torchvision.models.resnet18(num_classes=2)
    module.conv1 = nn.Conv2d(1, 64, 7, 2, 3, bias=False)
    randomised(module)
    half = {key: value.half() if value.is_floating_point() else value for key, value in module.state_dict().items()}
    torch.save(half, tmp_path / "w.pth")
    found = looked_at(tmp_path / "w.pth", labels=["no", "yes"])
    assert (found.card.labels, found.card.input.channels, found.card.input.mean) == (("no", "yes"), 1, ())
    assert trial(found) == (2,)
    x = smooth(1, 1, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(found.module(x), module.half().float()(x))


def test_monai_densenet(tmp_path: Path) -> None:
    oracle = randomised(DenseNet121(spatial_dims=2, in_channels=1, out_channels=6))
    torch.save(oracle.state_dict(), tmp_path / "model.pt")
    found = looked_at(tmp_path / "model.pt", labels=list("abcdef"))
    assert found.loader == "monai-densenet121"
    x = smooth(1, 1, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(found.module(x), oracle(x))


def test_a_monai_densenet_of_volumes_is_refused_with_a_way_out(tmp_path: Path) -> None:
    state = DenseNet121(spatial_dims=3, in_channels=1, out_channels=2).state_dict()
    torch.save(state, tmp_path / "model.pt")
    with pytest.raises(xc.LightboxError, match="volumes"):
        looked_at(tmp_path / "model.pt", labels=["a", "b"])


@pytest.mark.parametrize(
    "options",
    [
        {"spatial_dims": 3, "channels": (8, 16, 32), "strides": (2, 2), "num_res_units": 2},
        {"spatial_dims": 3, "channels": (4, 8, 16, 32), "strides": (2, 2, 2), "num_res_units": 2, "norm": "batch"},
        {"spatial_dims": 3, "channels": (4, 8, 16), "strides": (2, 2), "num_res_units": 0, "act": "relu"},
        {"spatial_dims": 2, "channels": (4, 8), "strides": (2,), "num_res_units": 1, "kernel_size": 5},
        {"spatial_dims": 2, "channels": (4, 8, 8), "strides": (2, 2), "num_res_units": 3, "up_kernel_size": 5},
    ],
)
def test_monai_unet(options: dict, tmp_path: Path) -> None:
    oracle = randomised(UNet(in_channels=1, out_channels=2, **options))
    torch.save(oracle.state_dict(), tmp_path / "model.pt")
    found = looked_at(tmp_path / "model.pt", labels=["background", "spleen"], settings={"side": 32})
    assert found.loader == "monai-unet"
    x = smooth(1, 1, *[32] * options["spatial_dims"])
    with torch.no_grad():
        torch.testing.assert_close(found.module(x), oracle(x), rtol=1e-4, atol=1e-4)
    assert trial(found) == (2, *[32] * options["spatial_dims"])


def test_a_loader_that_does_not_fit_says_which_keys_it_saw(tmp_path: Path) -> None:
    torch.save(torchvision.models.resnet18().state_dict(), tmp_path / "w.pth")
    with pytest.raises(xc.LightboxError) as refused:
        looked_at(tmp_path / "w.pth", architecture="monai-densenet121")
    assert "conv1.weight" in refused.value.remedy
    with pytest.raises(xc.LightboxError, match="chexnet"):
        looked_at(tmp_path / "w.pth", architecture="chex-net")


def test_unknown_layouts_name_their_first_keys(tmp_path: Path) -> None:
    torch.save({"encoder.layer.0.weight": torch.zeros(3, 3)}, tmp_path / "w.pth")
    with pytest.raises(xc.LightboxError, match=r"encoder\.layer\.0\.weight"):
        looked_at(tmp_path / "w.pth")


@pytest.mark.parametrize("name", sorted(loaders()))
def test_every_loader_says_what_it_is(name: str) -> None:
    found = loaders()[name]
    assert found.title
    assert found.source
    assert all(parameter.help for parameter in found.parameters)


def test_a_card_comes_back_from_its_toml(tmp_path: Path) -> None:
    published_chexnet(tmp_path / "model.pth.tar", densenet(14))
    card = looked_at(tmp_path / "model.pth.tar", more={"title": 'A "quoted" \\ title\nof two lines'}).card
    import tomllib

    again = card_of({**tomllib.loads(toml_table("", table_of(card))), "name": card.name})
    assert again == card
