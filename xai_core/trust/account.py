"""Checks of what adds up: the books of relevance, the completeness error, amplification, what was lost on the way."""

from __future__ import annotations

from xai_core.explainers.completeness import COMPLETENESS_ERROR
from xai_core.rules.books import is_closed
from xai_core.trust.badge import Evidence, Finding, check


@check
def books_close(evidence: Evidence) -> Finding | None:
    account = evidence.account
    if account is None:
        return None
    if not is_closed(dict(account)):
        return Finding(
            "bad", "books open", f"Relevance of {account['error']:.3g} of {account['seed']:.3g} is unaccounted for."
        )
    return Finding("good", "books closed", f"The books close: all of {account['seed']:.3g} is accounted for.")


@check
def adds_up(evidence: Evidence) -> Finding | None:
    error = evidence.facts.get(COMPLETENESS_ERROR)
    if not isinstance(error, float):
        return None
    is_by_parts = "map_sum" not in evidence.facts
    added, wanted = evidence.facts["sum" if is_by_parts else "map_sum"], evidence.facts["difference"]
    what = "What its superpixels are worth" if is_by_parts else "The map"
    told = f"{what} adds up to {added:.3g}, and f(image) - f(baseline) is {wanted:.3g}: {error:.1%} off."
    if error <= 0.05:
        return Finding("good", "adds up", told)
    return Finding("caution" if error <= 0.5 else "bad", "does not add up", f"{told} Take more steps or samples.")


@check
def stable(evidence: Evidence) -> Finding | None:
    account = evidence.account
    if account is None or account["amplification"] <= 100:
        return None
    told = f"Positive and negative relevance add up to {account['amplification']:.3g} times what is explained"
    if account["magnitude"] <= 100 * max(1.0, abs(account["seed"])):  # of a logit of one it would be no growth
        why = f"that is next to nothing ({account['seed']:.2g}), since what speaks for it and against it cancels."
        return Finding("caution", "unstable", f"{told}: {why} The map shows where both lie, and its sum says little.")
    is_bounded = evidence.info.name.startswith("lrp-epsilon-plus")
    better = "occlusion" if is_bounded else "lrp-epsilon-plus"
    return Finding("caution", "unstable", f"{told}: the rule grew without bound. Compare with {better}.")


@check
def little_lost(evidence: Evidence) -> Finding | None:
    account = evidence.account
    if account is None or account["seed"] == 0:
        return None
    kept = account["map"] / account["seed"]
    if 0.5 <= kept <= 2 or account["amplification"] > 100:
        return None
    where = max(("bias", "stabiliser", "filtered", "stopped"), key=lambda name: abs(account[name]))
    names = {
        "bias": "biases took the rest",
        "stabiliser": "the stabiliser took the rest",
        "filtered": "the filter removed the rest",
        "stopped": "the rest ended in constants and gates",
    }
    return Finding(
        "caution", "partial", f"The map carries {round(kept, 2) + 0.0:.0%} of what is explained; {names[where]}."
    )
