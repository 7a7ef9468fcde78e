"""The 3-D U-Net rule of the stroke study (Tjoa 2019), text and published code, with its filters, step by step.

A plain copy of the network, so that the walk can be written out layer by layer as
``data/reference/unet3d_filters/README.md`` lists it; semantics sections 5 and 9.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

E = 1e-9


class Block(nn.Module):
    """Twice convolution, batch norm, leaky ReLU of slope 0.2."""

    def __init__(self, name: str, enter: int, middle: int, leave: int) -> None:
        super().__init__()
        self.names = (f"{name}_0", f"{name}_1")
        for part, (before, after) in zip(self.names, ((enter, middle), (middle, leave)), strict=True):
            self.add_module(f"conv_{part}", nn.Conv3d(before, after, 3, padding=1))
            self.add_module(f"bn3d_{part}", nn.BatchNorm3d(after))

    def forward(self, x: Tensor) -> Tensor:
        for part in self.names:
            norm, conv = self.get_submodule(f"bn3d_{part}"), self.get_submodule(f"conv_{part}")
            x = F.leaky_relu(norm(conv(x)), 0.2)
        return x


class StudyUNet(nn.Module):
    """The study's small test configuration: (1, 6, D, H, W) to (1, 2, D, H, W), ReLU at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.cblocks1, self.cblocks2 = Block("1", 6, 3, 4), Block("2", 4, 4, 6)
        self.cblocks3, self.cblocks4 = Block("3", 6, 6, 8), Block("4", 8, 8, 16)
        self.cblocks5, self.cblocks6 = Block("3b", 24, 8, 8), Block("2b", 14, 6, 6)
        self.cblocks7 = Block("1b", 10, 4, 4)
        self.deconv1 = nn.ConvTranspose3d(16, 16, 2, stride=2, bias=False)
        self.deconv2 = nn.ConvTranspose3d(8, 8, 2, stride=2, bias=False)
        self.deconv3 = nn.ConvTranspose3d(6, 6, 2, stride=2, bias=False)
        self.convf, self.bn = nn.Conv3d(4, 2, 1), nn.BatchNorm3d(2)
        self.pool = nn.MaxPool3d(2, stride=2, ceil_mode=True)

    def forward(self, x: Tensor) -> Tensor:
        h1 = self.cblocks1(x)
        h2 = self.cblocks2(self.pool(h1))
        h3 = self.cblocks3(self.pool(h2))
        x = self.cblocks4(self.pool(h3))
        x = self.cblocks5(torch.cat([h3, self.deconv1(x)[:, :, : h3.shape[2]]], 1))
        x = self.cblocks6(torch.cat([h2, self.deconv2(x)[:, :, : h2.shape[2]]], 1))
        x = self.cblocks7(torch.cat([h1, self.deconv3(x)[:, :, : h1.shape[2]]], 1))
        return torch.relu(self.bn(self.convf(x)))


def filtered(R: Tensor, mode: str, low: float, high: float) -> Tensor:
    """Pass or clamp on the whole tensor, its scale put back (semantics section 9)."""
    m = float(R.abs().max())
    share = R.abs() / m if m else R.abs()
    if mode == "pass":
        return torch.where((share >= low) & (share <= high), R, 0.0)
    if mode == "clamp":
        kept = torch.where(share > high, high * m * torch.sign(R), R)
        return torch.where(share < low, 0.0, kept)
    return R


