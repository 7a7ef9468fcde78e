"""One training loop for all recipes: mixed precision on two cores, averaged weights, checkpoints a run can go on from.

Checkpoints are safetensors (weights, their running average, the optimiser's moments) with a JSON beside them: nothing
that runs code when it is opened. Random numbers are drawn anew from (seed, epoch), so a resumed run sees the films a
run in one piece would have seen.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from xai_core.training import Progress

Batch = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Plan:
    """How long and how fast: ``learning_rate`` at the peak of one warm-up and cosine over all epochs; ``average`` is the
    decay a step of the running average of weights; ``half_precision``: bfloat16 where autocast holds it safe."""

    epochs: int
    batches: int
    learning_rate: float
    weight_decay: float = 0.02
    warm_up: float = 0.05
    average: float = 0.998
    seed: int = 0
    half_precision: bool = True


class Journal:
    """A log with times in ``out/log.txt`` that also tells the caller's progress."""

    def __init__(self, out: Path, progress: Progress | None) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self.path = out / "log.txt"
        self.progress = progress
        self.start = time.monotonic()

    def write(self, share: float, line: str) -> None:
        with self.path.open("a") as log:
            log.write(f"{time.monotonic() - self.start:7.0f} s  {line}\n")
        if self.progress is not None:
            self.progress(share, line)


def fit(
    module: nn.Module,
    plan: Plan,
    batches_of: Callable[[int], Iterable[Batch]],
    loss_of: Callable[[nn.Module, Batch], torch.Tensor],
    out: Path,
    journal: Journal,
    *,
    resume: bool = False,
    validate: Callable[[nn.Module, int], str] | None = None,
    name: str = "fit",
) -> nn.Module:
    """Train ``module`` in place and return it with its averaged weights, in eval mode.

    ``batches_of(epoch)`` yields the batches of one epoch, ``loss_of`` gives a scalar. One checkpoint a epoch lies in
    ``out``; with ``resume`` training goes on from the last one.
    """
    module = laid_out(module)
    decayed = [p for p in module.parameters() if p.ndim > 1]
    plain = [p for p in module.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": plan.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=plan.learning_rate, betas=(0.9, 0.99))
    average = {key: value.detach().clone() for key, value in module.state_dict().items()}
    first = _restore(out, name, module, optimiser, average) if resume else 0
    total, step = plan.epochs * plan.batches, first * plan.batches
    for epoch in range(first, plan.epochs):
        torch.manual_seed(plan.seed * 1000 + epoch)
        module.train()
        loss_sum, count, began = 0.0, 0, time.monotonic()
        for batch in ahead(batches_of(epoch)):
            for group in optimiser.param_groups:
                group["lr"] = plan.learning_rate * _pace(step / total, plan.warm_up)
            with torch.autocast("cpu", torch.bfloat16, enabled=plan.half_precision):
                loss = loss_of(module, batch)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            norm = nn.utils.clip_grad_norm_(module.parameters(), 5.0)
            step += 1
            if torch.isfinite(norm):  # kernels of half precision read beyond layers of few channels, at times a NaN
                optimiser.step()
                _blend(average, module, min(plan.average, (1 + step) / (10 + step)))
            loss_sum, count = loss_sum + float(loss.detach()), count + 1
            if count % 25 == 0:
                journal.write(step / total, f"{name}: epoch {epoch + 1}, batch {count}, loss {loss_sum / count:.4f}")
        live = {key: value.detach().clone() for key, value in module.state_dict().items()}
        _store(out, name, epoch + 1, live, average, optimiser)
        note = ""
        if validate is not None:
            module.load_state_dict(average)
            note = validate(module.eval(), epoch)
            module.load_state_dict(live)
        seconds = time.monotonic() - began
        journal.write(
            step / total,
            f"{name}: epoch {epoch + 1}/{plan.epochs} done in {seconds:.0f} s, loss {loss_sum / max(count, 1):.4f} {note}",
        )
    module.load_state_dict(average)
    return module.eval()


def laid_out(module: nn.Module) -> nn.Module:
    """``module`` with its weights in the order in which two cores convolve fastest: channels last, in two or three dimensions."""
    is_volume = any(parameter.ndim == 5 for parameter in module.parameters())
    return module.to(memory_format=torch.channels_last_3d if is_volume else torch.channels_last)


def ahead(batches: Iterable[Batch]) -> Iterator[Batch]:
    """The same batches, each made in a second thread while the one before is used."""
    iterator = iter(batches)
    with ThreadPoolExecutor(1) as maker:
        coming = maker.submit(next, iterator, None)
        while (batch := coming.result()) is not None:
            coming = maker.submit(next, iterator, None)
            yield batch


def _pace(share: float, warm_up: float) -> float:
    if share < warm_up:
        return max(share / warm_up, 0.02)
    return 0.005 + 0.995 * 0.5 * (1 + math.cos(math.pi * (share - warm_up) / (1 - warm_up)))


@torch.no_grad()
def _blend(average: dict[str, torch.Tensor], module: nn.Module, keep: float) -> None:
    for key, value in module.state_dict().items():
        if value.is_floating_point():
            average[key].lerp_(value, 1 - keep)
        else:
            average[key].copy_(value)


def _store(
    out: Path,
    name: str,
    epoch: int,
    live: dict[str, torch.Tensor],
    average: dict[str, torch.Tensor],
    optimiser: torch.optim.Optimizer,
) -> None:
    tensors = {f"live.{k}": v.contiguous() for k, v in live.items()} | {
        f"average.{k}": v.contiguous() for k, v in average.items()
    }
    for index, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{key}": value.contiguous() for key, value in state.items()}
    out.mkdir(parents=True, exist_ok=True)
    half = out / f"{name}.partial"
    save_file(tensors, half)
    half.replace(out / f"{name}.checkpoint.safetensors")
    (out / f"{name}.checkpoint.json").write_text(json.dumps({"epoch": epoch}))


def _restore(
    out: Path, name: str, module: nn.Module, optimiser: torch.optim.Optimizer, average: dict[str, torch.Tensor]
) -> int:
    path = out / f"{name}.checkpoint.safetensors"
    if not path.is_file():
        return 0
    tensors = load_file(path)
    module.load_state_dict({k.removeprefix("live."): v for k, v in tensors.items() if k.startswith("live.")})
    for key in average:
        average[key].copy_(tensors[f"average.{key}"])
    state: dict[int, dict[str, Any]] = {}
    for key, value in tensors.items():
        if key.startswith("optimiser."):
            _, index, field = key.split(".", 2)
            state.setdefault(int(index), {})[field] = value
    whole = optimiser.state_dict()
    optimiser.load_state_dict({"state": state, "param_groups": whole["param_groups"]})
    return int(json.loads((out / f"{name}.checkpoint.json").read_text())["epoch"])
