"""LRP of the 3-D U-Net study, for pass and clamp filters on volumes (Tjoa et al., arXiv 1911.08136).

Every convolution and up-convolution follows positive weights against signed inputs, without bias, from the whole output:

    R = x * W+^T (R' / (W+ x + 1e-9))

R' is the relevance of the layer's output. Max pools give to the winner, batch norm and activations pass. `variant` text cuts
concatenations properly and adds what meets at a skip; published-code follows the code, which takes the skip's relevance from the
wrong half of the cut, halves where branches meet and has a first layer of its own.

What it tells: on which voxels and modalities a segmentation rested as a whole, with the study's filters to keep strong or weak
relevance apart.

What it cannot tell: one label from another. Everything the network puts out is explained at once, every class and every position.

Known failures: W+ x may pass zero where inputs are negative, and relevance is then large and of either sign; look at the
amplification among the badge's numbers. Filters remove relevance, which the books count, and say nothing of why it was there.

Cost: one forward pass and one walk back, about three forward passes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from xai_core.composites import first_layers
from xai_core.explainers.lrp import ALTERNATIVES, FILTERS, filter_of, filtered_walk
from xai_core.explainers.registry import explainer
from xai_core.explainers.request import Attribution, Request, closed
from xai_core.parameters import Parameter
from xai_core.rules.books import Books
from xai_core.rules.context import RELEVANCE_RULES, Context, StepRule
from xai_core.rules.filters import RelevanceFilter
from xai_core.rules.linear import LinearRule, Study
from xai_core.rules.study import StudyFirstLayer, skips_of, study_cut, study_pool
from xai_core.steps import Step


@explainer(
    name="lrp-study-unet",
    title="LRP of the U-Net study",
    family="LRP",
    taxonomy=("white box", "network structure", "local"),
    parameters=(
        Parameter(
            "variant",
            "choice",
            "text",
            "As the paper's text says, or as its published code does.",
            choices=("text", "published-code"),
        ),
        Parameter(
            "first",
            "choice",
            "head",
            "First layer of the published code: as its head has it, or as its results used it.",
            choices=("head", "published"),
        ),
        *FILTERS,
    ),
    dims=(1, 2, 3),
    target_dependent=False,
    exact=True,
    summary="Positive weights against signed inputs, from every output at once: the rule of the stroke study.",
    source="Tjoa et al., arXiv 1911.08136",
    unit="logit",
    has_account=True,
)
def lrp_study_unet(request: Request, parameters: Mapping[str, Any]) -> Attribution:
    """Relevance of the input for the whole output, signed, with its books."""
    recording = request.recording
    chosen = filter_of(parameters)
    seed = request.logits.clone()
    books = Books(seed.shape[0], seed.device)
    rules: dict[str, StepRule] = dict(RELEVANCE_RULES)
    if parameters["variant"] == "published-code":
        first = StudyFirstLayer(first_layers(recording), parameters["first"] == "published")
        rules |= {"convolution": first, "cat": study_cut(_at_cuts(chosen, books))}
        rules |= dict.fromkeys(("max_pool2d_with_indices", "max_pool3d_with_indices"), study_pool(skips_of(recording)))
    context = Context(
        recording, books, "lrp-study-unet", _study, _study, folds_norms=False, rules=rules, alternatives=ALTERNATIVES
    )
    filters_cuts = parameters["variant"] == "text"
    relevance = filtered_walk(context, request.logit_value, seed, chosen, filters_cuts=filters_cuts)
    return Attribution(relevance, closed(books.account(seed, relevance)), request.targets(), rules=dict(context.chosen))


def _study(step: Step) -> LinearRule:
    return Study()


def _at_cuts(chosen: RelevanceFilter, books: Books) -> Any:
    """The filter where cuts are filtered at all, else nothing."""
    if chosen.place == "output":
        return lambda relevance: relevance

    def filtered(relevance: Tensor) -> Tensor:
        return chosen(relevance, books)

    return filtered