@dataclass
class StudyWalk:
    """The backward pass. ``published``: the code's cut, halving and first layer; else the study's text.

    ``first_weight``: "head" or "published", the first layer's second weight in the code (W- or W+).
    ``steps`` holds the relevance after each filter application, in the study's order (published only).
    """

    net: StudyUNet
    mode: str = "none"
    low: float = 0.0
    high: float = 1.0
    published: bool = True
    first_weight: str = "head"
    steps: list[Tensor] = field(default_factory=list)

    def run(self, x: Tensor) -> Tensor:
        net = self.net
        with torch.no_grad():
            h1 = net.cblocks1(x)
            p1 = net.pool(h1)
            h2 = net.cblocks2(p1)
            p2 = net.pool(h2)
            h3 = net.cblocks3(p2)
            p3 = net.pool(h3)
            bottom = net.cblocks4(p3)
            up3 = net.deconv1(bottom)
            cat3 = torch.cat([h3, up3[:, :, : h3.shape[2]]], 1)
            d3 = net.cblocks5(cat3)
            up2 = net.deconv2(d3)
            cat2 = torch.cat([h2, up2[:, :, : h2.shape[2]]], 1)
            d2 = net.cblocks6(cat2)
            up1 = net.deconv3(d2)
            cat1 = torch.cat([h1, up1[:, :, : h1.shape[2]]], 1)
            d1 = net.cblocks7(cat1)
            out = torch.relu(net.bn(net.convf(d1)))

        R = self.filter(out)
        R = self.filter(self.convolution(net.convf, d1, R))
        R = self.block(net.cblocks7, cat1, R)
        R, s1 = self.cleave(R, h1.shape[1])
        R = self.filter(self.up(net.deconv3, d2, R, up1.shape[2]))
        R = self.block(net.cblocks6, cat2, R)
        R, s2 = self.cleave(R, h2.shape[1])
        R = self.filter(self.up(net.deconv2, d3, R, up2.shape[2]))
        R = self.block(net.cblocks5, cat3, R)
        R, s3 = self.cleave(R, h3.shape[1])
        R = self.filter(self.up(net.deconv1, bottom, R, up3.shape[2]))
        R = self.filter(self.block(net.cblocks4, p3, R))
        R = self.meet(s3, self.pool(h3, R))
        R = self.filter(self.block(net.cblocks3, p2, R))
        R = self.meet(s2, self.pool(h2, R))
        R = self.filter(self.block(net.cblocks2, p1, R))
        R = self.meet(s1, self.pool(h1, R))
        return self.filter(self.block(net.cblocks1, x, R, first=True))

    def filter(self, R: Tensor) -> Tensor:
        R = filtered(R, self.mode, self.low, self.high)
        self.steps.append(R)
        return R

    def convolution(self, layer: nn.Module, x: Tensor, R: Tensor) -> Tensor:
        plus = layer.weight.clamp(min=0)
        return x * _back(lambda u: _plain(layer, u, plus), x, R / (_plain(layer, x, plus) + E))

    def first(self, layer: nn.Module, x: Tensor, R: Tensor) -> Tensor:
        if not self.published:
            return self.convolution(layer, x, R)
        plus = layer.weight.clamp(min=0)
        third = layer.weight.clamp(max=0) if self.first_weight == "head" else plus
        ones = torch.ones_like(x)
        s = R / (_plain(layer, x, plus) - _plain(layer, ones, third) + E)
        back = x * _back(lambda u: _plain(layer, u, plus), x, s)
        return back - _back(lambda u: _plain(layer, u, third), x, s)

    def block(self, block: Block, x: Tensor, R: Tensor, first: bool = False) -> Tensor:
        inputs = [x]
        for part in block.names:
            norm, conv = block.get_submodule(f"bn3d_{part}"), block.get_submodule(f"conv_{part}")
            with torch.no_grad():
                inputs.append(F.leaky_relu(norm(conv(inputs[-1])), 0.2))
        second, one = (block.get_submodule(f"conv_{part}") for part in reversed(block.names))
        R = self.convolution(second, inputs[1], R)
        return self.first(one, x, R) if first else self.convolution(one, x, R)

    def cleave(self, R: Tensor, skip: int) -> tuple[Tensor, Tensor]:
        up = self.filter(R[:, skip:])
        return up, self.filter(up[:, :skip] if self.published else R[:, :skip])

    def up(self, layer: nn.Module, x: Tensor, R: Tensor, depth: int) -> Tensor:
        padded = F.pad(R, (0, 0, 0, 0, 0, depth - R.shape[2]))
        return self.convolution(layer, x, padded)

    def pool(self, h: Tensor, R: Tensor) -> Tensor:
        if not self.published:
            return _back(self.net.pool, h, R)
        z = self.net.pool(h)
        return h * _back(self.net.pool, h, R / (z + 2 * E))

    def meet(self, skip: Tensor, below: Tensor) -> Tensor:
        return 0.5 * skip + 0.5 * below if self.published else skip + below


def _plain(layer: nn.Module, u: Tensor, weight: Tensor) -> Tensor:
    if isinstance(layer, nn.ConvTranspose3d):
        return F.conv_transpose3d(u, weight, None, layer.stride)
    return F.conv3d(u, weight, None, layer.stride, layer.padding)


def _back(apply: Callable[[Tensor], Tensor], x: Tensor, s: Tensor) -> Tensor:
    u = x.detach().clone().requires_grad_()
    with torch.enable_grad():
        out = apply(u)
    return torch.autograd.grad(out, u, s.detach())[0]
