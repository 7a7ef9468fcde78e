"""How far the greatest memory of a process grows over the network and one forward pass, each run in a process of its own."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import torch
from torch import Tensor, nn

import xai_core as xc
from tests.benchmarks import peers
from tests.benchmarks.networks import NETWORKS
from tests.matrix.memory import peak_mib

Run = Callable[[nn.Module, Tensor], object]


def _ours(name: str, module: nn.Module, x: Tensor, **parameters: object) -> object:
    return xc.attribute(module, x, explainer=name, target=0, **parameters)


RUNS: dict[str, Run] = {
    "deeplift": partial(_ours, "deeplift"),
    "captum DeepLift": peers.captum_deeplift,
    "integrated-gradients": partial(_ours, "integrated-gradients", steps=50),
    "captum IntegratedGradients, 1 at once": partial(peers.captum_integrated, 1),
    "smoothgrad": partial(_ours, "smoothgrad", samples=25),
    "captum NoiseTunnel, 1 at once": partial(peers.captum_smoothgrad, 1),
    "lrp-epsilon-plus": partial(_ours, "lrp-epsilon-plus"),
}


def grown(name: str, network: str, threads: int) -> float:
    """MiB over those of the network with one forward pass done; meant for a fresh process."""
    torch.set_num_threads(threads)
    module, x = NETWORKS[network]()
    with torch.no_grad():
        module(x)
    before = peak_mib()
    RUNS[name](module, x)
    return peak_mib() - before


def extra_mib(name: str, network: str, threads: int) -> float:
    """:func:`grown` in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(grown, name, network, threads).result()
