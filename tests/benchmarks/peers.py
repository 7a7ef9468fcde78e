"""The peers' side: captum, and zennit with the canonizer it needs, each on a copy of the network of its own."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from tests.benchmarks.ours import GRAD_CAM_LAYER
from tests.benchmarks.timing import Prepare

Run = Callable[[nn.Module, Tensor], object]


def few(module: nn.Module, x: Tensor, name: str) -> dict[str, Prepare]:
    """What costs a few forward passes on the network ``name``."""
    layer = GRAD_CAM_LAYER[name]
    runs = {f"zennit {made}": partial(_zennit, name, made) for made in ZENNIT}
    runs |= {"captum LRP": _captum_lrp, "captum LayerGradCam": partial(_captum_grad_cam, layer)}
    runs |= {"captum Saliency": _captum_saliency, "captum GuidedBackprop": _captum_guided}
    return _prepared(module, x, runs | {"captum DeepLift": captum_deeplift})


def many(module: nn.Module, x: Tensor) -> dict[str, Prepare]:
    """What costs many forward passes: captum's settings from one copy at a time to all at once."""
    runs: dict[str, Run] = {"captum Occlusion": _captum_occlusion}
    for size in (1, 5, 25):
        runs[f"captum IntegratedGradients, {size} at once"] = partial(captum_integrated, size)
        runs[f"captum NoiseTunnel, {size} at once"] = partial(captum_smoothgrad, size)
    return _prepared(module, x, runs)


def _prepared(module: nn.Module, x: Tensor, runs: dict[str, Run]) -> dict[str, Prepare]:
    """Each on one copy for all rounds: peers leave hooks, folded weights and grown gradients behind."""

    def on_a_copy(run: Run) -> Prepare:
        networks: list[nn.Module] = []

        def prepare() -> Callable[[], object]:
            networks[:] = networks or [copy.deepcopy(module)]
            return lambda: run(networks[0], x)

        return prepare

    return {name: on_a_copy(run) for name, run in runs.items()}


def _composite(made: str, canonizers: list[object], x: Tensor) -> object:
    from zennit import composites, rules
    from zennit.types import AvgPool, Convolution, Linear

    if made in ("Gamma", "AlphaBeta"):
        rule = rules.Gamma(gamma=0.25) if made == "Gamma" else rules.AlphaBeta(alpha=2, beta=1)
        layers = [(composites.Activation, rules.Pass()), (AvgPool, rules.Norm()), (Convolution, rule), (Linear, rule)]
        return composites.LayerMapComposite(layers, canonizers=canonizers)
    bounds = {"low": torch.full_like(x, -4.0), "high": torch.full_like(x, 4.0)} if made == "EpsilonGammaBox" else {}
    return getattr(composites, made)(canonizers=canonizers, **bounds)


ZENNIT = ("EpsilonPlus", "Gamma", "AlphaBeta", "EpsilonGammaBox")


def _zennit(name: str, made: str, network: nn.Module, x: Tensor) -> object:
    from zennit.attribution import Gradient
    from zennit.canonizers import SequentialMergeBatchNorm
    from zennit.torchvision import ResNetCanonizer

    canonizers = {"resnet18": [ResNetCanonizer()], "vgg16": []}.get(name, [SequentialMergeBatchNorm()])
    with Gradient(model=network, composite=_composite(made, canonizers, x)) as attributor:
        return attributor(x.clone().requires_grad_(), lambda out: out * (out == out.max()))


def _captum_lrp(network: nn.Module, x: Tensor) -> object:
    from captum.attr import LRP

    return LRP(network).attribute(x.clone().requires_grad_(), target=0)


def _captum_grad_cam(layer: str, network: nn.Module, x: Tensor) -> object:
    from captum.attr import LayerAttribution, LayerGradCam

    maps = LayerGradCam(network, network.get_submodule(layer)).attribute(x, target=0, relu_attributions=True)
    return LayerAttribution.interpolate(maps, tuple(x.shape[2:]), "bilinear")


def _captum_saliency(network: nn.Module, x: Tensor) -> object:
    from captum.attr import Saliency

    return Saliency(network).attribute(x.clone().requires_grad_(), target=0, abs=False)


def _captum_guided(network: nn.Module, x: Tensor) -> object:
    from captum.attr import GuidedBackprop

    return GuidedBackprop(network).attribute(x.clone().requires_grad_(), target=0)


def captum_deeplift(network: nn.Module, x: Tensor) -> object:
    """With its default baseline, zero; in-place ReLUs are taken back first, which it cannot explain."""
    from captum.attr import DeepLift

    for layer in network.modules():
        if isinstance(layer, nn.ReLU):
            layer.inplace = False
    return DeepLift(network).attribute(x.clone().requires_grad_(), target=0)


def captum_integrated(at_once: int, network: nn.Module, x: Tensor) -> object:
    """50 steps, ``at_once`` of them in a batch."""
    from captum.attr import IntegratedGradients

    return IntegratedGradients(network).attribute(x, target=0, n_steps=50, internal_batch_size=at_once)


def captum_smoothgrad(at_once: int, network: nn.Module, x: Tensor) -> object:
    """25 copies, ``at_once`` of them in a batch."""
    from captum.attr import NoiseTunnel, Saliency

    tunnel = NoiseTunnel(Saliency(network))
    return tunnel.attribute(x, nt_samples=25, nt_samples_batch_size=at_once, stdevs=0.5, target=0, abs=False)


def _captum_occlusion(network: nn.Module, x: Tensor) -> object:
    from captum.attr import Occlusion

    grey = x.mean((2, 3), keepdim=True).expand_as(x).contiguous()
    with torch.no_grad():
        return Occlusion(network).attribute(
            x, sliding_window_shapes=(3, 32, 32), strides=(3, 16, 16), target=0, baselines=grey
        )
