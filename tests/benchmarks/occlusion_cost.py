"""CPU seconds of occlusion (window 32, stride 16) beside captum's on the same network: ``python -m tests.benchmarks.occlusion_cost``."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable

import torch

import xai_core as xc
from tests.networks import smooth, whole


def seconds(run: Callable[[], object]) -> float:
    begin = time.process_time()
    run()
    return time.process_time() - begin


def main(names: list[str], side: int = 224) -> None:
    """One line a network: its forward pass, ours and captum's in seconds, and how many times faster ours is."""
    from captum.attr import Occlusion

    warnings.filterwarnings("ignore")
    for name in names or ["resnet18", "vgg16"]:
        module, x = whole(name, 128), smooth(1, 3, side, side, seed=7)
        grey = x.mean((2, 3), keepdim=True).expand_as(x).contiguous()

        def theirs(module=module, x=x, grey=grey) -> object:
            with torch.no_grad():
                return Occlusion(module).attribute(
                    x, sliding_window_shapes=(3, 32, 32), strides=(3, 16, 16), target=0, baselines=grey
                )

        def ours(module=module, x=x) -> object:
            return xc.attribute(module, x, explainer="occlusion", target=0, window=32, stride=16)

        def forward(module=module, x=x) -> object:
            with torch.no_grad():
                return module(x)

        forward()
        once = min(seconds(forward) for _ in range(3))
        spent, other = seconds(ours), seconds(theirs)
        sys.stdout.write(
            f"{name}: forward {once:.3f} s, ours {spent:.2f} s ({spent / once:.0f} x), "
            f"captum {other:.2f} s ({other / once:.0f} x), {other / spent:.2f} times faster\n"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
