"""DeepLIFT (Shrikumar, Greenside and Kundaje 2017, arXiv 1704.02685): what each pixel's difference from a baseline adds to the logit.

The network is run on the image and on the baseline. Every unit's difference between the two is shared out among what it is
computed from, and so on down to the pixels:

    R = m * (x - x0),  sum R = f(x) - f(x0),  m of a nonlinear unit = delta_out / delta_in

(its equations 2 and 1; equation 3, m = sum over units of m_in * m_out, takes m from layer to layer). What is explained is a logit, as its
section 3.6 advises; the mean over all labels, which that section offers to subtract before a softmax, is not subtracted.
`rescale` gives a nonlinear unit that one multiplier, where a gradient would say 0 on a saturated unit; `reveal-cancel` follows
what pushed a unit up and what pushed it down separately, so that two causes that cancel are both shown.

What it tells: contributions against a baseline, in logits, which add up exactly, without the gradient's zeros at saturated units.

What it cannot tell: two networks that compute the same function can have different DeepLIFT maps (Sundararajan et al. 2017), so it
speaks of this network's computation, not of its function alone. Like integrated gradients it sees nothing where the image equals
its baseline, and depends on that choice as much as on the image (Sturmfels et al. 2020).

Known failures: rescale cancels what reveal-cancel shows. Maps can be altered by changes of the image that no eye sees (Ghorbani et
al. 2019). The paper has no rule for units that are multiplied, attention or layer norm; ours are complete and written down in
`xai_core/rules/multipliers*.py` (published ones differ from integrated gradients there, Ancona et al. 2018). A network whose way
through its own code depends on the samples is refused.

Cost: about four forward passes.

Peers: captum's DeepLift works on modules by hooks: it refuses torchvision's ResNet, whose ReLU modules are used twice, skips
functional ReLUs (Inception: most of the difference is lost) and products of activations, and loses part where a max pool adjoins
an activation or its windows overlap. Here every operation is recorded, and the account says what is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from torch import Tensor

from xai_core.explainers.baselines import BASELINE, baseline_of
from xai_core.explainers.completeness import completeness
from xai_core.explainers.integrated_gradients import SEED
from xai_core.explainers.registry import explainer
from xai_core.explainers.request import Attribution, Request, closed
from xai_core.parameters import Parameter
from xai_core.propagate import Rule, walk
from xai_core.record import record
from xai_core.rules import multipliers_maximum, multipliers_norm, multipliers_softmax  # noqa: F401 (they register rules)
from xai_core.rules.books import Books
from xai_core.rules.linearity import FOR_DIFFERENCES
from xai_core.rules.multipliers import multipliers_of
from xai_core.rules.pair import Pair
from xai_core.rules.reveal_cancel import RevealCancel
from xai_core.steps import Step, Value

VARIANT = Parameter(
    "variant",
    "choice",
    "rescale",
    "How a nonlinear unit passes on a difference: as one, or what pushed it up and down separately.",
    choices=("rescale", "reveal-cancel"),
    title="Rule",
)


@explainer(
    name="deeplift",
    title="DeepLIFT",
    family="gradient",
    taxonomy=("white box", "network structure", "local"),
    parameters=(VARIANT, BASELINE, SEED),
    dims=(0, 1, 2, 3),
    target_dependent=True,
    exact=True,
    summary="What each pixel's difference from a baseline adds to the logit: complete, fast, no noise from saturated units.",
    source="Shrikumar et al. 2017, arXiv 1704.02685, sections 3.5.1 to 3.5.3",
    unit="logit",
    has_account=True,
    cost=4.0,
)
def deeplift(request: Request, parameters: Mapping[str, Any]) -> Attribution:
    """multiplier * (x - baseline), (N, C, *space), signed; the target and its region are chosen on x.

    Raises :class:`UnsupportedOperationError` where an operation's difference cannot be shared out, and
    :class:`ModuleStateError` where the network takes another way for the baseline.
    """
    x0 = baseline_of(request, parameters["baseline"], parameters["seed"])
    request.report(0.0)
    if request.shared is None:  # a recording that holds what the rules read again, and no more
        request = replace(request, shared=record(request.module, request.x, FOR_DIFFERENCES))
    request.report(0.25)
    pair = Pair(request.recording, record(request.module, x0, FOR_DIFFERENCES))
    request.report(0.5)
    selection = request.selection()
    ending = request.recording.ending_at(request.logit_value)
    if parameters["variant"] == "rescale":
        m = walk(ending, selection, _reporting(request, partial(multipliers_of, pair)))
        relevance = m * pair.delta(ending.input)
    else:
        rule = RevealCancel(pair)
        relevance = rule.finished(walk(ending, selection, _reporting(request, rule)))
    books = Books(selection.shape[0], selection.device)
    explained = pair.delta(ending.result) * selection
    return Attribution(
        relevance,
        closed(books.account(explained, relevance)),
        request.targets(),
        facts=completeness(relevance, books.total(explained)),
    )


def _reporting(request: Request, rule: Rule) -> Rule:
    """``rule`` that tells how far the walk is, and stops where the person asked to."""
    steps = len(request.recording.steps)
    done = iter(range(1, steps + 1))

    def told(step: Step, outgoing: Sequence[Tensor | None]) -> Iterable[tuple[Value, Tensor]]:
        request.report(0.5 + 0.5 * next(done) / steps)
        return rule(step, outgoing)

    return told
