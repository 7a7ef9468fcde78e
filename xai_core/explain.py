"""From a case and a model to maps on the case's own grid, each with account, badge and provenance.

``attribute`` explains any network and tensor; ``explain`` and ``explain_all`` a model and a case, with one forward pass for all.
"""

from __future__ import annotations

import functools
import platform
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from xai_core.case import Case, Region
from xai_core.errors import ParameterError, TargetError, UnsupportedOperationError
from xai_core.explain_members import mean_explanation
from xai_core.explain_region import region_title, where_explained
from xai_core.explainers.completeness import COMPLETENESS_ERROR
from xai_core.explainers.gradient import input_gradient
from xai_core.explainers.lrp import ALTERNATIVES, DEFAULT
from xai_core.explainers.registry import ExplainerInfo, explainers
from xai_core.explainers.request import Attribution, Request, Target, joined
from xai_core.fields import field_facts
from xai_core.headroom import check_headroom
from xai_core.memory import ExtraMemory
from xai_core.models.ensemble import Ensemble
from xai_core.record import Recording, check_input, record
from xai_core.trust import Badge, Evidence, badge_of, plain

if TYPE_CHECKING:
    from xai_core.grid import Grid
    from xai_core.models import Model
    from xai_core.preprocess import Prepared

Progress = Callable[[str, str, float, "Explanation | None"], None]
Array = NDArray[np.float32]
_DECIDING = ("lightbox", "torch", "torchvision", "numpy", "scipy", "scikit-image", "opencv-python-headless", "pydicom")
"""Packages whose version may change a map."""
_HIDDEN = "{} looks inside the network, and a program (scripted, traced or exported) hides its operations."


@dataclass(frozen=True)
class Explanation:
    """One map. ``map`` (C', *space) float32 on the case's grid (C' = 1 for films); ``raw`` (C, *input space) signed, on the network's grid;
    ``shown``: ``raw`` reduced over channels, on the network's grid; ``grid``: the affine between the two; ``account``: the books or None;
    ``unit``: what values count ("logit", "logit per window", "logit per segment", "probability" or "none"); ``checks``: "full" after
    a second look (:func:`xai_core.second_looks.second_look`); ``region``: where a segmentation was asked, in words.
    """

    explainer: str
    target: str
    model: str
    case_digest: str
    map: Array
    raw: Array
    shown: Array
    grid: Grid
    account: dict[str, float] | None
    badge: Badge
    seconds: float
    parameters: dict[str, Any]
    is_signed: bool
    unit: str
    rules: Mapping[str, str] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    checks: Literal["quick", "full"] = "quick"
    region: str = ""


def explainer_named(name: str) -> ExplainerInfo:
    """The registered explainer; raises :class:`ParameterError` naming the known ones."""
    known = explainers()
    if name not in known:
        raise ParameterError(f"There is no explainer '{name}'.", f"Known explainers: {', '.join(sorted(known))}.")
    return known[name]


def attribute(
    module: nn.Module | Recording,
    x: Tensor | None = None,
    *,
    explainer: str,
    target: Target = None,
    where: Tensor | None = None,
    bounds: tuple[float, float] | None = None,
    progress: Callable[[float], None] | None = None,
    cancel: threading.Event | None = None,
    **parameters: Any,
) -> Attribution:
    """Explain one output of any network: x (N, C, *space) -> relevance of the same shape, with its account.

    ``module``: an nn.Module in eval mode, or a Recording of one (then ``x`` is left out). ``target``: label index, one per sample, or None for
    the greatest logit. ``where``: for segmentation, bool over the output's space (None: the predicted region). ``bounds``: least and greatest
    possible input value, for the box rule. Raises a :class:`LightboxError` for whatever cannot be explained; the module is left as it was.
    """
    info = explainer_named(explainer)
    checked = info.checked(parameters)
    if isinstance(module, Recording):
        request = Request(module.module, module.x, target, where, bounds, "", progress, cancel, shared=module)
    else:
        if x is None:
            raise ParameterError("No input was given.", "Pass a tensor (N, C, ...).")
        request = Request(module, x, target, where, bounds, "", progress, cancel)
    return computed(info, request, checked)


def computed(info: ExplainerInfo, request: Request, parameters: Mapping[str, Any]) -> Attribution:
    """The explainer under neither gradient nor inference mode, whatever the caller is in.

    Raises :class:`UnsupportedOperationError` where it looks inside a network that hides its operations, or was not made for
    inputs with so many axes.
    """
    check_input(request.x)
    if not info.black_box and not request.can_be_recorded:
        others = [name for name, other in explainers().items() if other.black_box]
        raise UnsupportedOperationError("program", "", info.name, others, _HIDDEN.format(info.title))
    _check_axes(info, request.x.ndim - 2)
    with torch.inference_mode(False), torch.no_grad():
        if request.x.is_inference():
            request = replace(request, x=request.x.clone())
        if info.has_account and request.x.shape[0] > 1 and request.recording.mixes_samples:
            return joined([info.run(part, parameters) for part in request.samples()])
        return info.run(request, parameters)


