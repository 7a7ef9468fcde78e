"""Relative attributing propagation, RAP (Nam et al., AAAI 2020): who matters first, then for or against.

From the logit's layer every unit gets its share r_i = a_i w_i, made an influence (equation 4); every layer further down sends
relevance along positive products z+ and, in proportion, along negative products z- as well (equation 5):

    last:   R_i = |r_i| * sum(r) / sum|r|
    below:  R_i = sum_j (z+_ij / Z+_j R_j + z-_ij / Z-_j R_j |Z-_j| / (|Z+_j| + |Z-_j|))

Z+_j and Z-_j are the sums of z+_ij and z-_ij over i. What equation 5 adds is then taken evenly from the activated units (equation 6),
so that the sum is kept: what matters little becomes negative. The first layer is `box`, without that shift.

What it tells: what the network used (warm) and what it hardly used (cold), nearly without empty areas, its sum the logit's.

What it cannot tell: cold is first of all "less than the others", since the shift is the same for all activated units; a cold pixel need not
speak against the target. Where the logit is negative all signs turn over. The influence of the last layer forgets the sign of
single units, so evidence against the target spreads as relevance too.

Known failures: most of the relevance follows positive products, as in rules of which Sixt et al. 2020 show that they depend little on
the upper layers, so the maps of different labels resemble each other; relative sectional propagation, by the same authors, was made to
tell labels apart. The published code splits weights instead of products and doubles the sum of a signed input (`variant` published-code).

Cost: one forward pass and one walk back with two products a layer, about five forward passes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xai_core.composites import HIGH, LOW, first_layers, last_layers
from xai_core.explainers.lrp import (
    ALTERNATIVES,
    FILTERS,
    POOLING,
    SEED,
    filter_of,
    filtered_walk,
    idle_parameters,
    seed_of,
)
from xai_core.explainers.registry import explainer
from xai_core.explainers.request import Attribution, Request, closed
from xai_core.parameters import Parameter
from xai_core.rules.books import Books
from xai_core.rules.context import RELEVANCE_RULES, Context, StepRule
from xai_core.rules.linear import PLUS, Box, LinearRule
from xai_core.rules.operations import AVERAGES
from xai_core.rules.rap import RelativeAttributing
from xai_core.rules.rap_published import PublishedLinear, published_norm, published_pool, published_sum
from xai_core.steps import NORMS, Step

LINEAR = ("convolution", "addmm", "mm")
_POOLS = (*AVERAGES, "max_pool2d_with_indices", "max_pool3d_with_indices")


@explainer(
    name="rap",
    title="RAP",
    family="RAP",
    taxonomy=("white box", "network structure", "local"),
    parameters=(
        Parameter(
            "variant",
            "choice",
            "paper",
            "As the paper defines it, or as the authors' code computes it.",
            choices=("paper", "published-code"),
        ),
        SEED,
        LOW,
        HIGH,
        POOLING,
        *FILTERS,
    ),
    dims=(0, 1, 2, 3),
    target_dependent=True,
    exact=True,
    summary="Separates what matters from what does not, then for from against: few empty areas, sum kept.",
    source="Nam et al., AAAI 2020, arXiv 1904.00605, eq. 3 to 6",
    unit="logit",
    has_account=True,
    cost=5.0,
)
def rap(request: Request, parameters: Mapping[str, Any]) -> Attribution:
    """Relevance of the input, signed, with its books. ``variant`` "published-code" starts from 1 and need not close."""
    recording = request.recording.ending_at(request.logit_value)
    last, first = last_layers(recording), first_layers(recording)
    if parameters["variant"] == "paper":
        low, high = (
            given if given is not None else bound
            for given, bound in zip(
                (parameters["low"], parameters["high"]), request.bounds or (None, None), strict=True
            )
        )
        linear: StepRule = RelativeAttributing(last, first - last, Box(low, high))
        rules = {**RELEVANCE_RULES, **dict.fromkeys(LINEAR, linear)}
        seed = seed_of(request, parameters["seed"])
        explained = seed
    else:
        rules = {
            **RELEVANCE_RULES,
            **dict.fromkeys(LINEAR, PublishedLinear(last, first, request.targets())),
            **dict.fromkeys(_POOLS, published_pool),
            **dict.fromkeys(NORMS, published_norm),
            "add": published_sum,
        }
        seed = seed_of(request, "one")
        explained = seed_of(request, "logit")
    books = Books(seed.shape[0], seed.device)
    context = Context(
        recording,
        books,
        "rap",
        sums,
        sums,
        parameters["pooling"],
        parameters["variant"] == "paper",
        rules,
        alternatives=("lrp-epsilon-plus", *ALTERNATIVES),
    )
    relevance = filtered_walk(context, request.logit_value, seed, filter_of(parameters))
    return Attribution(
        relevance,
        closed(books.account(explained, relevance)),
        request.targets(),
        rules=dict(context.chosen),
        replaced=context.replaced,
        idle=tuple(idle_parameters(request, parameters)),
    )


def sums(step: Step) -> LinearRule:
    """Sums and norms: as alpha 1 beta 0, without bias."""
    return PLUS
