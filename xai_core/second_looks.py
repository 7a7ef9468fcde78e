"""A second look at a map that is there: computed again, and computed with the network's last layer made random.

Computed again, a map must be the same to the bit; that is asked of methods that cost a few forward passes. With a random
last layer it must change: a map that stays as it was does not depend on what the model learned there (Adebayo et al. 2018,
"Sanity Checks for Saliency Maps", arXiv 1810.03292, the first step of their cascade; Sixt et al. 2020, "When Explanations Lie",
show which rules must fail it and why). One step proves little when it is passed, much when it is failed. Likeness is
Spearman's correlation of absolute values where either map holds something; SSIM is given beside it.

The first look stays as quick as it was: a second one is asked for, by the engine once the maps are shown, or by a person.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from xai_core.case import Case, Region
from xai_core.errors import Cancelled, LightboxError
from xai_core.explain import Explanation, Progress, computed, explainer_named, label_index, reduced, request_for
from xai_core.explainers.registry import ExplainerInfo
from xai_core.explainers.request import Request
from xai_core.headroom import check_headroom
from xai_core.likeness import rank_correlation, structure
from xai_core.models import Ensemble, Model
from xai_core.preprocess import Prepared
from xai_core.randomised import with_random_last_layer
from xai_core.record import record
from xai_core.steps import Recording
from xai_core.trust import Finding

LIGHT = 5.0
"""Forward passes up to which a map is computed again for its own sake."""
ALIKE = 0.9
"""Rank correlation from which on two maps are called the same."""
SEED = 0

Found = tuple[Finding | None, dict[str, float | str]]


def is_light(explainer: str) -> bool:
    """Whether a second look costs no more than a few forward passes, so that nobody needs to ask for it."""
    return explainer_named(explainer).cost <= LIGHT


def second_look(
    model: Model,
    case: Case,
    explanation: Explanation,
    *,
    region: Region | None = None,
    cancel: threading.Event | None = None,
) -> Explanation:
    """``explanation`` with a badge that also says whether the map repeats and whether it depends on the last layer.

    ``region``: the one it was made with, if any. What cannot be checked is said in the badge; only :class:`Cancelled` is raised.
    """
    key = explanation.explainer, explanation.target
    looks = second_looks(
        {key: explanation}, model, case, explainers=[key[0]], targets=[key[1]], region=region, cancel=cancel
    )
    return looks[key]


def second_looks(
    known: Mapping[tuple[str, str], Explanation],
    model: Model,
    case: Case,
    *,
    explainers: Sequence[str],
    targets: Sequence[str],
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    region: Region | None = None,
    progress: Progress | None = None,
    cancel: threading.Event | None = None,
) -> dict[tuple[str, str], Explanation]:
    """:func:`second_look` at several maps from two forward passes, cheapest first; asked like :func:`xai_core.explain_all`.

    ``parameters`` are not needed: every map is computed with its own.
    """
    if isinstance(model, Ensemble):
        return _of_members(known, progress)
    bench = _Bench(model, case, region)
    plan = sorted((explainer_named(name) for name in explainers), key=lambda info: info.cost)
    done = {}
    for info in plan:
        for target in targets:
            if (info.name, target) not in known:
                continue
            look = _Look(bench, info, known[info.name, target], progress, cancel)
            done[info.name, target] = looked = look.taken()
            if progress is not None:
                progress(info.name, target, 1.0, looked)
    return done


def _of_members(
    known: Mapping[tuple[str, str], Explanation], progress: Progress | None
) -> dict[tuple[str, str], Explanation]:
    """The maps as they are: a mean is as steady as its members, whose own maps are looked at when they are shown."""
    done = {key: replace(told, checks="full") for key, told in known.items()}
    for (name, target), told in done.items():
        if progress is not None:
            progress(name, target, 1.0, told)
    return done


@dataclass
class _Bench:
    """What all second looks at one case with one model share, made when first asked for."""

    model: Model
    case: Case
    region: Region | None

    @cached_property
    def prepared(self) -> Prepared:
        return self.model.prepare(self.case)

    @cached_property
    def x(self) -> Tensor:
        return self.prepared.tensor.to(self.model.device)

    @cached_property
    def recording(self) -> Recording | None:
        """A forward pass of its own, not the one the map came from; None where the module hides its operations."""
        check_headroom(self.model, self.x)
        return record(self.model.module, self.x) if Request(self.model.module, self.x).can_be_recorded else None

    @cached_property
    def random(self) -> Recording:
        """The pass of the network whose last layer is random."""
        request = Request(self.model.module, self.x, shared=self.recording)
        check_headroom(self.model, self.x)
        return record(with_random_last_layer(request.recording.ending_at(request.logit_value), SEED), self.x)

    def request(self, info: ExplainerInfo, target: str) -> Request:
        """What was asked about ``target``."""
        label = label_index(self.model, target)
        return request_for(self.model, self.prepared, self.x, label, self.region, info, self.recording)

    def random_request(self, info: ExplainerInfo, target: str) -> Request:
        """The same, of the random network, for which no companion was trained: for segmentation about the very region that was explained."""
        asked = self.request(info, target)
        where = asked.where
        if asked.logits.ndim > 2:
            where = asked.selection()[0, asked.targets()[0]] > 0
        return replace(asked, module=self.random.module, shared=self.random, where=where, companion=None)


@dataclass
class _Look:
    """One map, looked at again."""

    bench: _Bench
    info: ExplainerInfo
    known: Explanation
    progress: Progress | None
    cancel: threading.Event | None
    parts: int = field(init=False)

    def __post_init__(self) -> None:
        self.parts = len(list(self._checks()))

    def taken(self) -> Explanation:
        """The explanation with what was found joined to its badge."""
        findings: list[Finding] = []
        numbers: dict[str, float | str] = {}
        for position, (name, check) in enumerate(self._checks()):
            self._report(position, 0.0)
            finding, counted = self._tried(check, position)
            numbers |= counted
            if finding is not None:
                findings.append(replace(finding, check=name))
        return replace(self.known, badge=self.known.badge.joined(findings, numbers), checks="full")

    def _checks(self) -> Iterator[tuple[str, Callable[[int], Found]]]:
        if self.info.cost <= LIGHT:
            yield "repeated", self._repeated
        if self.info.target_dependent:
            yield "random_last_layer", self._random_last_layer

    def _tried(self, check: Callable[[int], Found], position: int) -> Found:
        try:
            return check(position)
        except Cancelled:
            raise
        except LightboxError as problem:
            return Finding("good", "", f"One check was not possible: {problem.sentence}"), {}

    def _repeated(self, position: int) -> Found:
        again = self._map(self.bench.request(self.info, self.known.target), position)
        greatest = float(np.abs(self.known.shown).max())
        if np.array_equal(again, self.known.shown, equal_nan=True):
            return Finding("good", "", "Computed twice: the same to the bit."), {}
        apart = float(np.abs(again - self.known.shown).max()) / greatest if greatest > 0 else float("nan")
        told = f"Computed twice, the map differed by up to {apart:.2g} of its greatest value."
        return Finding("caution", "not repeatable", told), {"repeat_difference": apart}

    def _random_last_layer(self, position: int) -> Found:
        asked = self.bench.random_request(self.info, self.known.target)
        return randomisation(self.known.shown, self._map(asked, position))

    def _map(self, asked: Request, position: int) -> np.ndarray[Any, np.dtype[np.float32]]:
        asked.cancel, asked.progress = self.cancel, lambda share: self._report(position, share)
        asked.report(0.0)
        found = computed(self.info, asked, self.known.parameters)
        return reduced(found.relevance[0].detach().to("cpu", torch.float32).numpy(), self.info.reduce)

    def _report(self, position: int, share: float) -> None:
        if self.progress is not None:
            self.progress(self.known.explainer, self.known.target, (position + share) / self.parts, None)


def randomisation(
    shown: np.ndarray[Any, np.dtype[np.float32]], random: np.ndarray[Any, np.dtype[np.float32]]
) -> tuple[Finding | None, dict[str, float | str]]:
    """What it means that ``shown`` becomes ``random`` with a random last layer; nothing of a map that is empty."""
    if not np.any(shown):
        return None, {}
    numbers: dict[str, float | str] = {"random_last_layer_seed": float(SEED)}
    if not np.any(random):
        told = "With the model's last layer made random nothing is left of the map: it depends on that layer."
        return Finding("good", "", told), numbers
    alike = rank_correlation(shown, random)
    if alike != alike:
        told = (
            "How the map changes with a random last layer cannot be ranked: one of the two maps is the same everywhere."
        )
        return Finding("good", "", told), numbers
    numbers["random_last_layer_spearman"] = alike
    likeness = structure(shown, random)
    if likeness == likeness:
        numbers["random_last_layer_ssim"] = likeness
    if alike > ALIKE:
        told = (
            f"With the model's last layer made random the map stays nearly the same (rank correlation {alike:.2f}): "
            "it does not depend on what the model learned in its last layer."
        )
        return Finding("caution", "blind to the last layer", told), numbers
    return (
        Finding("good", "", f"With the model's last layer made random the map changes (rank correlation {alike:.2f})."),
        numbers,
    )