def _check_axes(info: ExplainerInfo, axes: int) -> None:
    """Refuse an input with more or fewer axes of space than the explainer declares."""
    if axes in info.dims:
        return
    others = [name for name in (DEFAULT, *ALTERNATIVES) if axes in explainers()[name].dims]
    made_for = ", ".join(map(str, info.dims))
    sentence = f"{info.title} is made for inputs with {made_for} axes of space; this one has {axes}."
    raise UnsupportedOperationError(f"{axes} axes of space", "", info.name, others, sentence)


def explain(
    model: Model,
    case: Case,
    *,
    explainer: str,
    target: str | int | None = None,
    region: Region | None = None,
    progress: Progress | None = None,
    cancel: threading.Event | None = None,
    **parameters: Any,
) -> Explanation:
    """The map of one explainer for one target (a label's name or index; None: the most probable label) on the case's grid."""
    found = explain_all(
        model,
        case,
        explainers=[explainer],
        targets=[target],
        parameters={explainer: parameters},
        region=region,
        progress=progress,
        cancel=cancel,
    )
    return next(iter(found.values()))


def explain_all(
    model: Model,
    case: Case,
    *,
    explainers: Sequence[str],
    targets: Sequence[str | int | None] = (None,),
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    region: Region | None = None,
    progress: Progress | None = None,
    cancel: threading.Event | None = None,
) -> dict[tuple[str, str], Explanation]:
    """Maps of several explainers and targets from one forward pass, cheapest first; keys (explainer, label).

    ``parameters``: by explainer name. ``progress(explainer, target, share, explanation or None)``: the explanation comes with share 1.
    ``cancel``: an event; once set, :class:`Cancelled` is raised at the next step. Errors: any :class:`LightboxError`.
    """
    if isinstance(model, Ensemble):
        return _explain_members(model, case, explainers, targets, parameters, region, progress, cancel)
    given = parameters or {}
    plan = [(explainer_named(name), name) for name in explainers]
    plan.sort(key=lambda entry: entry[0].cost)
    checked = {name: info.checked(given.get(name, {})) for info, name in plan}
    prepared = model.prepare(case)
    labels = [label_index(model, target) for target in targets]
    x = prepared.tensor.to(model.device)
    check_headroom(model, x)
    shared = record(model.module, x) if Request(model.module, x).can_be_recorded else None
    results: dict[tuple[str, str], Explanation] = {}
    for info, name in plan:
        for label in labels:
            request = request_for(model, prepared, x, label, region, info, shared)
            request.cancel = cancel
            title = "" if label is None else model.card.labels[label]
            if progress is not None:
                request.progress = _listener(progress, name, title)
            request.report(0.0)
            begun = time.perf_counter()
            with ExtraMemory(model.device) as used:
                found = computed(info, request, checked[name])
            seconds = time.perf_counter() - begun
            done = _finish(model, case, prepared, request, info, checked[name], found, seconds, used.peak_bytes, region)
            results[(name, done.target)] = done
            if progress is not None:
                progress(name, done.target, 1.0, done)
    return results


def _explain_members(
    model: Ensemble,
    case: Case,
    explainers: Sequence[str],
    targets: Sequence[str | int | None],
    parameters: Mapping[str, Mapping[str, Any]] | None,
    region: Region | None,
    progress: Progress | None,
    cancel: threading.Event | None,
) -> dict[tuple[str, str], Explanation]:
    """Every member explained for the same labels, then the mean of each map."""
    prediction = model.predict(case)
    most = int(np.argmax(prediction.probabilities.reshape(len(prediction.labels), -1).max(1)))
    indices = [label_index(model, target) for target in targets]
    labels = [model.card.labels[most if index is None else index] for index in indices]
    told = []
    for number, member in enumerate(model.members):

        def part(name: str, title: str, share: float, _: Explanation | None, number: int = number) -> None:
            if progress is not None:
                progress(name, title, min((number + share) / len(model.members), 0.99), None)

        found = explain_all(
            member, case, explainers=explainers, targets=labels, parameters=parameters, region=region,
            progress=part, cancel=cancel,
        )  # fmt: skip
        told.append(found)
    results = {key: mean_explanation(model, [found[key] for found in told]) for key in told[0]}
    for (name, label), done in results.items():
        if progress is not None:
            progress(name, label, 1.0, done)
    return results


