"""The columns of the matrix: unmodified networks with seeded weights, and published checkpoints where they are at hand.

A fresh network explains nothing: some heads start at zero, layer scales at 1e-6, batch norms at mean 0 and variance 1
(where activations grow or vanish with depth). So parameters that start constant are drawn, and running statistics
are settled on a few batches of smooth noise; layers, wiring and code are what their authors published.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tests.matrix.checkpoints import brain_cnn, covid_mobilenet, meshnet, tiny_vgg, vgg_bn
from tests.networks import PaddedUNet, smooth

Norms = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


@dataclass(frozen=True)
class Network:
    """One column. ``make``: a network in eval mode; ``shape`` (1, C, *space) of its input; ``range``: None for noise of both signs."""

    name: str
    short: str
    make: Callable[[], nn.Module]
    shape: tuple[int, ...]
    range: tuple[float, float] | None = None

    @property
    def dims(self) -> int:
        return len(self.shape) - 2

    def input(self, side: int | None = None) -> Tensor:
        """The image that is explained; ``side`` instead of every side of its space."""
        shape = self.shape if side is None else (*self.shape[:2], *[side] * self.dims)
        x = smooth(*shape, seed=7)
        if self.range is None:
            return x
        low, high = self.range
        return low + (high - low) * torch.sigmoid(x)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Torch's global generator at ``seed``, and where it was afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def lively(module: nn.Module, shape: tuple[int, ...], seed: int = 0) -> nn.Module:
    """``module`` in eval mode: parameters that start constant are drawn, running statistics settled on inputs of ``shape``."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        start = parameter.detach().reshape(-1)
        if start.numel() == 0 or not bool((start == start[0]).all()):
            continue
        with torch.no_grad():
            if float(start[0]) != 0:  # scales of norms and of layers
                parameter.uniform_(0.5, 1.5, generator=generator)
            elif parameter.ndim == 1:
                parameter.normal_(0, 0.1, generator=generator)
            else:
                parameter.normal_(0, parameter[0].numel() ** -0.5, generator=generator)
    _settle(module, shape)
    return module.eval()


def _settle(module: nn.Module, shape: tuple[int, ...], batches: int = 3) -> None:
    """Running statistics from ``batches`` of smooth noise; nothing else trains, so no dropout and no auxiliary branch."""
    norms = [layer for layer in module.modules() if isinstance(layer, Norms)]
    momenta = [norm.momentum for norm in norms]
    module.eval()
    for norm in norms:
        norm.momentum = None  # the plain mean over batches
        norm.reset_running_stats()
        norm.train()
    with torch.no_grad():
        for batch in range(batches if norms else 0):
            module(smooth(2, *shape[1:], seed=100 + batch))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()


def _seeded(shape: tuple[int, ...], make: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    def made() -> nn.Module:
        with seeded(0):
            module = make()
        return lively(module, shape)

    return made


def _torchvision(name: str) -> nn.Module:
    import torchvision

    options = {"init_weights": True} if name == "inception_v3" else {}
    family = torchvision.models.video if name == "r3d_18" else torchvision.models
    module: nn.Module = getattr(family, name)(weights=None, **options)
    return module


def _timm(name: str) -> nn.Module:
    import timm

    module: nn.Module = timm.create_model(name, pretrained=False)
    return module


def _monai(name: str, **options: object) -> nn.Module:
    import monai.networks.nets

    module: nn.Module = getattr(monai.networks.nets, name)(**options)
    return module


def _monai_unet(norm: str) -> nn.Module:
    return _monai(
        "UNet",
        spatial_dims=3,
        in_channels=2,
        out_channels=3,
        channels=(8, 16, 32),
        strides=(2, 2),
        num_res_units=2,
        norm=norm,
    )


def _column(name: str, short: str, shape: tuple[int, ...], make: Callable[[], nn.Module]) -> Network:
    return Network(name, short, _seeded(shape, make), shape)


def _vision(name: str, short: str, side: int = 64) -> Network:
    return _column(name, short, (1, 3, side, side), lambda: _torchvision(name))


VOLUME = (1, 2, 16, 32, 32)
BRAIN = (1, 1, 16, 32, 32)
MESHNETS = {
    "tissue_gwm_5ch": "Mesh 5",
    "tissue_gwm_11ch": "Mesh 11",
    "tissue_gwm_20ch": "Mesh 20",
    "subcortical_18cls_21ch": "Mesh 18c 21",
    "subcortical_18cls_30ch": "Mesh 18c 30",
    "aparc50_30ch": "Mesh 50c",
    "dk104_21ch": "Mesh 104c",
}


def _mesh(name: str, short: str) -> Network:
    return Network(name, short, lambda: meshnet(name), BRAIN, (0.0, 1.0))


NETWORKS: dict[str, Network] = {
    network.name: network
    for network in (
        _vision("resnet18", "ResNet 18"),
        _vision("resnet34", "ResNet 34"),
        _vision("resnet50", "ResNet 50"),
        _vision("vgg16", "VGG 16"),
        _vision("densenet121", "DenseNet 121"),
        _vision("densenet161", "DenseNet 161"),
        _vision("inception_v3", "Inception v3", 139),
        _column("inception_resnet_v2", "Inception-ResNet v2", (1, 3, 139, 139), lambda: _timm("inception_resnet_v2")),
        _vision("mobilenet_v2", "MobileNet v2"),
        _vision("efficientnet_b0", "EfficientNet b0"),
        _vision("convnext_tiny", "ConvNeXt tiny"),
        _vision("vit_b_16", "ViT b 16", 224),
        Network("tiny_vgg", "tiny VGG", tiny_vgg, (1, 3, 64, 64), (0.0, 1.0)),
        Network("vgg_bn5", "VGG-BN 5", vgg_bn, (1, 1, 150, 150), (0.0, 1.0)),
        Network("covid_mobilenet", "SE-MobileNet", covid_mobilenet, (1, 3, 96, 96), (0.0, 1.0)),
        Network("brain_cnn", "Brain CNN", brain_cnn, (1, 1, 64, 64), (-1.0, 1.0)),
        _column("unet_batch", "UNet batch", VOLUME, lambda: _monai_unet("batch")),
        _column("unet_instance", "UNet instance", VOLUME, lambda: _monai_unet("instance")),
        _column(
            "basic_unet",
            "BasicUNet",
            VOLUME,
            lambda: _monai("BasicUNet", in_channels=2, out_channels=3, features=(8, 8, 16, 16, 32, 8)),
        ),
        _column("padded_unet", "padded U-Net", (1, 2, 15, 21, 22), PaddedUNet),
        _column("r3d_18", "ResNet 3-D 18", (1, 3, 16, 32, 32), lambda: _torchvision("r3d_18")),
        _column(
            "resnet10_3d",
            "ResNet 3-D 10",
            VOLUME,
            lambda: _monai("resnet10", spatial_dims=3, n_input_channels=2, num_classes=4),
        ),
        *(_mesh(name, short) for name, short in MESHNETS.items()),
    )
}
