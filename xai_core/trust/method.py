"""Checks of the method: rules that gave way, the layer that was looked at, random numbers, and whether it was repeated."""

from __future__ import annotations

from xai_core.trust.badge import Evidence, Finding, check

COARSEST = 4
"""Fewer cells along a side, and a map hardly tells left from right."""


@check
def rules_applied(evidence: Evidence) -> Finding | None:
    if not evidence.replaced:
        return None
    told = "; ".join(f"{rule} ({_some(places)})" for rule, places in evidence.replaced.items())
    return Finding("good", "", f"Where the method's own rule does not hold, another did: {told}.")


@check
def everything_asked_had_an_effect(evidence: Evidence) -> Finding | None:
    if not evidence.idle:
        return None
    return Finding("caution", "not applied", f"Without effect on this network: {'; '.join(evidence.idle)}.")


@check
def target_layer(evidence: Evidence) -> Finding | None:
    layer = evidence.facts.get("target_layer")
    if not isinstance(layer, str):
        return None
    named = f"the layer {layer}" if layer else "a layer without a name"
    told = f"It looks at {named}, {_chosen_by(evidence, layer)}."
    if "grid" not in evidence.facts:
        return Finding("good", "", told)
    grid = [int(size) for size in str(evidence.facts["grid"]).split(" x ")]
    cell = " x ".join(f"{side / cells:.3g}" for side, cells in zip(evidence.raw.shape[1:], grid, strict=True))
    told += f" Its grid of {evidence.facts['grid']} has cells of {cell} pixels of the network's input: finer edges are not in the map."
    if min(grid) < COARSEST:
        return Finding("caution", "very coarse", told)
    return Finding("good", "coarse", told)


def _chosen_by(evidence: Evidence, layer: str) -> str:
    if "target_layer" not in {parameter.name for parameter in evidence.info.parameters}:
        return "which the method itself prescribes"
    if evidence.parameters.get("target_layer"):
        return "which you chose"
    if layer and layer == evidence.card_layer:
        return "which the model's card names"
    return "found automatically"


@check
def random_numbers(evidence: Evidence) -> Finding | None:
    seed = evidence.parameters.get("seed")
    if not isinstance(seed, int):
        return None
    return Finding(
        "good", "", f"Random numbers, where it draws any, come from seed {seed}: equal seeds give equal maps."
    )


@check
def repeated(evidence: Evidence) -> Finding | None:
    """A second look (``xai_core.second_looks``) puts what it found in the place of this."""
    return Finding("good", "", "The map was computed once; it was not repeated.")


def _some(places: tuple[str, ...], most: int = 3) -> str:
    more = len(places) - most
    return ", ".join(places[:most]) + (f" and {more} more" if more > 0 else "")
