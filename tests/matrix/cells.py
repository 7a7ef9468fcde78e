"""One cell of the matrix: one explainer on one network, run twice, its map and its books looked at.

``ok``: finite, not trivial, the same to the bit the second time, books closed where books are kept. ``refused``: an error
that names the operation, the lack of space, the number of axes or numbers beyond their range. Anything else is ``FAIL``, with its reason.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

import xai_core as xc
from tests.matrix.networks import Network
from xai_core.errors import ForwardError, LightboxError, MemoryLimitError, ModuleStateError, UnsupportedOperationError
from xai_core.explainers.registry import ExplainerInfo
from xai_core.rules.books import is_closed

Status = Literal["ok", "refused", "FAIL"]
EMPTY = "the map is zero everywhere"
CONSTANT_BY_DESIGN = frozenset({"lrp-flat"})  # attention wires every token to every other
BOOKS = frozenset({"seed", "error", "magnitude"})
OUR_FAULT = (
    ForwardError,
    ModuleStateError,
    MemoryLimitError,
)  # on these networks and inputs nothing of the kind is due

# What makes a run cheap, by explainer and parameter. Whatever is absent from the registry, or not declared by an
# explainer, is left out; a value is brought into the declared range.
CHEAP: Mapping[str, Mapping[str, Any]] = {
    "occlusion": {"window": 32, "stride": 32},
    "rise": {"masks": 12, "samples": 12, "grid": 3},
    "lime": {"segments": 8, "samples": 20},
    "kernel-shap": {"segments": 8, "samples": 24},
    "meaningful-perturbation": {"steps": 6},
    "integrated-gradients": {"steps": 4},
    "gradient-shap": {"samples": 3, "n": 3},
    "smoothgrad": {"samples": 3, "n": 3},
    "deeplift": {},
}
# For explainers that the table above does not name, by parameter alone: what counts forward passes.
FEW: Mapping[str, Any] = {
    "samples": 8,
    "n": 3,
    "n_samples": 8,
    "n_steps": 4,
    "steps": 4,
    "masks": 12,
    "n_masks": 12,
    "segments": 8,
    "iterations": 4,
    "window": 32,
    "stride": 32,
    "channels": 16,
    "max_channels": 16,
}


@dataclass(frozen=True)
class Cell:
    """``reason``: why it was refused or failed; ``amplification``: sum|map| / |seed| where books are kept; ``seconds`` of the first run."""

    explainer: str
    network: str
    status: Status
    reason: str = ""
    seconds: float = 0.0
    amplification: float | None = None
    error: float | None = None


def cheap(info: ExplainerInfo, space: tuple[int, ...]) -> dict[str, Any]:
    """Parameters that keep ``info`` to a few forward passes on an image of ``space``."""
    wanted = {**FEW, **CHEAP.get(info.name, {})}
    found: dict[str, Any] = {}
    for parameter in info.parameters:
        if parameter.name not in wanted or parameter.kind not in ("int", "float"):
            continue
        value = wanted[parameter.name]
        if parameter.unit == "px":
            value = max(4, min(space) // 2)
        value = max(value, parameter.low) if parameter.low is not None else value
        value = min(value, parameter.high) if parameter.high is not None else value
        found[parameter.name] = int(value) if parameter.kind == "int" else value
    return found


@dataclass(frozen=True)
class Question:
    """What is explained: a label's logit, in a segmentation summed over ``where`` (None: over its predicted region)."""

    target: int
    where: Tensor | None = None


def questions_of(module: nn.Module, x: Tensor, most: int = 3) -> list[Question]:
    """The best label first: by logit, in a segmentation by how many positions are given it; the others everywhere."""
    with torch.no_grad():
        output = module(x)
    if output.ndim == 2:
        return [Question(int(label)) for label in output[0].argsort(descending=True)[:most]]
    counts = output.argmax(1).flatten().bincount(minlength=output.shape[1])
    best, *others = (int(label) for label in counts.argsort(descending=True)[:most])
    everywhere = torch.ones(output.shape[2:], dtype=torch.bool)
    return [Question(best), *(Question(label, everywhere) for label in others)]


def cell(info: ExplainerInfo, network: Network, module: nn.Module, x: Tensor, questions: Sequence[Question]) -> Cell:
    """Run ``info`` twice on ``module`` and judge the outcome.

    A map without negative values (Grad-CAM's ReLU) may be empty where nothing speaks for a label: then the next of
    ``questions`` is asked, and only a map that is empty for all of them fails.
    """
    found = _cell(info, network, module, x, questions[0])
    for question in questions[1:]:
        if info.is_signed or found.reason != EMPTY:
            break
        found = _cell(info, network, module, x, question)
    return found


def _cell(info: ExplainerInfo, network: Network, module: nn.Module, x: Tensor, question: Question) -> Cell:

    def outcome(status: Status, reason: str = "", seconds: float = 0.0, **more: Any) -> Cell:
        return Cell(info.name, network.name, status, reason, round(seconds, 3), **more)

    if network.dims not in info.dims:
        return outcome("refused", f"made for {' and '.join(f'{dims}-D' for dims in info.dims if dims)} inputs")
    parameters = cheap(info, tuple(x.shape[2:]))

    def explained() -> xc.Attribution:
        asked = {"target": question.target, "where": question.where, "bounds": network.range}
        return xc.attribute(module, x, explainer=info.name, **asked, **parameters)

    start = time.perf_counter()
    try:
        found = explained()
        seconds = time.perf_counter() - start
        again = explained()
    except UnsupportedOperationError as error:
        return outcome("refused", f"unsupported: {error.operation}", time.perf_counter() - start)
    except OUR_FAULT as error:
        return outcome("FAIL", str(error), time.perf_counter() - start)
    except LightboxError as error:
        return outcome("refused", error.sentence, time.perf_counter() - start)
    except Exception as error:  # whatever else comes up is what the matrix is there to show
        first = (str(error).splitlines() or [""])[0]
        return outcome("FAIL", f"{type(error).__name__}: {first}"[:200], time.perf_counter() - start)
    account = found.account
    numbers: dict[str, float | None] = {}
    if account is not None and account.keys() >= BOOKS:
        numbers = {"amplification": float(account["amplification"]), "error": float(account["error"])}
    reason = fault(info, x, found, again.relevance)
    return outcome("FAIL" if reason else "ok", reason, seconds, **numbers)


def fault(info: ExplainerInfo, x: Tensor, found: xc.Attribution, again: Tensor) -> str:
    """What is wrong with a map, or nothing."""
    relevance, account = found.relevance, found.account
    if relevance.shape != x.shape or relevance.dtype != x.dtype:
        return f"a map of {tuple(relevance.shape)} {relevance.dtype} for an input of {tuple(x.shape)} {x.dtype}"
    if not bool(torch.isfinite(relevance).all()):
        return "NaN or infinite values"
    value = float(relevance.max())
    if value == float(relevance.min()) and (value == 0 or info.name not in CONSTANT_BY_DESIGN):
        return EMPTY if value == 0 else f"constant map ({value:g} everywhere)"
    if not torch.equal(relevance, again):
        return f"a second call differs by {float((relevance - again).abs().max()):.3g}"
    if not info.is_signed and float(relevance.min()) < 0:
        return "negative values in a map that declares none"
    if info.has_account and account is None:
        return "no books, though the explainer declares them"
    if account is None:
        return ""
    if any(not math.isfinite(float(value)) for value in account.values()):
        return "NaN or infinite values in the books"
    if account.keys() >= BOOKS and not is_closed(dict(account)):
        return f"books open: {float(account['error']):.3g} of {float(account['seed']):.3g}"
    return ""
