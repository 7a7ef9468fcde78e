"""A file of weights on the page "Add a model": what it turned out to be, how its keys fit, and the answer of a trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import streamlit as st

from components.shell import escaped, sentence
from xai_core.errors import LightboxError, ModelError
from xai_core.models.adding import PROGRAMS, Found, differences, looked_at, trial
from xai_core.models.card_text import spelled_size
from xai_core.models.fitting import SHOWN, Fit
from xai_core.models.loaders import loaders

AS_ITS_KEYS_SAY = ""


@dataclass(frozen=True)
class Looked:
    """What came of one file under one set of choices: ``found`` and its trial's ``shape`` and ``seconds``, or a ``problem`` in
    words, with how the keys compare where that can be said."""

    found: Found | None = None
    shape: tuple[int, ...] = ()
    seconds: float = 0.0
    problem: str = ""
    fit: Fit | None = None
    keys: int = 0
    suggested: str = ""


def architecture_title(name: str) -> str:
    """An architecture as the page offers it."""
    known = {name: found.title for name, found in loaders().items()}
    programs = {"torchscript": "TorchScript program (.pt)", "exported": "torch.export program (.pt2)"}
    return {AS_ITS_KEYS_SAY: "As its keys say", **known, **programs}[name]


def architectures() -> list[str]:
    """What can be chosen, the guess first."""
    return [AS_ITS_KEYS_SAY, *loaders(), *PROGRAMS]


def look(
    content: bytes,
    file: str,
    architecture: str,
    labels: Sequence[str],
    settings: Mapping[str, Any],
    name: str,
    more: Mapping[str, Any],
) -> Looked:
    """Read, fit and try a file; never raises for what is wrong with it."""
    try:
        found = looked_at(
            content, file, architecture=architecture, labels=labels, settings=settings, name=name, more=more
        )
        begun = perf_counter()
        shape = trial(found)
        return Looked(found, shape, perf_counter() - begun, fit=found.fit, keys=found.fit.matched)
    except LightboxError as problem:
        told = sentence(problem)
    if architecture in PROGRAMS:
        return Looked(problem=told)
    try:
        checkpoint, fit, suggested = differences(content, file, architecture, settings)
        return Looked(problem=told, fit=fit, keys=len(checkpoint.state), suggested=suggested)
    except ModelError:
        return Looked(problem=told)


def draw(looked: Looked) -> None:
    """What was found, in words: facts, the first differences, the trial."""
    if looked.problem:
        st.error(looked.problem, icon=":material/error:")
    if looked.suggested:
        st.caption(f"Its keys are those of **{escaped(architecture_title(looked.suggested))}**.")
    if looked.fit is not None and looked.found is None:
        st.caption(f"{looked.keys} keys in the file, {looked.fit.matched} matched.")
        _differences(looked.fit)
    if looked.found is None:
        return
    card = looked.found.card
    facts = {
        "Layout": architecture_title(looked.found.loader),
        "Keys": f"{looked.fit.matched if looked.fit else 0} matched, none lacking, none unknown",
        "Input": f"{spelled_size(card.input)}, {card.input.intensity}",
        "Labels": ", ".join(card.labels[:20]) + (", ..." if len(card.labels) > 20 else ""),
        "Trial": f"answers {' x '.join(map(str, looked.shape))} in {looked.seconds:.2f} s",
        "Kept as": card.name,
    }
    st.markdown("  \n".join(f"**{name}** {escaped(fact)}" for name, fact in facts.items()))
    for message in looked.found.messages:
        st.info(escaped(message), icon=":material/info:")


def _differences(fit: Fit) -> None:
    """The first keys of each kind that do not fit."""
    kinds = {
        "lacking": [escaped(key) for key in fit.missing],
        "unknown": [escaped(key) for key in fit.unexpected],
        "another shape": [escaped(f"{key}: {given}, needed {wanted}") for key, wanted, given in fit.shapes],
    }
    lines = []
    for kind, names in kinds.items():
        if names:
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            lines.append(f"- {len(names)} {kind}: {'; '.join(names[:SHOWN])}{more}")
    if lines:
        st.markdown("\n".join(lines))