def request_for(
    model: Model,
    prepared: Prepared,
    x: Tensor,
    label: int | None,
    region: Region | None,
    info: ExplainerInfo,
    shared: Recording | None = None,
) -> Request:
    """What is asked of ``model`` about ``label`` by the explainer ``info``; ``x`` is the prepared tensor on the model's device,
    ``shared`` a recording of its forward pass."""
    companion = model.companion(info.name) if info.model else None
    asked = Request(model.module, x, label, None, model.card.input.bounds, model.card.target_layer, companion=companion)
    asked.shared = shared
    asked.where = where_explained(model, prepared, asked, region)
    return asked


def label_index(model: Model, target: str | int | None) -> int | None:
    """The index of a label given by name or index; raises :class:`TargetError` naming the labels."""
    if target is None:
        return None
    labels = model.card.labels
    if isinstance(target, str):
        if target not in labels:
            raise TargetError(f"{model.card.name} has no label '{target}'.", f"Its labels: {', '.join(labels)}.")
        return int(labels.index(target))
    if not 0 <= target < len(labels):
        raise TargetError(f"{model.card.name} has no label {target}.", f"Its labels are 0 to {len(labels) - 1}.")
    return target


def reduced(raw: Array, how: str) -> Array:
    """(C, *space) to (*space): "sum", "mean", or "max-abs" (greatest magnitude over channels)."""
    if how == "max-abs":
        return np.asarray(np.abs(raw).max(0), np.float32)
    return np.asarray(raw.mean(0) if how == "mean" else raw.sum(0), np.float32)


def _listener(progress: Progress, name: str, title: str) -> Callable[[float], None]:
    return lambda share: progress(name, title, share, None)


def _finish(
    model: Model,
    case: Case,
    prepared: Prepared,
    request: Request,
    info: ExplainerInfo,
    parameters: dict[str, Any],
    found: Attribution,
    seconds: float,
    extra_bytes: int,
    region: Region | None,
) -> Explanation:
    raw = found.relevance[0].detach().to("cpu", torch.float32).numpy()
    shown = reduced(raw, info.reduce)
    on_case = shown[None] if case.kind == "film" else raw
    account = plain(found.account)
    facts = {**found.facts, **field_facts(model.card, case, prepared, shown)}
    if str(model.device) != "cpu":
        facts["device"] = str(model.device)
    notes = (*found.notes, *prepared.messages)
    unit = "probability" if parameters.get("score") == "probability" else info.unit
    evidence = Evidence(
        info,
        raw,
        shown,
        account,
        float(request.scores(request.logits)[0]),
        seconds,
        facts,
        notes,
        parameters,
        unit,
        {rule: tuple(places) for rule, places in found.replaced.items()},
        found.idle,
        _probability(model, request, found.target[0]),
        model.card.target_layer,
        _gradient_reach(request, info, facts),
        extra_bytes,
    )
    return Explanation(
        explainer=info.name,
        target=model.card.labels[found.target[0]],
        model=model.card.name,
        case_digest=case.digest,
        map=prepared.grid.to_case(on_case).astype(np.float32),
        raw=raw,
        shown=shown,
        grid=prepared.grid,
        account=account,
        badge=badge_of(evidence),
        seconds=seconds,
        parameters=parameters,
        is_signed=info.is_signed and info.reduce != "max-abs",
        unit=unit,
        rules=found.rules,
        provenance=_provenance(model, case, info, parameters, model.card.labels[found.target[0]], seconds, region),
        region=region_title(model, region),
    )


def _probability(model: Model, request: Request, label: int) -> float | None:
    """The calibrated probability of a label of the whole image; None for segmentation."""
    logits = request.logits[0].detach().to("cpu", torch.float32).numpy()
    return float(model.calibrated(logits)[label]) if logits.ndim == 1 else None


def _gradient_reach(request: Request, info: ExplainerInfo, facts: Mapping[str, float | str]) -> float | None:
    """sum |d logit / d x| times the range of x, for methods that read the gradient at the image; those that add up along a way
    say themselves how well they do."""
    if info.family != "gradient" or "linearisation" not in info.taxonomy or COMPLETENESS_ERROR in facts:
        return None
    assert request.bounds is not None
    low, high = request.bounds
    with torch.inference_mode(False):
        return float(input_gradient(request).abs().sum(dtype=torch.float64)) * (high - low)


def _provenance(
    model: Model,
    case: Case,
    info: ExplainerInfo,
    parameters: Mapping[str, Any],
    target: str,
    seconds: float,
    region: Region | None,
) -> dict[str, Any]:
    return {
        "case": case.digest,
        "weights": model.weights_digest,
        "model": model.card.name,
        "explainer": info.name,
        **({"revision": info.revision} if info.revision else {}),
        "target": target,
        **({"region": region.digest} if region is not None else {}),
        "parameters": dict(parameters),
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in _DECIDING}},
        "machine": f"{platform.system()} {platform.machine()}",
        "device": str(model.device),
        "threads": torch.get_num_threads(),
        "seconds": seconds,
    }


@functools.cache
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "source"


__all__ = ["Attribution", "Explanation", "attribute", "explain", "explain_all"]
