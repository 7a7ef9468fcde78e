"""What is explained in the benchmark: torchvision's networks of the matrix at their own size, and a 3-D U-Net on a brain's volume."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from tests.networks import BIG, smooth, whole
from tests.oracles.study_unet import Block

SIDE = {"resnet18": 224, "vgg16": 224, "densenet121": 224, "inception_v3": 299}
UNET = "unet3d"
VOLUME = (1, 6, 19, 192, 192)


class WideUNet(nn.Module):
    """Three levels of twice convolution, batch norm and leaky ReLU, the first ``width`` wide; the lesion's logit a voxel."""

    def __init__(self, channels: int = 6, width: int = 16, labels: int = 2) -> None:
        super().__init__()
        a, b, c = width, 2 * width, 4 * width
        self.down1, self.down2, self.bottom = Block("1", channels, a, a), Block("2", a, b, b), Block("3", b, c, c)
        self.up2, self.up1 = nn.ConvTranspose3d(c, b, 2, stride=2), nn.ConvTranspose3d(b, a, 2, stride=2)
        self.join2, self.join1 = Block("2b", 2 * b, b, b), Block("1b", 2 * a, a, a)
        self.pool, self.head = nn.MaxPool3d(2, ceil_mode=True), nn.Conv3d(a, labels, 1)

    def forward(self, x: Tensor) -> Tensor:
        h1 = self.down1(x)
        h2 = self.down2(self.pool(h1))
        x = self.up2(self.bottom(self.pool(h2)))[:, :, : h2.shape[2]]
        x = self.join2(torch.cat([h2, x], 1))
        x = self.up1(x)[:, :, : h1.shape[2]]
        return self.head(self.join1(torch.cat([h1, x], 1)))


def film_network(name: str) -> tuple[nn.Module, Tensor]:
    """A torchvision network with random weights, statistics settled, and an image of its own input size."""
    side = SIDE[name]
    return whole(name, min(side, 128)), smooth(1, 3, side, side, seed=7)


def unet() -> tuple[nn.Module, Tensor]:
    """The U-Net with random weights and a volume of six modalities."""
    torch.manual_seed(0)
    return WideUNet().eval(), smooth(*VOLUME, seed=7)


NETWORKS: dict[str, Callable[[], tuple[nn.Module, Tensor]]] = {
    **{name: partial(film_network, name) for name in BIG},
    UNET: unet,
}
