"""The reference arrays of other people's code as torch tensors and plain modules (``data/reference/*/README.md``)."""

from __future__ import annotations

import functools
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from tests.oracles.study_unet import StudyUNet


@functools.lru_cache(maxsize=8)
def arrays(path: Path) -> dict[str, Tensor]:
    return load_file(str(path))


def loaded(module: nn.Module, stored: dict[str, Tensor], prefix: str) -> nn.Module:
    """``module`` in float64 and eval mode with the weights stored under ``prefix``."""
    state = {key.removeprefix(prefix): value for key, value in stored.items() if key.startswith(prefix)}
    missing = module.load_state_dict(state, strict=False)
    assert not missing.unexpected_keys, missing
    assert all(key.endswith("num_batches_tracked") for key in missing.missing_keys), missing
    return module.double().eval()


# --- relative attributing propagation ----------------------------------------------------------------------


class Vgg(nn.Module):
    """``vgg_rgb`` and ``vgg_gray`` of the reference."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(channels, 8, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 12, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(12, 16, 3, stride=2, padding=1),
            nn.ReLU(),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(2)
        self.classifier = nn.Sequential(nn.Linear(64, 24), nn.ReLU(), nn.Dropout(), nn.Linear(24, 10))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


class Bottleneck(nn.Module):
    def __init__(self, enter: int, middle: int, leave: int, stride: int, down: bool) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(enter, middle, 1, bias=False), nn.BatchNorm2d(middle)
        self.conv2 = nn.Conv2d(middle, middle, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(middle)
        self.conv3, self.bn3 = nn.Conv2d(middle, leave, 1, bias=False), nn.BatchNorm2d(leave)
        self.relu = nn.ReLU()
        self.downsample = None
        if down:
            self.downsample = nn.Sequential(nn.Conv2d(enter, leave, 1, stride, bias=False), nn.BatchNorm2d(leave))

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return self.relu(out + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    """``resnet_rgb`` of the reference."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.relu, self.maxpool = nn.ReLU(), nn.MaxPool2d(2)
        self.block1 = Bottleneck(8, 4, 16, 1, True)
        self.block2 = Bottleneck(16, 4, 16, 1, False)
        self.block3 = Bottleneck(16, 8, 32, 2, True)
        self.avgpool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.block3(self.block2(self.block1(x)))
        return self.fc(torch.flatten(self.avgpool(x), 1))


def rap_network(name: str, stored: dict[str, Tensor]) -> nn.Module:
    module = ResNet() if name.startswith("resnet") else Vgg(3 if name == "vgg_rgb" else 1)
    return loaded(module, stored, f"{name}/weight/")


# --- LRP toolbox -------------------------------------------------------------------------------------------


class SumPool(nn.Module):
    """2 x 2, stride 2: the sum of the window times 1/2."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(x) * 2.0


def toolbox_network(name: str, stored: dict[str, Tensor]) -> nn.Module:
    if name == "relu_cnn":
        shapes = ((1, 8, 5), (8, 16, 5), (16, 48, 4), (48, 10, 1))
        layers: list[nn.Module] = []
        for index, (enter, leave, kernel) in enumerate(shapes):
            conv = nn.Conv2d(enter, leave, kernel)
            conv.weight.data = stored[f"{name}/conv{index}/weight"].permute(3, 2, 0, 1).contiguous()
            conv.bias.data = stored[f"{name}/conv{index}/bias"]
            layers += [conv, nn.ReLU(), SumPool()] if index < 3 else [conv, nn.Flatten()]
        return nn.Sequential(*layers).double().eval()
    layers = []
    for index in range(3):
        weight = stored[f"{name}/linear{index}/weight"]
        linear = nn.Linear(*weight.shape)
        linear.weight.data, linear.bias.data = weight.T.contiguous(), stored[f"{name}/linear{index}/bias"]
        layers += [linear, nn.Tanh()]
    return nn.Sequential(*layers[:-1]).double().eval()


def toolbox_input(name: str, stored: dict[str, Tensor]) -> Tensor:
    if name == "xor":
        return stored["xor/input"].double()
    digits = stored["digits"].double() / 127.5 - 1
    if name == "tanh_mlp":
        return digits.reshape(20, -1)
    return torch.nn.functional.pad(digits[:, None], (2, 2, 2, 2), value=-1.0)


# --- iNNvestigate ------------------------------------------------------------------------------------------

INNVESTIGATE_LAYERS = ("Dense", "Dense_relu", "Conv2D", "Conv2D_relu")


def innvestigate_network(analyzer: str, layer: str, stored: dict[str, Tensor]) -> nn.Module:
    """The one-layer network with its output flattened in H, W, C order, so that index and array agree."""
    weight, bias = stored[f"{analyzer}/{layer}/weight"], stored[f"{analyzer}/{layer}/bias"]
    if layer.startswith("Dense"):  # a fully connected map of the channels at each position
        conv = nn.Conv2d(3, 5, 1)
        conv.weight.data = weight.T[:, :, None, None].contiguous()
    else:
        conv = nn.Conv2d(3, 5, 3)
        conv.weight.data = weight.permute(3, 2, 0, 1).contiguous()
    conv.bias.data = bias
    relu = [nn.ReLU()] if layer.endswith("relu") else []
    return nn.Sequential(conv, *relu, ChannelsLast(), nn.Flatten()).double().eval()


class ChannelsLast(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1)


# --- study U-Net -------------------------------------------------------------------------------------------


def study_network(name: str, stored: dict[str, Tensor]) -> StudyUNet:
    return loaded(StudyUNet(), stored, f"{name}/weight/")
