"""Modalities: what each is worth to the network when it is taken away, and whether a map says the same.

Modality ablation replaces one modality at a time and reads what the target loses:

    importance(m) = f(x) - f(x with m replaced)

for segmentation f is the sum of the label's logits over the predicted region. MSFI, the modality-specific feature importance of
Jin et al., weighs each modality's share of positive relevance that lies inside the region by that importance:

    MSFI = sum_m w_m inside_m / sum_m w_m,    inside_m = positive relevance of m in the region / all its positive relevance

What it tells: whether the map gives most to the modalities that the network needs most, and puts it on the finding.

What it cannot tell: what modalities are worth together. Where two carry the same, either alone can be spared and both seem
worth nothing; what replaces a modality is itself something that the network never saw.

Our reading: w_m is the importance where it is positive, else zero. The study takes Shapley values, the mean of what m adds to every
combination of the others, which costs 2^M passes for M modalities; they are an option, ablation is the default. A modality without positive relevance has nothing inside, so it counts as zero with its full weight.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import kendalltau, spearmanr
from torch import Tensor

from xai_core.case import Case
from xai_core.errors import ParameterError, TargetError
from xai_core.explain import explain, explainer_named, label_index, request_for
from xai_core.explainers.fills import SOFT_FILLS
from xai_core.explainers.scoring import Scoring, fill_of
from xai_core.metrics.asked import Asked, refuse_missing
from xai_core.metrics.registry import Measured, metric
from xai_core.modalities import shares
from xai_core.models import Model
from xai_core.parameters import Parameter

FILL = Parameter(
    "fill", "choice", "grey", "What a modality is replaced by: its mean, black, its blur.", choices=SOFT_FILLS
)
_IMPORTANCE = Parameter(
    "importance",
    "choice",
    "ablation",
    "Weights: what is lost without a modality, its Shapley value, or all alike.",
    choices=("ablation", "shapley", "equal"),
)
_STATISTIC = Parameter("statistic", "choice", "kendall", "Rank correlation.", choices=("kendall", "spearman"))
_SOURCE = "Jin, Li, Hamarneh 2022, AAAI, arXiv 2203.06487"
MOST = 8
"""Modalities of which Shapley values are taken: 256 passes."""
Weights = NDArray[np.float64]


def ablation(
    model: Model,
    case: Case,
    target: str | int | None = None,
    fill: str = "grey",
    *,
    progress: Callable[[float], None] | None = None,
    cancel: threading.Event | None = None,
) -> dict[str, float]:
    """What the target's logit loses when one modality after the other is replaced, by channel, in units of the logit.

    ``fill``: "grey" (the channel's mean), "black" or "blur". Raises :class:`ParameterError` for a network of one channel and
    :class:`TargetError` where nothing is predicted for the label of a segmentation.
    """
    listener = None if progress is None else lambda name, title, share, _: progress(share)
    found = explain(
        model, case, explainer="occlusion", target=target, by="modality", fill=fill, progress=listener, cancel=cancel
    )
    return dict(zip(model.card.channels, (float(channel.flat[0]) for channel in found.raw), strict=True))


def shapley(
    model: Model,
    case: Case,
    target: str | int | None = None,
    fill: str = "grey",
    *,
    progress: Callable[[float], None] | None = None,
    cancel: threading.Event | None = None,
) -> dict[str, float]:
    """Exact Shapley values of the modalities for the target's logit, by channel: together f(x) - f(all replaced).

    Arguments and errors as :func:`ablation`; more than ``MOST`` modalities are refused, for passes double with each.
    """
    count = len(model.card.channels)
    if not 2 <= count <= MOST:
        raise ParameterError(
            f"{count} modalities have no Shapley values here.", f"Take ablation, or 2 to {MOST} of them."
        )
    prepared = model.prepare(case)
    x = prepared.tensor.to(model.device)
    request = request_for(model, prepared, x, label_index(model, target), None, explainer_named("occlusion"))
    request.progress, request.cancel = progress, cancel
    kept = list(product((False, True), repeat=count))
    scoring = Scoring(request, "logit", len(kept))
    own, replacement = x[0], fill_of(request, 0, fill)

    def copies(part: range) -> Tensor:
        shape = (count,) + (1,) * (x.ndim - 2)
        masks = [torch.tensor(kept[at], device=x.device).reshape(shape) for at in part]
        return torch.stack([torch.where(mask, own, replacement) for mask in masks])

    worth = dict(zip(kept, scoring.of(0, len(kept), copies).double().tolist(), strict=True))
    return {name: _added(worth, place, count) for place, name in enumerate(model.card.channels)}


def _added(worth: Mapping[tuple[bool, ...], float], place: int, count: int) -> float:
    """The mean of what the modality ``place`` adds, over all orders in which modalities may come."""
    total = 0.0
    for without in (kept for kept in worth if not kept[place]):
        others = sum(without)
        share = math.factorial(others) * math.factorial(count - others - 1) / math.factorial(count)
        total += share * (worth[(*without[:place], True, *without[place + 1 :])] - worth[without])
    return total


def insides(relevance: NDArray[Any], mask: NDArray[np.bool_]) -> Weights:
    """Each channel's share of positive relevance (C, *space) inside ``mask`` (*space): (C,); 0 where a channel has none."""
    positive = np.maximum(np.asarray(relevance, np.float64), 0).reshape(len(relevance), -1)
    whole = positive.sum(1)
    inside = positive[:, mask.ravel()].sum(1)
    return np.asarray(np.divide(inside, whole, out=np.zeros(len(whole)), where=whole > 0))


def msfi(relevance: NDArray[Any], mask: NDArray[np.bool_], weights: Sequence[float]) -> float:
    """MSFI of a map (C, *space) with one weight a channel, negative ones taken as zero: 0 to 1; ``nan`` without any weight."""
    worth = np.maximum(np.asarray(weights, np.float64), 0)
    return float((worth * insides(relevance, mask)).sum() / worth.sum()) if worth.sum() > 0 else float("nan")


def rank_agreement(importance: Sequence[float], of_map: Sequence[float], statistic: str = "kendall") -> float:
    """Kendall's tau-b or Spearman's rho between the magnitudes of importances and a map's shares; ``nan`` where one is constant."""
    first, second = np.abs(np.asarray(importance, np.float64)), np.asarray(of_map, np.float64)
    if any(not np.isfinite(side).all() or side.min() == side.max() for side in (first, second)):
        return float("nan")
    return float({"kendall": kendalltau, "spearman": spearmanr}[statistic](first, second).statistic)


@metric(
    name="msfi",
    title="Modality-specific feature importance (MSFI)",
    family="modalities",
    direction="higher",
    range=(0.0, 1.0),
    needs=("region",),
    summary="Is the positive part inside the region in the modalities that count?",
    source=_SOURCE,
    parameters=(_IMPORTANCE, FILL),
)
def modality_specific_feature_importance(asked: Asked, options: Mapping[str, Any]) -> Measured:
    """MSFI on the network's grid, and each channel's share inside; weights by ablation need the model and the case."""
    relevance, mask = asked.explanation.raw, asked.mask_of_input
    by_channel = dict(zip(asked.channels, insides(relevance, mask).tolist(), strict=True))
    weights: Sequence[float] = [1.0] * len(relevance)
    if options["importance"] in _WORTHS:
        importance, reason = _importance("msfi", asked, options["fill"], options["importance"])
        if reason:
            return Measured("msfi", float("nan"), by_channel, reason)
        weights = list(importance.values())
    value = msfi(relevance, mask, weights)
    reason = "No modality speaks for the target: replacing none of them lowers it." if value != value else ""
    return Measured("msfi", value, by_channel, reason)


@metric(
    name="modality-agreement",
    title="Agreement with modality ablation",
    family="modalities",
    direction="higher",
    range=(-1.0, 1.0),
    needs=("model", "case"),
    summary="Does the map rank the modalities as the network does when it has to do without them?",
    source=_SOURCE,
    parameters=(_STATISTIC, FILL),
)
def modality_agreement(asked: Asked, options: Mapping[str, Any]) -> Measured:
    """Rank correlation between what ablation says (by channel, units of the logit) and the map's shares by modality."""
    importance, reason = _importance("modality-agreement", asked, options["fill"])
    if reason:
        return Measured("modality-agreement", float("nan"), importance, reason)
    value = rank_agreement(list(importance.values()), shares(asked.explanation.raw).tolist(), options["statistic"])
    reason = "All modalities weigh the same, so there is no ranking to compare." if value != value else ""
    return Measured("modality-agreement", value, importance, reason)


def _importance(name: str, asked: Asked, fill: str, way: str = "ablation") -> tuple[dict[str, float], str]:
    """What modalities are worth, or nothing and why not."""
    refuse_missing(name, asked, ("model", "case"))
    assert asked.model is not None
    assert asked.case is not None
    if len(asked.explanation.raw) < 2:
        return {}, "The network reads one modality only, so there is none to compare."
    try:
        return _WORTHS[way](asked.model, asked.case, asked.explanation.target, fill), ""
    except TargetError as problem:
        return {}, f"Modalities cannot be taken away: {problem.sentence}"


_WORTHS: Mapping[str, Callable[[Model, Case, str, str], dict[str, float]]] = {"ablation": ablation, "shapley": shapley}

__all__ = ["ablation", "insides", "msfi", "rank_agreement", "shapley"]
