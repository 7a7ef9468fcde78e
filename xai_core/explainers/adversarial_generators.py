"""Adversarial generators (Charachon et al. 2020, arXiv 2012.07332): what would have to change for the finding to turn.

Two small networks were trained against one frozen classifier. g_similar(x) is a film near x that keeps the finding;
g_adversarial(x) is a film near g_similar(x) that turns it: pneumonia is taken away where it was found and painted in where it was not.

    R = |g_similar(x) - g_adversarial(x)|

in grey values of the prepared film (0 to 1): where two films differ of which the network says yes to one and no to the other. What
generators do to every film alike falls out of the difference.

What it tells: one way across the decision, learned over many films.

What it cannot tell: that the change is the only one or the smallest, or that it looks like disease to a person. The generators are
taught by the classifier and may find what fools it instead (Goodfellow et al. 2015). It has no sign: painting and erasing look alike.

Known failures: where g_adversarial fails to turn the finding the map shows an attempt, and a note says so; the share of such films is in
the card. It happens most where the network is in doubt: the generator takes one answer for the other and goes the wrong way. It works for Pneumonia on ``cxr-resnet18`` alone: for other weights the generators would explain a network that is not there.

Cost: about one forward pass, and three to check.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from xai_core.errors import ModelError, ParameterError, TargetError
from xai_core.explainers.registry import explainer
from xai_core.explainers.request import Attribution, Companion, Request

NAME = "adversarial-generators"
MODEL = "cxr-resnet18"
WEIGHTS = "257746dcb36d"
"""The first digits of the generators' SHA-256: other weights, other maps."""


@explainer(
    name=NAME,
    title="Adversarial generators",
    family="perturbation",
    taxonomy=("white box", "adversarial", "local"),
    parameters=(),
    dims=(2,),
    target_dependent=True,
    exact=False,
    summary="Where a film that keeps the finding and one that turns it differ; Pneumonia on cxr-resnet18 alone.",
    source="Charachon et al. 2020, arXiv 2012.07332",
    is_signed=False,
    model=MODEL,
    revision=WEIGHTS,
    cost=4.0,
)
def adversarial_generators(request: Request, parameters: Mapping[str, Any]) -> Attribution:
    """|g_similar(x) - g_adversarial(x)|, (N, 1, H, W), at least 0, in grey values of the prepared film.

    Raises :class:`ModelError` for any other network, :class:`TargetError` for any other label.
    """
    made = _fitting(request)
    request.report(0.0)
    similar, adversarial = made.network(request.x.float())
    request.report(0.3)
    films = torch.cat([request.x, similar.to(request.x.dtype), adversarial.to(request.x.dtype)])
    said, kept, turned = (request.module(films)[:, made.label] - made.cut).chunk(3)
    request.report(1.0)
    facts = {
        "above_threshold": float(said.mean()),
        "above_threshold_similar": float(kept.mean()),
        "above_threshold_adversarial": float(turned.mean()),
    }
    relevance = (similar - adversarial).abs().to(request.x.dtype)
    return Attribution(relevance, None, request.targets(), _notes(said >= 0, kept >= 0, turned >= 0), facts=facts)


def _fitting(request: Request) -> Companion:
    """The generators, where they were trained for what is asked."""
    made = request.companion
    if made is None:
        raise ModelError(
            f"{NAME} was trained for the shipped model {MODEL} alone, not for this network.",
            f"Explain {MODEL} with it (xai_core.explain), or use meaningful-perturbation, which works on any network.",
        )
    if set(request.targets()) != {made.label}:
        raise TargetError(
            f"{NAME} was trained for the label {made.title} alone.",
            f"Choose {made.title}, or use meaningful-perturbation, which explains any label.",
        )
    if tuple(request.x.shape[1:]) != (1, *made.size):
        raise ParameterError(
            f"{NAME} works on films of {' x '.join(map(str, made.size))} pixels.", "Let the model prepare the film."
        )
    return made


def _notes(said: Tensor, kept: Tensor, turned: Tensor) -> tuple[str, ...]:
    notes = []
    if bool((turned == said).any()):
        notes.append("The adversarial film does not turn the finding: this map shows an attempt that failed.")
    if bool((kept != said).any()):
        notes.append("The similar film does not keep the finding: read this map with care.")
    return tuple(notes)
